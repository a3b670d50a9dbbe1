"""The envelope of every error."""

from __future__ import annotations

from typing import Any

from e2a_core.contract.base import View

__all__ = ["ErrorBody", "ErrorEnvelope"]


class ErrorBody(View):
    """`code` is the contract with clients; `message` is for people."""

    code: str
    message: str
    details: dict[str, Any] | None = None
    request_id: str


class ErrorEnvelope(View):
    error: ErrorBody
