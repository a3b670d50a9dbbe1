"""The transport of a deployment without an upstream relay: nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.contract.states import Method
from e2a_core.submission.outcome import SubmissionResult, succeeded
from e2a_core.submission.transports.base import BeforeContent

__all__ = ["SandboxTransport"]


class SandboxTransport:
    """Captures mail: the stored message is the captured copy, and the result names the sandbox so nobody takes
    it for a delivery."""

    name: str = Method.SANDBOX

    async def submit(
        self,
        envelope_from: str,
        recipients: Sequence[str],
        content: bytes,
        before_content: BeforeContent | None = None,
    ) -> SubmissionResult:
        detail = "captured by the sandbox: no upstream relay is configured, nothing was sent"
        return SubmissionResult(tuple(succeeded(recipients, text=detail)), self.name)

    async def aclose(self) -> None:
        pass
