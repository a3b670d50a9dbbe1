"""Labels, the trash and conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from e2a_core.contract.base import Moment, Page
from e2a_core.contract.conversations import ConversationDetailView, ConversationSummaryView
from e2a_core.contract.message_views import MessageSummaryView, MessageView
from e2a_core.contract.messages import DeleteMessageResult, UpdateMessageRequest, UpdateMessageResultView
from e2a_mcp.fence import Fence
from e2a_mcp.render import (
    MAX_ADDRESSES,
    ROW_FIELDS,
    conversation_lines,
    fence_rows,
    message_lines,
    names_of,
    page_line,
    sender,
    shown_id,
)
from e2a_mcp.schema import Arguments, object_schema, validated, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, InboxArguments, Limit
from e2a_mcp.tools.outputs import SUMMARY_ROW, TEXT, UNTRUSTED
from e2a_mcp.tools.passing import by_hand, pass_through
from e2a_mcp.tools.several import SeveralArguments, each, one_or_several

__all__ = ["TOOLS", "GetConversation", "get_conversation"]


class UpdateLabels(SeveralArguments):
    add_labels: list[str] | None = None
    remove_labels: list[str] | None = None
    read_status: Literal["read", "unread"] | None = None


class DeleteMessages(SeveralArguments):
    confirm: Annotated[Confirmed, SkipJsonSchema()] = True
    """Not needed, since the trash gives back; older callers send it."""


class ListConversations(Arguments):
    since: Annotated[Moment, Field(description="time, date, or 2d")] | None = None
    until: Moment | None = None
    cursor: str | None = None
    limit: Limit = 20


class GetConversation(InboxArguments):
    conversation_id: str
    offset: Annotated[int, Field(ge=0, description="newest messages to skip")] = 0
    limit: Limit = 20


def _conversations(call: Call, email: str, page: Page[ConversationSummaryView]) -> Reply:
    rows = page.model_dump(mode="json")["items"]
    fence = Fence(call.services.ids, (row["latest_subject"] for row in rows))
    structured: dict[str, Any] = {"conversations": rows}
    if page.next_cursor:
        structured["next_cursor"] = page.next_cursor
    structured["untrusted"] = fence.note(["id", "latest_subject", "latest_from", "latest_from_name"])
    lines = [page_line(len(rows), "conversation", email, page.next_cursor), *conversation_lines(fence, rows)]
    return Reply(structured, "\n".join(lines), untrusted=bool(rows))


def _restored(view: MessageView) -> Reply:
    """Returns a line that says what it means for a message that was to leave."""
    members = view.model_dump(
        mode="json", include={"id", "delivery_status", "scheduled_at"}, exclude_none=True
    )
    note = "restored"
    if view.delivery_status == "accepted":
        note = (
            f"restored; it leaves at {members['scheduled_at']}"
            if view.scheduled_at
            else "restored; it leaves soon"
        )
    elif view.delivery_status == "failed":
        note = "restored; it was not sent, and will not be"
    elif view.review_status and "rejected" in view.review_status:
        note = "restored; the draft was withdrawn or rejected, and will not be sent"
    return Reply({**members, "note": note}, f"{view.id} {note}")


async def get_conversation(call: Call, arguments: GetConversation) -> Reply:
    email = call.inbox(arguments.email)
    view = await call.session.conversations.get(email, arguments.conversation_id)
    count = len(view.messages)
    end = max(0, count - arguments.offset)
    start = max(0, end - arguments.limit)
    shown = view.messages[start:end]
    fence, rows = fence_rows(call.services.ids, shown)
    structured = view.model_dump(mode="json", exclude={"messages"})
    if len(view.participants) > MAX_ADDRESSES:
        structured["participants"] = view.participants[:MAX_ADDRESSES]
        structured["participant_count"] = len(view.participants)
    structured["messages"] = rows
    structured["untrusted"] = fence.note(
        [
            "id",
            "latest_subject",
            "latest_from",
            "latest_from_name",
            "participants",
            *(f"messages.{name}" for name in ROW_FIELDS),
        ]
    )
    noun = "message" if view.message_count == 1 else "messages"
    head = f"{shown_id(fence, view.id)} in {email}: {view.message_count} {noun}, oldest first"
    if rows and len(rows) < count:
        head += f"; these are {start + 1} to {end}"
    if start:
        structured["next_offset"] = count - start
        head += f", older ones with offset={count - start}"
    lines = [line for line in message_lines(fence, rows) if line != fence.notice]
    who = fence.inline(_participants(structured["participants"], shown))
    return Reply(structured, "\n".join([head, fence.notice, who, *lines]), untrusted=True)


def _participants(addresses: Sequence[str], messages: Sequence[MessageSummaryView]) -> str:
    """Returns the participants with the display names that they have in these messages."""
    names: dict[str, str] = {}
    for message in messages:
        names |= {address.lower(): name for address, name in names_of(message).items()}
        if message.header_from and message.from_name:
            names[message.header_from.lower()] = message.from_name
    return "Participants: " + ", ".join(sender(address, names.get(address)) for address in addresses)


_CONVERSATION = object_schema(
    {
        **view_properties(ConversationDetailView, depth=0),
        "messages": {"type": "array", "items": SUMMARY_ROW},
        "participant_count": {"type": "integer"},
        "next_offset": {"type": "integer"},
        "untrusted": UNTRUSTED,
    },
    ["id", "messages"],
)


async def update_labels(call: Call, arguments: UpdateLabels) -> Reply:
    email = call.inbox(arguments.email)
    given = arguments.model_dump(include=set(UpdateMessageRequest.model_fields), exclude_none=True)
    request = validated(UpdateMessageRequest, given)

    async def update(message_id: str) -> Reply:
        result = await call.session.messages.update(email, message_id, request)
        said = f" labels={','.join(result.labels)}" if result.labels else " no labels"
        status = f" {result.read_status}" if arguments.read_status else ""
        shown = result.model_dump(mode="json", exclude=None if arguments.read_status else {"read_status"})
        return Reply(shown, f"{result.message_id}{status}{said}")

    return await each(call, arguments, update, "updated")


async def delete_messages(call: Call, arguments: DeleteMessages) -> Reply:
    email = call.inbox(arguments.email)

    async def delete(message_id: str) -> Reply:
        result = await call.session.messages.delete(email, message_id)
        note = f"; {result.note}" if result.note else ""
        return Reply(result.to_wire(), f"{message_id} is in the trash{note}")

    return await each(call, arguments, delete, "in the trash")


async def restore_messages(call: Call, arguments: SeveralArguments) -> Reply:
    email = call.inbox(arguments.email)

    async def restore(message_id: str) -> Reply:
        return _restored(await call.session.messages.restore(email, message_id))

    return await each(call, arguments, restore, "restored")


_UPDATED = one_or_several(view_properties(UpdateMessageResultView), "message_id")
_DELETED = one_or_several(view_properties(DeleteMessageResult), "id")
_RESTORED = one_or_several({"id": TEXT, "delivery_status": TEXT, "scheduled_at": TEXT, "note": TEXT}, "note")

TOOLS: tuple[Tool[Any], ...] = (
    by_hand("update_message", UpdateLabels, _UPDATED, update_labels),
    pass_through(
        "list_conversations",
        ["id"],
        rows="conversations",
        narrowed=ListConversations,
        reply=lambda call, arguments, page: _conversations(call, call.inbox(arguments.email), page),
    ),
    by_hand("get_conversation", GetConversation, _CONVERSATION, get_conversation),
    by_hand("delete_message", DeleteMessages, _DELETED, delete_messages),
    by_hand("restore_message", SeveralArguments, _RESTORED, restore_messages),
)
