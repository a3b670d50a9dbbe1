"""What happened lately, for a host that was woken by an event without being told of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.operation import READS
from e2a_mcp.events.wire import occurrence
from e2a_mcp.schema import Arguments, object_schema
from e2a_mcp.tool import Call, Reply, Tool

__all__ = ["TOOLS"]

MAX_RECENT = 50

_OUTPUT = object_schema(
    {
        "events": {
            "type": "array",
            "items": object_schema(
                {
                    "eventId": {"type": "string"},
                    "name": {"type": "string"},
                    "timestamp": {"type": "string"},
                    "data": {"type": "object"},
                },
                ["eventId", "name", "timestamp", "data"],
            ),
        }
    },
    ["events"],
)


class RecentEvents(Arguments):
    event_name: Annotated[str, Field(description="such as email.sent")] | None = None
    event_id: str | None = None
    arguments: Annotated[dict[str, Any], Field(description="such as from, verified_only")] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_RECENT)] = 10
    email: str | None = None


async def _recent(call: Call, given: RecentEvents) -> Reply:
    arguments = dict(given.arguments or {})
    arguments.setdefault("agent_email", call.inbox(given.email))
    found = await call.session.occurrences.recent(
        given.event_name, arguments, limit=given.limit, event_id=given.event_id
    )
    return Reply({"events": [occurrence(event) for event in found]}, untrusted=True)


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        name="get_recent_events",
        title="Recent events",
        description="What happened, newest first.",
        hints=READS,
        shapes=lambda: (RecentEvents, _OUTPUT),
        run=_recent,
    ),
)
