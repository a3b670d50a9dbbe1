"""A transport wrapper that counts submissions."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.clock import Clock
from e2a_core.observer import Observer
from e2a_core.submission.outcome import Outcome, SubmissionResult
from e2a_core.submission.transports.base import BeforeContent, Transport

__all__ = ["ObservedTransport"]

_WORST_FIRST = (Outcome.FAILED, Outcome.UNKNOWN, Outcome.SUCCEEDED)


class ObservedTransport:
    """Wraps `transport` and reports each submission to `observer`."""

    def __init__(self, transport: Transport, observer: Observer, clock: Clock) -> None:
        self._transport = transport
        self._observer = observer
        self._clock = clock
        self.name = transport.name

    async def submit(
        self,
        envelope_from: str,
        recipients: Sequence[str],
        content: bytes,
        before_content: BeforeContent | None = None,
    ) -> SubmissionResult:
        started = self._clock.monotonic()
        result = await self._transport.submit(envelope_from, recipients, content, before_content)
        outcome = next((item for item in _WORST_FIRST if result.of(item)), Outcome.SUCCEEDED)
        self._observer.submission(self.name, outcome, self._clock.monotonic() - started)
        return result

    async def aclose(self) -> None:
        await self._transport.aclose()
