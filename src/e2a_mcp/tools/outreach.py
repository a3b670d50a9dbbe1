"""The outreach of one inbox to its contacts. An agent may keep its own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from e2a_core.contract.contacts import (
    ContactEngagementView,
    DeleteEngagementResult,
    EngagementQuery,
    UpsertEngagementRequest,
)
from e2a_mcp.schema import object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, Email, InboxArguments, InboxPageArguments
from e2a_mcp.tools.contacts import IfMatch, Metadata, tagged
from e2a_mcp.tools.outputs import TEXT, listed, listing

__all__ = ["TOOLS"]

Stage = Annotated[str, Field(max_length=128)]


class ListEngagements(InboxPageArguments):
    stage: Stage | None = None
    replied: bool | None = None
    suppressed: bool | None = None
    next_action_before: str | None = None
    last_outbound_before: str | None = None


class GetEngagement(InboxArguments):
    address: Email


class UpsertEngagement(GetEngagement):
    stage: Stage | None = None
    next_action_at: Annotated[AwareDatetime, Field(description="null clears")] | None = None
    metadata: Metadata | None = None
    if_match: IfMatch | None = None


class DeleteEngagement(GetEngagement):
    confirm: Confirmed


async def list_engagements(call: Call, arguments: ListEngagements) -> Reply:
    query = EngagementQuery(**arguments.model_dump(exclude={"email"}, exclude_none=True))
    return listed("engagements", await call.session.contacts.engagements(call.inbox(arguments.email), query))


async def get_engagement(call: Call, arguments: GetEngagement) -> Reply:
    return tagged(await call.session.contacts.engagement(call.inbox(arguments.email), arguments.address))


async def upsert_engagement(call: Call, arguments: UpsertEngagement) -> Reply:
    given = arguments.model_dump(include={"stage", "metadata"}, exclude_none=True)
    # Here null is a value of its own: it clears.
    if "next_action_at" in arguments.model_fields_set:
        given["next_action_at"] = arguments.next_action_at
    view = await call.session.contacts.upsert_engagement(
        call.inbox(arguments.email),
        arguments.address,
        UpsertEngagementRequest(**given),
        if_match=arguments.if_match,
    )
    return tagged(view)


async def delete_engagement(call: Call, arguments: DeleteEngagement) -> Reply:
    email = call.inbox(arguments.email)
    return Reply((await call.session.contacts.delete_engagement(email, arguments.address)).to_wire())


_ENGAGEMENT = view_properties(ContactEngagementView)
_TAGGED = object_schema({**_ENGAGEMENT, "etag": TEXT}, ["address", "agent_email", "stage", "etag"])

TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "list_engagements",
        "List outreach",
        "Whom an inbox is in touch with. To follow up: replied false, with next_action_before and "
        "last_outbound_before both given.",
        ListEngagements,
        listing("engagements", object_schema(_ENGAGEMENT, ["address", "stage"])),
        list_engagements,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "get_engagement",
        "Show outreach to a contact",
        "One inbox's outreach to one contact: stage, last mail, reply.",
        GetEngagement,
        _TAGGED,
        get_engagement,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "upsert_engagement",
        "Note outreach to a contact",
        "Enrol a contact, or change what is given.",
        UpsertEngagement,
        _TAGGED,
        upsert_engagement,
        Hints(idempotent=True),
    ),
    Tool(
        "delete_engagement",
        "End outreach to a contact",
        "Forget the outreach; the contact stays.",
        DeleteEngagement,
        object_schema(view_properties(DeleteEngagementResult), ["deleted", "address"]),
        delete_engagement,
        Hints(destructive=True, idempotent=True),
    ),
)
