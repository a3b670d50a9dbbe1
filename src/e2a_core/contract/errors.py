"""The envelope of an error response."""

from __future__ import annotations

from typing import Any

from e2a_core.contract.base import View

__all__ = ["ErrorBody", "ErrorEnvelope"]


class ErrorBody(View):
    """The error itself. Clients branch on `code`; `message` is for people and may change."""

    code: str
    message: str
    details: dict[str, Any] | None = None
    request_id: str


class ErrorEnvelope(View):
    error: ErrorBody
