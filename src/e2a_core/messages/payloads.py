"""The `data` object of each event type. It holds metadata only; events never carry message bodies.

`ledger` are the statements of the same write, whose ledger rows the event tells as `lifecycle_transitions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from e2a_core.clock import from_micros, rfc3339
from e2a_core.contract.states import Direction, Method
from e2a_core.messages.lifecycle import transitions
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import Statement

__all__ = [
    "blocked_inbound",
    "blocked_outbound",
    "bounced",
    "failed",
    "flagged",
    "received",
    "review_approved",
    "review_rejected",
    "review_requested",
    "sent",
    "updated",
    "with_ledger",
]

Ledger = Sequence[Statement]


def received(row: MessageRow, ledger: Ledger = ()) -> dict[str, Any]:
    data = {
        **_arrival(row),
        "verified_domain": row.verified_domain,
        "to": row.to_addresses,
        "cc": row.cc,
        "reply_to": row.reply_to,
        "received_at": _time(row.created_at),
        "thread_id": row.thread_id,
        "auth_headers": row.auth_headers or {},
    }
    if row.conversation_id:
        data["conversation_id"] = row.conversation_id
    if row.attachments:
        data["attachments"] = row.attachments
    if row.auto_submitted:
        data["auto_submitted"] = row.auto_submitted
    if row.tag:
        data["tag"] = row.tag
    return with_ledger(data, ledger)


def flagged(row: MessageRow, policy: str) -> dict[str, Any]:
    return {
        **_arrival(row),
        "conversation_id": row.conversation_id,
        "reply_to": row.reply_to,
        "policy": policy,
        "reason": row.flag_reason or "",
    }


def blocked_inbound(row: MessageRow, reason: str, source: str) -> dict[str, Any]:
    return {
        **_arrival(row),
        "conversation_id": row.conversation_id,
        "reason": reason,
        "reason_source": source,
    }


def blocked_outbound(
    reference: str, agent_email: str, recipients: dict[str, list[str]], subject: str, reason: str, source: str
) -> dict[str, Any]:
    return {
        "message_id": reference,
        "agent_email": agent_email,
        "direction": Direction.OUTBOUND,
        **recipients,
        "subject": subject,
        "reason": reason,
        "reason_source": source,
    }


def review_requested(row: MessageRow, reason: str, source: str, ledger: Ledger = ()) -> dict[str, Any]:
    expires = _time(row.hold.approval_expires_at or row.created_at)
    if row.inbound:
        return {**blocked_inbound(row, reason, source), "approval_expires_at": expires}
    data = {
        "message_id": row.id,
        "direction": row.direction,
        "agent_email": row.agent_email,
        "from": row.agent_email,
        "to": row.to_addresses,
        "cc": row.cc,
        "bcc": row.bcc,
        "subject": row.subject,
        "message_type": row.type,
        "conversation_id": row.conversation_id,
        "approval_expires_at": expires,
        "reason": reason,
        "reason_source": source,
    }
    return with_ledger(data, ledger)


def review_approved(row: MessageRow, ledger: Ledger = (), *, auto_resolved: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "message_id": row.id,
        "direction": row.direction,
        "agent_email": row.agent_email,
        "from": row.header_from,
        "subject": row.subject,
        "message_type": row.type,
    }
    if not row.inbound:
        data |= {"method": row.submission.method, "to": row.to_addresses, "edited": bool(row.hold.edited)}
    if auto_resolved:
        data["auto_resolved"] = True
    return with_ledger(data, ledger)


def review_rejected(
    row: MessageRow, ledger: Ledger = (), *, auto_resolved: bool, reason_code: str | None = None
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "message_id": row.id,
        "direction": row.direction,
        "agent_email": row.agent_email,
        "message_type": row.type,
        "reason": row.hold.rejection_reason or "",
    }
    if reason_code is not None:
        data["reason_code"] = reason_code
    if auto_resolved:
        data["auto_resolved"] = True
    return with_ledger(data, ledger)


def sent(row: MessageRow, ledger: Ledger = ()) -> dict[str, Any]:
    data = {**_submission(row), "method": row.submission.method or Method.SMTP}
    if row.submission.provider_message_id and row.submission.method is not Method.LOOPBACK:
        data["provider_message_id"] = row.submission.provider_message_id
    return with_ledger(data, ledger)


def failed(
    row: MessageRow, reason: str, reason_code: str, ledger: Ledger = (), *, retryable: bool
) -> dict[str, Any]:
    data = {
        **_submission(row),
        "method": row.submission.method or Method.SMTP,
        "reason": reason,
        "reason_code": reason_code,
        "retryable": retryable,
    }
    return with_ledger(data, ledger)


def bounced(
    row: MessageRow, address: str, bounce_type: str, detail: str | None, ledger: Ledger = ()
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "message_id": row.id,
        "agent_email": row.agent_email,
        "direction": row.direction,
        "delivered_to": address,
        "subject": row.subject,
        "bounce_type": bounce_type,
    }
    if detail:
        data["smtp_detail"] = detail
    return with_ledger(data, ledger)


def with_ledger(data: dict[str, Any], ledger: Ledger) -> dict[str, Any]:
    """Adds the ledger rows, if there are any."""
    rows = transitions(ledger)
    return {**data, "lifecycle_transitions": rows} if rows else data


def updated(row: MessageRow, change: str) -> dict[str, Any]:
    """`change` is one of read, unread, labels, deleted and restored."""
    return {
        "message_id": row.id,
        "agent_email": row.agent_email,
        "direction": row.direction,
        "change": change,
    }


def _arrival(row: MessageRow) -> dict[str, Any]:
    data = {
        "message_id": row.id,
        "agent_email": row.agent_email,
        "direction": row.direction,
        "header_from": row.header_from,
        "envelope_from": row.envelope_from,
        "authentication": row.authentication,
        "delivered_to": row.delivered_to,
        "subject": row.subject,
    }
    if row.author_agent:
        data["author_agent"] = row.author_agent
    return data


def _submission(row: MessageRow) -> dict[str, Any]:
    data: dict[str, Any] = {
        "message_id": row.id,
        "agent_email": row.agent_email,
        "direction": row.direction,
        "from": row.header_from or row.agent_email,
        "to": row.to_addresses,
        "subject": row.subject,
        "message_type": row.type,
        "conversation_id": row.conversation_id,
    }
    if row.cc:
        data["cc"] = row.cc
    if row.bcc:
        data["bcc"] = row.bcc
    return data


def _time(micros: int) -> str:
    return rfc3339(from_micros(micros))
