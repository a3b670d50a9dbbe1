"""SQL over conversations: aggregates of an inbox's live, visible messages."""

from __future__ import annotations

from typing import Any

from e2a_core.contract.states import Direction
from e2a_core.messages.queries import SUMMARY
from e2a_core.paging import Position, beyond
from e2a_core.store.statement import Statement, sql

__all__ = ["aggregate", "messages", "page"]

_VISIBLE = "m.agent_email = :agent AND m.conversation_id <> '' AND m.deleted_at IS NULL AND m.hidden = 0"

_AGGREGATE = (
    "SELECT m.conversation_id, count(*) AS message_count, "
    f"sum(CASE WHEN m.direction = '{Direction.INBOUND}' THEN 1 ELSE 0 END) AS inbound_count, "
    f"sum(CASE WHEN m.direction = '{Direction.INBOUND}' AND m.read_at IS NULL THEN 1 ELSE 0 END) AS unread_count, "
    "min(m.created_at) AS first_at, max(m.created_at) AS last_at FROM messages m"
)

_LATEST = (
    "(SELECT l.{column} FROM messages l WHERE l.agent_email = :agent "
    "AND l.conversation_id = c.conversation_id AND l.deleted_at IS NULL AND l.hidden = 0 "
    "ORDER BY l.created_at DESC, l.id DESC LIMIT 1) AS {name}"
)


def page(
    agent_email: str,
    since: int | None,
    until: int | None,
    after: Position | None,
    limit: int,
) -> Statement:
    """One page of conversations, by their latest message, newest first."""
    having = ["1 = 1"]
    params: dict[str, Any] = {"agent": agent_email, "limit": limit}
    if since is not None:
        having.append("max(m.created_at) >= :since")
        params["since"] = since
    if until is not None:
        having.append("max(m.created_at) < :until")
        params["until"] = until
    condition, place = beyond(after, "max(m.created_at)", "m.conversation_id")
    params |= place
    grouped = (
        f"{_AGGREGATE} WHERE {_VISIBLE} GROUP BY m.conversation_id HAVING {' AND '.join(having)}{condition} "
        "ORDER BY last_at DESC, m.conversation_id DESC LIMIT :limit"
    )
    latest = ", ".join(
        [
            _LATEST.format(column="subject", name="latest_subject"),
            _LATEST.format(column="header_from", name="latest_from"),
        ]
    )
    return Statement(
        f"SELECT c.*, {latest} FROM ({grouped}) c ORDER BY c.last_at DESC, c.conversation_id DESC", params
    )


def aggregate(agent_email: str, conversation_id: str) -> Statement:
    return sql(
        f"{_AGGREGATE} WHERE {_VISIBLE} AND m.conversation_id = :conversation GROUP BY m.conversation_id",
        agent=agent_email,
        conversation=conversation_id,
    )


def messages(agent_email: str, conversation_id: str) -> Statement:
    return sql(
        f"SELECT {SUMMARY}, m.bcc FROM messages m WHERE {_VISIBLE} "
        "AND m.conversation_id = :conversation ORDER BY m.created_at, m.id",
        agent=agent_email,
        conversation=conversation_id,
    )
