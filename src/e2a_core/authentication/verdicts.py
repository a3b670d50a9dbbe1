"""Caches verdicts for as long as the DNS answers they are based on stay cached.

A verdict depends only on the question and on DNS answers. Senders often send several messages in a row, so the
evaluator need not run again while the resolver's cache still holds the same answers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from e2a_core.authentication.replay import Answers, replay
from e2a_core.authentication.resolver import Answer, DnsFailure, Lookup, RecordType

__all__ = ["MAX_VERDICTS", "Verdicts"]

MAX_VERDICTS = 2048
"""Bounds the cache, since senders choose the questions."""

_T = TypeVar("_T")


class Verdicts(Generic[_T]):
    """The cached verdicts of one kind of evaluator; a full cache drops the oldest."""

    def __init__(self) -> None:
        self._found: OrderedDict[Hashable, tuple[_T, dict[tuple[str, RecordType], Answer]]] = OrderedDict()

    async def find(self, question: Hashable, resolver: Lookup, evaluator: Callable[[Answers], _T]) -> _T:
        """The verdict of `evaluator`, which must depend only on `question` and DNS. Raises what `replay` raises."""
        if question in self._found:
            verdict, basis = self._found[question]
            if _stands(basis, resolver):
                return verdict
            del self._found[question]
        answers = Answers(resolver)
        verdict = await replay(answers, evaluator)
        self._keep(question, verdict, answers)
        return verdict

    def _keep(self, question: Hashable, verdict: _T, answers: Answers) -> None:
        basis = answers.given()
        if basis is not None:
            self._found[question] = verdict, basis
            if len(self._found) > MAX_VERDICTS:
                self._found.popitem(last=False)


def _stands(basis: dict[tuple[str, RecordType], Answer], resolver: Lookup) -> bool:
    try:
        return all(resolver.cached(*key) is answer for key, answer in basis.items())
    except DnsFailure:
        return False
