"""Runs a synchronous evaluator against asynchronous DNS without a thread.

The evaluator reads answers from a table; the first one that is not there ends the run, is asked for, and the
evaluator starts again from the beginning. Because the table only grows, every run sees the same answers and gets
further than the one before; with a warm cache there is exactly one run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from e2a_core.authentication.resolver import Answer, DnsFailure, Lookup, RecordType, TemporaryFailure

__all__ = ["MAX_ROUNDS", "Answers", "replay"]

MAX_ROUNDS = 150
"""More than the 10 + 10 * 10 questions RFC 7208, section 4.6.4 lets one evaluation need."""

_T = TypeVar("_T")


class _Missing(BaseException):
    """Answers the evaluator needs next. Not an `Exception`, so that evaluators do not take it for a DNS failure."""

    def __init__(self, keys: list[tuple[str, RecordType]]) -> None:
        super().__init__(keys)
        self.keys = keys


class Answers:
    """What one evaluation has been told by DNS; an answer, once given, stays the same until it is over."""

    def __init__(self, resolver: Lookup) -> None:
        self._resolver = resolver
        self._known: dict[tuple[str, RecordType], Answer | DnsFailure] = {}

    def get(self, name: str, rdtype: RecordType) -> Answer:
        """The answer. Raises its `DnsFailure`, or ends the run when it must be asked for first."""
        outcome = self._peek(name, rdtype)
        if outcome is None:
            raise _Missing([(name, rdtype)])
        if isinstance(outcome, DnsFailure):
            raise type(outcome)(*outcome.args)
        return outcome

    def need(self, names: list[str], rdtype: RecordType) -> None:
        """Ends the run unless all of `names` are known; they are then asked for at the same time."""
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
        """Every answer given; None when there was a failure, which is not the same object twice."""
        given = {key: outcome for key, outcome in self._known.items() if isinstance(outcome, Answer)}
        return given if len(given) == len(self._known) else None

    async def _fetch(self, name: str, rdtype: RecordType) -> None:
        try:
            self._known[name, rdtype] = await self._resolver.lookup(name, rdtype)
        except DnsFailure as failure:
            self._known[name, rdtype] = failure

    async def fetch(self, keys: list[tuple[str, RecordType]]) -> None:
        """Ask for all of `keys` at once; failures are remembered, never raised."""
        if len(keys) == 1:
            await self._fetch(*keys[0])
        else:
            await asyncio.gather(*(self._fetch(*key) for key in keys))


async def replay(answers: Answers, evaluator: Callable[[Answers], _T]) -> _T:
    """The result of `evaluator`, run as often as `answers` lacked one.

    Raises what the evaluator raises, and `TemporaryFailure` when it keeps asking for more.
    """
    for _ in range(MAX_ROUNDS):
        try:
            return evaluator(answers)
        except _Missing as missing:
            await answers.fetch(missing.keys)
    raise TemporaryFailure(f"more than {MAX_ROUNDS} rounds of DNS questions")
