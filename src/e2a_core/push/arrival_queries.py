"""SQL over the arrivals in one inbox: events of mail that waits to be read, and how far they are acknowledged."""

from __future__ import annotations

from e2a_core.contract.states import Direction
from e2a_core.store.events import columns_of
from e2a_core.store.statement import Statement, sql

__all__ = ["RECEIVED", "acknowledge", "acknowledged", "unread_between"]

RECEIVED = "email.received"

_OF_THE_INBOX = f"e.id = :id AND e.agent_email = :agent AND e.type = '{RECEIVED}'"
_FURTHER = (
    "ON CONFLICT (agent_email) DO UPDATE SET xid = excluded.xid, seq = excluded.seq "
    "WHERE (excluded.xid, excluded.seq) > (websocket_acks.xid, websocket_acks.seq)"
)


def unread_between(agent_email: str, after: int, last: int, count: int) -> Statement:
    """The events of arrival of the inbox's unread mail after one position of the log and up to another, in its order.

    The ids are picked first, so that an inbox with much unread mail is not read whole for each page.
    """
    waiting = (
        f"FROM messages m JOIN events e ON e.message_id = m.id AND e.type = '{RECEIVED}' "
        "WHERE m.agent_email = :agent AND m.direction = '{direction}' AND m.read_at IS NULL "
        "AND m.deleted_at IS NULL AND m.hidden = 0"
    ).format(direction=Direction.INBOUND)
    names = "seq, id, account_id, type, agent_email, conversation_id, message_id, data, created_at"
    bounds = {
        **{f"after_{name}": value for name, value in columns_of(after).items()},
        **{f"last_{name}": value for name, value in columns_of(last).items()},
    }
    return Statement(
        f"SELECT 0 AS xid, {names} FROM events WHERE seq IN "
        f"(SELECT e.seq {waiting} AND e.seq > :after_seq AND e.seq <= :last_seq ORDER BY e.seq LIMIT :count) "
        "ORDER BY seq",
        {**bounds, "agent": agent_email, "count": count},
        f"SELECT xid, {names} FROM events WHERE seq IN "
        f"(SELECT e.seq {waiting} AND (e.xid, e.seq) > (:after_xid, :after_seq) "
        "AND (e.xid, e.seq) <= (:last_xid, :last_seq) ORDER BY e.xid, e.seq LIMIT :count) ORDER BY xid, seq",
    )


def acknowledged(agent_email: str) -> Statement:
    return sql(
        "SELECT xid, seq FROM websocket_acks WHERE agent_email = :agent", by_key=True, agent=agent_email
    )


def acknowledge(agent_email: str, event_id: str) -> Statement:
    """Moves the inbox's mark to this arrival, forwards only; an event that is none of its arrivals changes nothing."""
    insert = (
        "INSERT INTO websocket_acks (agent_email, xid, seq) SELECT e.agent_email, {xid}, e.seq FROM events e"
    )
    return Statement(
        f"{insert.format(xid='0')} WHERE {_OF_THE_INBOX} {_FURTHER}",
        {"id": event_id, "agent": agent_email},
        f"{insert.format(xid='e.xid')} WHERE {_OF_THE_INBOX} {_FURTHER}",
        by_key=True,
    )
