"""The transport of a deployment without an upstream relay; it sends nothing."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.contract.states import Method
from e2a_core.submission.outcome import SubmissionResult, succeeded
from e2a_core.submission.transports.base import BeforeContent

__all__ = ["SandboxTransport"]


class SandboxTransport:
    """Reports success without sending; the stored message is the captured copy. The result names the sandbox, so that
    it cannot be mistaken for a delivery."""

    name: str = Method.SANDBOX

    async def submit(
        self,
        envelope_from: str,
        recipients: Sequence[str],
        content: bytes,
        before_content: BeforeContent | None = None,
    ) -> SubmissionResult:
        detail = "captured by the sandbox: no upstream relay is configured, so nothing was sent"
        return SubmissionResult(tuple(succeeded(recipients, text=detail)), self.name)

    async def aclose(self) -> None:
        pass
