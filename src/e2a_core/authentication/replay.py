"""Runs a synchronous evaluator against asynchronous DNS without a thread.

The evaluator reads DNS answers from a table. The first missing answer ends the run; the answer is fetched and the
evaluator starts again. The table only grows, so each run sees the same answers and gets further than the one before.
With a warm cache there is one run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from e2a_core.authentication.resolver import Answer, DnsFailure, Lookup, RecordType, TemporaryFailure

__all__ = ["MAX_ROUNDS", "Answers", "replay"]

MAX_ROUNDS = 150
"""More than the 10 + 10 * 10 DNS queries that one evaluation may need (RFC 7208, section 4.6.4)."""

_T = TypeVar("_T")


class _Missing(BaseException):
    """The answers the evaluator needs next. Not an `Exception`, so that evaluators do not catch it as a failure."""

    def __init__(self, keys: list[tuple[str, RecordType]]) -> None:
        super().__init__(keys)
        self.keys = keys


class Answers:
    """The DNS answers of one evaluation; an answer does not change during the evaluation."""

    def __init__(self, resolver: Lookup) -> None:
        self._resolver = resolver
        self._known: dict[tuple[str, RecordType], Answer | DnsFailure] = {}

    def get(self, name: str, rdtype: RecordType) -> Answer:
        """The answer. Raises its `DnsFailure`, or ends the run if the answer must be fetched first."""
        outcome = self._peek(name, rdtype)
        if outcome is None:
            raise _Missing([(name, rdtype)])
        if isinstance(outcome, DnsFailure):
            raise type(outcome)(*outcome.args)
        return outcome

    def need(self, names: list[str], rdtype: RecordType) -> None:
        """End the run unless all of `names` are known; the missing ones are then fetched in parallel."""
        missing = [(name, rdtype) for name in names if self._peek(name, rdtype) is None]
        if missing:
            raise _Missing(missing)

    def _peek(self, name: str, rdtype: RecordType) -> Answer | DnsFailure | None:
        key = (name, rdtype)
        outcome = self._known.get(key)
        if outcome is None:
            try:
                outcome = self._resolver.cached(name, rdtype)
            except DnsFailure as failure:
                outcome = failure
            if outcome is not None:
                self._known[key] = outcome
        return outcome

    def given(self) -> dict[tuple[str, RecordType], Answer] | None:
        """All answers given; None if one was a failure, since failures are copied and cannot be compared later."""
        given = {key: outcome for key, outcome in self._known.items() if isinstance(outcome, Answer)}
        return given if len(given) == len(self._known) else None

    async def _fetch(self, name: str, rdtype: RecordType) -> None:
        try:
            self._known[name, rdtype] = await self._resolver.lookup(name, rdtype)
        except DnsFailure as failure:
            self._known[name, rdtype] = failure

    async def fetch(self, keys: list[tuple[str, RecordType]]) -> None:
        """Fetch all of `keys` in parallel; failures are remembered, not raised."""
        if len(keys) == 1:
            await self._fetch(*keys[0])
        else:
            await asyncio.gather(*(self._fetch(*key) for key in keys))


async def replay(answers: Answers, evaluator: Callable[[Answers], _T]) -> _T:
    """Run `evaluator`, repeating it after each missing answer, and return its result.

    Raises what the evaluator raises, and `TemporaryFailure` after `MAX_ROUNDS` rounds.
    """
    for _ in range(MAX_ROUNDS):
        try:
            return evaluator(answers)
        except _Missing as missing:
            await answers.fetch(missing.keys)
    raise TemporaryFailure(f"more than {MAX_ROUNDS} rounds of DNS questions")
