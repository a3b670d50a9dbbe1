"""Conversations: messages of one inbox under one conversation id."""

from __future__ import annotations

from e2a_core.contract.base import Timestamp, View
from e2a_core.contract.messages import MessageSummaryView

__all__ = ["ConversationDetailView", "ConversationSummaryView"]


class ConversationSummaryView(View):
    id: str
    message_count: int
    inbound_count: int
    outbound_count: int
    has_unread: bool
    latest_subject: str
    latest_from: str
    first_message_at: Timestamp
    last_message_at: Timestamp


class ConversationDetailView(ConversationSummaryView):
    participants: list[str]
    labels: list[str]
    messages: list[MessageSummaryView]
