"""Verdicts found before, good for as long as DNS says what they were found by.

Mail of one sender comes in runs, and everything but the answers of DNS is in the question; so the evaluator need not
run again while the very answers it was given are still the cached ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from e2a_core.authentication.replay import Answers, replay
from e2a_core.authentication.resolver import Answer, DnsFailure, Lookup, RecordType

__all__ = ["MAX_VERDICTS", "Verdicts"]

MAX_VERDICTS = 2048
"""A sender chooses what we are asked, so what is remembered must not grow with it."""

_T = TypeVar("_T")


class Verdicts(Generic[_T]):
    """Remembers what one kind of evaluator found; when there is too much, the oldest is forgotten."""

    def __init__(self) -> None:
        self._found: OrderedDict[Hashable, tuple[_T, dict[tuple[str, RecordType], Answer]]] = OrderedDict()

    async def find(self, question: Hashable, resolver: Lookup, evaluator: Callable[[Answers], _T]) -> _T:
        """The verdict of `evaluator`, which goes by `question` and DNS alone. Raises as `replay` does."""
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
