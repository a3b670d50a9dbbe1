"""SQL over engagements: an agent's notes on a contact, and figures from its mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2a_core.contacts.queries import LATER
from e2a_core.contract.states import Direction
from e2a_core.paging import Position, newest_first
from e2a_core.store.statement import Statement, sql

__all__ = [
    "delete",
    "delete_untouched",
    "due",
    "engagement",
    "engagements",
    "insert",
    "next_due",
    "told",
    "update",
]

_SENT = (
    "FROM message_recipients r JOIN messages m ON m.id = r.message_id "
    "JOIN lifecycle l ON l.message_id = m.id "
    "AND l.reason_code IN ('submission.upstream_accepted', 'submission.local_loopback_accepted') "
    "WHERE r.address = e.address AND m.agent_email = e.agent_email AND l.occurred_at >= e.created_at "
    "AND (r.status IN ('sent', 'delivered', 'bounced', 'complained') "
    "OR (r.status = 'deferred' AND r.outcome = 'succeeded'))"
)
"""Mail from the agent to the contact since the enrolment that the relay or this deployment accepted, even if it
bounced later."""
_RECEIVED = (
    "FROM messages m WHERE m.agent_email = e.agent_email AND m.sender = e.address "
    f"AND m.direction = '{Direction.INBOUND}' AND m.hidden = 0 AND m.created_at >= e.created_at "
    "AND EXISTS (SELECT 1 FROM lifecycle l WHERE l.message_id = m.id "
    "AND l.reason_code IN ('authentication.dmarc_pass', 'acceptance.local_loopback'))"
)
"""Mail from the contact since the enrolment that the agent may see and whose author is authenticated, by DMARC or
because it was sent within this deployment."""
_FACTS = f"""
    SELECT e.agent_email, e.address, e.stage, e.metadata, e.next_action_at, e.created_at, e.updated_at,
        c.display_name, c.metadata AS contact_metadata,
        COALESCE(s.source, a.source) AS suppression_source,
        CASE WHEN s.source IS NOT NULL THEN s.reason ELSE a.reason END AS suppression_reason,
        (SELECT COUNT(DISTINCT m.id) {_SENT}) AS outbound_count,
        (SELECT MIN(l.occurred_at) {_SENT}) AS first_outbound_at,
        (SELECT MAX(l.occurred_at) {_SENT}) AS last_outbound_at,
        (SELECT m.conversation_id {_SENT} ORDER BY l.occurred_at DESC LIMIT 1) AS outbound_conversation,
        (SELECT COUNT(*) {_RECEIVED}) AS inbound_count,
        (SELECT MAX(m.created_at) {_RECEIVED}) AS last_inbound_at,
        (SELECT m.conversation_id {_RECEIVED} ORDER BY m.created_at DESC LIMIT 1) AS inbound_conversation
    FROM engagements e
    LEFT JOIN contacts c ON c.account_id = e.account_id AND c.address = e.address
    LEFT JOIN suppressions s ON s.account_id = e.account_id AND s.address = e.address
    LEFT JOIN agent_suppressions a
        ON a.account_id = e.account_id AND a.agent_email = e.agent_email AND a.address = e.address
    WHERE e.agent_email = :agent
