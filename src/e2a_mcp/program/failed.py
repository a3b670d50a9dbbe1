"""How a command says that it did not do what was asked."""

from __future__ import annotations

from e2a_mcp.program.statuses import FAILED

__all__ = ["Failed"]


class Failed(Exception):
    """The command ends with `status` and one line: the message, and the `code` of the API's error if there is one."""

    def __init__(self, message: str, status: int = FAILED, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
