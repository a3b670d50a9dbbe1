"""Parts of output schemas that several tools share."""

from __future__ import annotations

from typing import Any, get_args

from e2a_core.contract.base import Page
from e2a_core.contract.message_views import MessageSummaryView, Verdict
from e2a_core.contract.sending import SendResultView
from e2a_mcp.schema import object_schema, view_properties
from e2a_mcp.tool import Reply

__all__ = ["SEND_RESULT", "SUMMARY_ROW", "TEXT", "TRUST", "UNTRUSTED", "listed", "listing"]

TEXT = {"type": "string"}
UNTRUSTED = {"type": "object", "description": "the fence's marker, and the members a sender wrote"}
TRUST = {"enum": list(get_args(Verdict))}
SUMMARY_ROW = object_schema(
    {
        **view_properties(MessageSummaryView, depth=0),
        "trust": TRUST,
    },
    ["id", "direction", "subject", "created_at"],
)
SEND_RESULT = object_schema(
    {**view_properties(SendResultView, depth=0), "untrusted": UNTRUSTED}, ["status", "message_id"]
)


def listing(name: str, row: dict[str, Any], **more: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of a list: the rows as `name`, `next_cursor` while there are more pages, and `more`."""
    return object_schema(
        {name: {"type": "array", "items": row}, "next_cursor": TEXT, "untrusted": UNTRUSTED, **more}, [name]
    )


def listed(name: str, page: Page[Any]) -> Reply:
    """Returns a page as the list `name`."""
    structured: dict[str, Any] = {name: [row.to_wire() for row in page.items]}
    if page.next_cursor:
        structured["next_cursor"] = page.next_cursor
    return Reply(structured)
