"""SQL over conversations: the mail of an inbox that shares a conversation id, or else a thread.

The store keeps a row for each of them, which changes with its messages (migration `conversations`).
"""

from __future__ import annotations

from typing import Any

from e2a_core.messages.queries import CONVERSATION, SUMMARY
from e2a_core.paging import Position, newest_first
from e2a_core.store.statement import Statement, sql

__all__ = ["conversation", "messages", "of_thread", "page", "trashed"]

_COLUMNS = "c.id, c.message_count, c.inbound_count, c.unread_count, c.first_at, c.last_at"

_LATEST = (
    "(SELECT m.{column} FROM messages m WHERE m.agent_email = c.agent_email "
    f"AND {CONVERSATION} = c.id AND m.deleted_at IS NULL AND m.hidden = 0 "
    "ORDER BY m.created_at DESC, m.id DESC LIMIT 1) AS {name}"
)


def page(
    agent_email: str,
    since: int | None,
    until: int | None,
    after: Position | None,
    limit: int,
) -> Statement:
    """One page of conversations, by their latest message, newest first."""
    where = ["c.agent_email = :agent"]
    params: dict[str, Any] = {"agent": agent_email}
    if since is not None:
        where.append("c.last_at >= :since")
        params["since"] = since
    if until is not None:
        where.append("c.last_at < :until")
        params["until"] = until
    latest = ", ".join(
        _LATEST.format(column=column, name=f"latest_{name}")
        for column, name in (("subject", "subject"), ("header_from", "from"), ("from_name", "from_name"))
    )
    text = f"SELECT {_COLUMNS}, {latest} FROM conversations c WHERE {' AND '.join(where)}"
    return newest_first(text, params, after, limit, at="c.last_at", key="c.id")


def conversation(agent_email: str, conversation_id: str) -> Statement:
    return sql(
        f"SELECT {_COLUMNS} FROM conversations c WHERE c.agent_email = :agent AND c.id = :conversation",
        by_key=True,
        agent=agent_email,
        conversation=conversation_id,
    )


def of_thread(agent_email: str, thread_id: str) -> Statement:
    """The conversation to which the newest message of the thread belongs."""
    return sql(
        f"SELECT {CONVERSATION} AS id FROM messages m WHERE m.agent_email = :agent AND m.thread_id = :thread "
        "AND m.deleted_at IS NULL AND m.hidden = 0 ORDER BY m.created_at DESC LIMIT 1",
        by_key=True,
        agent=agent_email,
        thread=thread_id,
    )


def trashed(agent_email: str, name: str) -> Statement:
    """A message in the trash of the conversation or thread of this id, if there is one."""
    return sql(
        f"SELECT m.id FROM messages m WHERE m.agent_email = :agent AND ({CONVERSATION} = :name OR m.thread_id = :name) "
        "AND m.deleted_at IS NOT NULL AND m.hidden = 0 LIMIT 1",
        agent=agent_email,
        name=name,
    )


def messages(agent_email: str, conversation_id: str) -> Statement:
    return sql(
        f"SELECT {SUMMARY}, m.bcc FROM messages m WHERE m.agent_email = :agent "
        f"AND {CONVERSATION} = :conversation AND m.deleted_at IS NULL AND m.hidden = 0 "
        "ORDER BY m.created_at, m.id",
        agent=agent_email,
        conversation=conversation_id,
    )