"""
_REPLIED = (
    "(last_inbound_at IS NOT NULL AND first_outbound_at IS NOT NULL AND last_inbound_at > first_outbound_at)"
)


def engagement(agent_email: str, address: str) -> Statement:
    return sql(f"{_FACTS} AND e.address = :address", by_key=True, agent=agent_email, address=address)


def engagements(
    agent_email: str, filters: Mapping[str, Any], after: Position | None, count: int
) -> Statement:
    """The agent's engagements, newest first.

    Keys of `filters`: stage, replied, suppressed, and in microseconds next_action_before and last_outbound_before.
    """
    conditions = {
        "stage": "stage = :stage",
        "replied": _REPLIED if filters.get("replied") else f"NOT {_REPLIED}",
        "suppressed": f"suppression_source IS {'NOT ' if filters.get('suppressed') else ''}NULL",
        "next_action_before": "next_action_at <= :next_action_before",
        "last_outbound_before": "(last_outbound_at IS NULL OR last_outbound_at < :last_outbound_before)",
    }
    given = {name: value for name, value in filters.items() if value is not None}
    where = "".join(f" AND {conditions[name]}" for name in given)
    values = {name: value for name, value in given.items() if not isinstance(value, bool)}
    text = f"SELECT * FROM ({_FACTS}) facts WHERE 1 = 1{where}"
    return newest_first(text, {"agent": agent_email, **values}, after, count, key="address")


def insert(
    account_id: str,
    agent_email: str,
    address: str,
    *,
    now: int,
    stage: str | None = None,
    metadata: str | None = None,
    next_action_at: int | None = None,
    batch_id: str | None = None,
) -> Statement:
    """Affects no row if the contact is enrolled."""
    return sql(
        "INSERT INTO engagements (agent_email, address, account_id, stage, metadata, next_action_at, due_at, "
        "import_batch_id, created_at, updated_at) VALUES (:agent, :address, :account, :stage, :metadata, "
        ":next_action_at, :next_action_at, :batch, :now, :now) ON CONFLICT (agent_email, address) DO NOTHING",
        by_key=True,
        agent=agent_email,
        address=address,
        account=account_id,
        stage=stage or "",
        metadata=metadata or "{}",
        next_action_at=next_action_at,
        batch=batch_id,
        now=now,
    )


def update(
    agent_email: str, address: str, values: Mapping[str, Any], *, now: int, seen: int | None
) -> Statement:
    """Sets those of stage, metadata and next_action_at that `values` contains; `seen` is as in `queries.update`.

    An instant that is set once more is not told of once more.
    """
    assignments = "".join(
        f"{name} = :{name}, " for name in ("stage", "metadata", "next_action_at") if name in values
    )
    if "next_action_at" in values:
        assignments += (
            "due_at = CASE WHEN next_action_at = :next_action_at THEN due_at ELSE :next_action_at END, "
        )
    expected = "" if seen is None else " AND updated_at = :seen"
    return Statement(
        f"UPDATE engagements SET {assignments}updated_at = {LATER} "
        f"WHERE agent_email = :agent AND address = :address{expected}",
        {
            "agent": agent_email,
            "address": address,
            "now": now,
            **values,
            **({} if seen is None else {"seen": seen}),
        },
        by_key=True,
    )


def due(now: int, count: int) -> Statement:
    """The engagements whose instant has come and was not told of, oldest first. Inboxes in the trash wait."""
    return sql(
        "SELECT e.agent_email, e.address, e.account_id FROM engagements e JOIN agents a ON a.email = e.agent_email "
        "WHERE e.due_at <= :now AND a.deleted_at IS NULL ORDER BY e.due_at LIMIT :count",
        by_key=True,
        now=now,
        count=count,
    )


def next_due() -> Statement:
    """Reads when the next engagement is due."""
    return sql(
        "SELECT e.due_at FROM engagements e JOIN agents a ON a.email = e.agent_email "
        "WHERE e.due_at IS NOT NULL AND a.deleted_at IS NULL ORDER BY e.due_at LIMIT 1",
        by_key=True,
    )


def told(agent_email: str, address: str, instant: int) -> Statement:
    """Notes that `instant` is told of; `StaleWrite` if that was noted, or another instant was set."""
    return sql(
        "UPDATE engagements SET due_at = NULL WHERE agent_email = :agent AND address = :address "
        "AND due_at = :instant",
        by_key=True,
        expect=1,
        agent=agent_email,
        address=address,
        instant=instant,
    )


def delete(agent_email: str, address: str) -> Statement:
    return sql(
        "DELETE FROM engagements WHERE agent_email = :agent AND address = :address",
        agent=agent_email,
        address=address,
    )


def delete_untouched(account_id: str, batch_id: str) -> Statement:
    """Deletes the enrolments of an import that were not edited since and whose contact exchanged no mail."""
    return sql(
        "DELETE FROM engagements WHERE account_id = :account AND import_batch_id = :batch "
        "AND updated_at = created_at "
        "AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.agent_email = engagements.agent_email "
        f"AND m.sender = engagements.address AND m.direction = '{Direction.INBOUND}' "
        "AND m.created_at >= engagements.created_at) "
        "AND NOT EXISTS (SELECT 1 FROM message_recipients r JOIN messages m ON m.id = r.message_id "
        "WHERE m.agent_email = engagements.agent_email AND r.address = engagements.address "
        "AND m.created_at >= engagements.created_at)",
        account=account_id,
        batch=batch_id,
    )
