"""Labels, the trash and conversations."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.conversations import ConversationDetailView, ConversationSummaryView
from e2a_core.contract.messages import DeleteMessageResult, UpdateMessageRequest, UpdateMessageResultView
from e2a_mcp.fence import Fence
from e2a_mcp.reading import read_message
from e2a_mcp.render import (
    MAX_ADDRESSES,
    ROW_FIELDS,
    conversation_lines,
    fence_rows,
    message_lines,
    page_line,
    shown_id,
)
from e2a_mcp.schema import object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, Cursor, InboxArguments, Limit, MessageArguments
from e2a_mcp.tools.messages import MESSAGE
from e2a_mcp.tools.outputs import SUMMARY_ROW, UNTRUSTED, listing

__all__ = ["TOOLS"]


class UpdateLabels(MessageArguments):
    add_labels: list[str] | None = None
    remove_labels: list[str] | None = None


class DeleteMessage(MessageArguments):
    confirm: Confirmed


class ListConversations(InboxArguments):
    since: str | None = None
    until: str | None = None
    cursor: Cursor | None = None
    limit: Limit = 20


class GetConversation(InboxArguments):
    conversation_id: str
    offset: Annotated[int, Field(ge=0, description="newest messages to skip")] = 0
    limit: Limit = 20


async def update_message_labels(call: Call, arguments: UpdateLabels) -> Reply:
    request = UpdateMessageRequest(add_labels=arguments.add_labels, remove_labels=arguments.remove_labels)
    email = call.inbox(arguments.email)
    return Reply((await call.session.messages.update(email, arguments.message_id, request)).to_wire())


async def delete_message(call: Call, arguments: DeleteMessage) -> Reply:
    email = call.inbox(arguments.email)
    return Reply((await call.session.messages.delete(email, arguments.message_id)).to_wire())


async def restore_message(call: Call, arguments: MessageArguments) -> Reply:
    email = call.inbox(arguments.email)
    view = await call.session.messages.restore(email, arguments.message_id)
    return read_message(view, email, call.services.ids)


async def list_conversations(call: Call, arguments: ListConversations) -> Reply:
    email = call.inbox(arguments.email)
    page = await call.session.conversations.list(
        email,
        since=arguments.since,
        until=arguments.until,
        cursor=arguments.cursor,
        limit=arguments.limit,
    )
    rows = page.model_dump(mode="json")["items"]
    fence = Fence(call.services.ids, (row["latest_subject"] for row in rows))
    structured: dict[str, Any] = {"conversations": rows}
    if page.next_cursor:
        structured["next_cursor"] = page.next_cursor
    structured["untrusted"] = fence.note(["id", "latest_subject", "latest_from"])
    lines = [page_line(len(rows), "conversation", email, page.next_cursor), *conversation_lines(fence, rows)]
    return Reply(structured, "\n".join(lines), untrusted=bool(rows))


async def get_conversation(call: Call, arguments: GetConversation) -> Reply:
    email = call.inbox(arguments.email)
    view = await call.session.conversations.get(email, arguments.conversation_id)
    count = len(view.messages)
    end = max(0, count - arguments.offset)
    start = max(0, end - arguments.limit)
    fence, rows = fence_rows(call.services.ids, view.messages[start:end])
    structured = view.model_dump(mode="json", exclude={"messages"})
    structured["participants"] = structured["participants"][:MAX_ADDRESSES]
    structured["messages"] = rows
    structured["untrusted"] = fence.note(
        ["id", "latest_subject", "latest_from", "participants", *(f"messages.{name}" for name in ROW_FIELDS)]
    )
    head = f"{shown_id(fence, view.id)} in {email}: {view.message_count} messages, oldest first"
    if rows and len(rows) < count:
        head += f"; these are {start + 1} to {end}"
    if start:
        structured["next_offset"] = count - start
        head += f", older ones with offset={count - start}"
    return Reply(structured, "\n".join([head, *message_lines(fence, rows)]), untrusted=True)


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "update_message_labels",
        "Label a message",
        "Add or remove labels; answers with all labels after the change.",
        UpdateLabels,
        object_schema(view_properties(UpdateMessageResultView), ["message_id", "labels"]),
        update_message_labels,
        Hints(idempotent=True),
    ),
    Tool(
        "list_conversations",
        "List conversations",
        "Threads of an inbox, latest first; since and until bound the latest message.",
        ListConversations,
        listing("conversations", object_schema(view_properties(ConversationSummaryView), ["id"])),
        list_conversations,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "get_conversation",
        "Show a conversation",
        "A thread: participants and its newest messages as rows, oldest first.",
        GetConversation,
        object_schema(
            {
                **view_properties(ConversationDetailView, depth=0),
                "messages": {"type": "array", "items": SUMMARY_ROW},
                "next_offset": {"type": "integer"},
                "untrusted": UNTRUSTED,
            },
            ["id", "messages"],
        ),
        get_conversation,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "delete_message",
        "Move a message to the trash",
        "Trash a message; restore_message undoes it for about 30 days.",
        DeleteMessage,
        object_schema(view_properties(DeleteMessageResult), ["deleted", "id"]),
        delete_message,
        Hints(destructive=True, idempotent=True),
    ),
    Tool(
        "restore_message",
        "Take a message out of the trash",
        "Undo delete_message.",
        MessageArguments,
        MESSAGE,
        restore_message,
        Hints(),
    ),
)
