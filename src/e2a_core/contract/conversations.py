"""Conversations: the messages of one inbox that share a conversation id, or a thread if they have none.

The id of a conversation is that conversation id or thread id. Wherever one is asked for, the id of a thread will do.
"""

from __future__ import annotations

from typing import Protocol

from e2a_core.contract.base import Moment, Page, Timestamp, View
from e2a_core.contract.message_views import MessageSummaryView
from e2a_core.contract.operation import READS, Access, Budget, Tool, operation
from e2a_core.contract.parameters import ConversationPath, Cursor, Limit
from e2a_core.errors import InvalidCursor, InvalidFilter, NotFound

__all__ = ["Conversations", "ConversationDetailView", "ConversationSummaryView"]


class ConversationSummaryView(View):
    id: str
    message_count: int
    inbound_count: int
    outbound_count: int
    has_unread: bool
    latest_subject: str
    latest_from: str
    latest_from_name: str | None = None
    """The display name beside `latest_from`, in the sender's words."""
    first_message_at: Timestamp
    last_message_at: Timestamp


class ConversationDetailView(ConversationSummaryView):
    participants: list[str]
    labels: list[str]
    messages: list[MessageSummaryView]


class Conversations(Protocol):
    """The conversations of one inbox."""

    @operation(
        "GET",
        "/v1/agents/{email}/conversations",
        id="list_conversations",
        access=Access.AGENT,
        budget=Budget.POLL,
        errors=(InvalidCursor, InvalidFilter, NotFound),
        tool=Tool(
            "List conversations",
            "Threads of an inbox, latest first; since and until bound the latest message.",
            READS,
        ),
    )
    async def list(
        self,
        email: str,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Page[ConversationSummaryView]:
        """List conversations, latest message first. `since` and `until` bound the latest message."""

    @operation(
        "GET",
        "/v1/agents/{email}/conversations/{id:path}",
        id="get_conversation",
        access=Access.AGENT,
        budget=Budget.POLL,
        errors=(NotFound,),
        tool=Tool(
            "Show a conversation",
            "A thread: participants and its newest messages as rows, oldest first.",
            READS,
        ),
    )
    async def get(self, email: str, conversation_id: ConversationPath) -> ConversationDetailView:
        """Get a conversation with its newest messages, oldest first."""
