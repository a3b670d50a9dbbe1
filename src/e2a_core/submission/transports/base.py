"""The interface of transports, which submit a composed message and return the outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from e2a_core.submission.outcome import SubmissionResult

__all__ = ["BeforeContent", "Transport"]

BeforeContent = Callable[[Sequence[str]], Awaitable[None]]
"""Called with the accepted recipients, just before the end of the message is sent."""


class Transport(Protocol):
    """One way to submit mail. `name` identifies it in results and lifecycle rows."""

    name: str

    async def submit(
        self,
        envelope_from: str,
        recipients: Sequence[str],
        content: bytes,
        before_content: BeforeContent | None = None,
    ) -> SubmissionResult:
        """Submits `content` (RFC 5322, CRLF line ends) from `envelope_from` to `recipients`, all bare addresses.

        An empty `envelope_from` is the null reverse-path. Failures of the relay or network are outcomes of the
        recipients, not exceptions; each recipient appears once in the result. If the call is cancelled, the outcome
        is unknown. `before_content` is awaited just before the message is completed; if it raises, nothing is
        submitted and the exception propagates.
        """

    async def aclose(self) -> None:
        """Closes all connections, after the submissions under way have ended."""
