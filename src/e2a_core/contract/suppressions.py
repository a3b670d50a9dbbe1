"""Addresses that must not be written to."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from e2a_core.contract.base import Request, Stated, Timestamp, View

__all__ = [
    "AgentSuppressionView",
    "CreateAgentSuppressionRequest",
    "DeleteSuppressionResult",
    "SuppressionView",
]


class SuppressionView(View):
    address: str
    created_at: Timestamp
    reason: str | None = None
    source: str
    source_message_id: str | None = None


class AgentSuppressionView(View):
    address: str
    agent_email: str
    created_at: Timestamp
    reason: str | None = None
    source: str


class CreateAgentSuppressionRequest(Request):
    address: Annotated[str, StringConstraints(max_length=320), Stated(minLength=3)]
    reason: Annotated[str, StringConstraints(max_length=2000)] | None = None


class DeleteSuppressionResult(View):
    address: str
    deleted: bool
