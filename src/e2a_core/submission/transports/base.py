"""What every transport is: something that takes a composed message and says what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from e2a_core.submission.outcome import SubmissionResult

__all__ = ["BeforeContent", "Transport"]

BeforeContent = Callable[[Sequence[str]], Awaitable[None]]
"""Told the recipients that were accepted, just before the relay can have the whole message."""


class Transport(Protocol):
    """One way out. `name` is what results and lifecycle rows call it."""

    name: str

    async def submit(
        self,
        envelope_from: str,
        recipients: Sequence[str],
        content: bytes,
        before_content: BeforeContent | None = None,
    ) -> SubmissionResult:
        """Hand `content` (RFC 5322, CRLF line ends) on to bare `recipients`, from the bare `envelope_from`.

        An empty `envelope_from` is the null reverse-path. Everything that can go wrong on the way is an outcome of
        a recipient, not an exception; each recipient appears once in the result. A cancelled call may have
        submitted: whoever cancels must treat the outcome as unknown. `before_content` is awaited at the last moment
        at which nothing has been submitted; if it raises, nothing is, and the exception comes out of here.
        """

    async def aclose(self) -> None:
        """Let go of connections; what is under way ends first."""
