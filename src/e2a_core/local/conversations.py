"""Listing and reading conversations."""

from __future__ import annotations

import json
from collections.abc import Sequence

from e2a_core.agents.lookup import resolve_agent
from e2a_core.clock import from_micros
from e2a_core.contract.base import Page
from e2a_core.contract.conversations import ConversationDetailView, ConversationSummaryView
from e2a_core.contract.limits import MAX_CONVERSATION_ID
from e2a_core.contract.principal import Principal
from e2a_core.conversations import queries
from e2a_core.conversations.lookup import conversation_of
from e2a_core.core import Core
from e2a_core.errors import InvalidFilter, InvalidRequest, NotFound
from e2a_core.messages.conditions import instant
from e2a_core.messages.rows import SUMMARY_COLUMNS
from e2a_core.messages.views import summary_view
from e2a_core.paging import paged
from e2a_core.store.statement import Row
from e2a_core.texts import is_storable

__all__ = ["Conversations"]

IN_TRASH = "the mail of the conversation is in the trash; restore it first (restore_message)"


class Conversations:
    """`engine.Conversations` over the store."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def list(
        self,
        email: str,
        *,
        since: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[ConversationSummaryView]:
        agent = await resolve_agent(self._core, self._principal, email)
        now = self._core.clock.now()
        lower, upper = instant(since, "query.since", now), instant(until, "query.until", now)
        if lower is not None and upper is not None and lower >= upper:
            raise InvalidFilter("since must be before until", location="query.since")
        binding = {"list": "conversations", "agent": agent.email}
        return await paged(
            self._core,
            lambda after, count: queries.page(agent.email, lower, upper, after, count),
            query=binding,
            cursor=cursor,
            limit=limit,
            columns=("last_at", "id"),
            view=lambda row: ConversationSummaryView(
                **_counts(row),
                latest_subject=row["latest_subject"] or "",
                latest_from=row["latest_from"] or "",
                latest_from_name=row["latest_from_name"] or None,
            ),
            names=("t", "i"),
        )

    async def get(self, email: str, conversation_id: str) -> ConversationDetailView:
        if len(conversation_id) > MAX_CONVERSATION_ID or "\r" in conversation_id or "\n" in conversation_id:
            raise InvalidRequest(
                f"a conversation id is at most {MAX_CONVERSATION_ID} characters on one line",
                location="path.id",
            )
        agent = await resolve_agent(self._core, self._principal, email)
        known = await conversation_of(self._core, agent.email, conversation_id)
        if known is None:
            raise NotFound(await self._why_missing(agent.email, conversation_id))
        [total], rows = await self._core.db.read(
            [queries.conversation(agent.email, known), queries.messages(agent.email, known)]
        )
        messages = [summary_view(row.bare[: len(SUMMARY_COLUMNS)]) for row in rows]
        return ConversationDetailView(
            **_counts(total),
            latest_subject=messages[-1].subject,
            latest_from=messages[-1].header_from or "",
            latest_from_name=messages[-1].from_name,
            participants=_participants(rows),
            labels=sorted({label for message in messages for label in message.labels}),
            messages=messages,
        )

    async def _why_missing(self, agent_email: str, name: str) -> str:
        trashed = is_storable(name) and await self._core.db.read(queries.trashed(agent_email, name))
        return IN_TRASH if trashed else "no such conversation"


def _counts(row: Row) -> dict[str, object]:
    return {
        "id": row["id"],
        "message_count": row["message_count"],
        "inbound_count": row["inbound_count"],
        "outbound_count": row["message_count"] - row["inbound_count"],
        "has_unread": row["unread_count"] > 0,
        "first_message_at": from_micros(row["first_at"]),
        "last_message_at": from_micros(row["last_at"]),
    }


def _participants(rows: Sequence[Row]) -> list[str]:
    found = set[str]()
    for row in rows:
        found.update(json.loads(row["to_addresses"]), json.loads(row["cc"]), json.loads(row["bcc"]))
        found.update(filter(None, (row["header_from"], row["delivered_to"])))
    return sorted({address.lower() for address in found})
