"""The entries of the account export. They contain no secrets or private keys."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from e2a_core.agents.queries import agent_from
from e2a_core.clock import from_micros, rfc3339
from e2a_core.contract.export import (
    AgentIdentity,
    APIKeyExportEntry,
    Domain,
    Message,
    ProtectionEventExportEntry,
    SuppressionExportEntry,
)
from e2a_core.contract.message_views import AttachmentMetaView, Authentication
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.views import read_status
from e2a_core.protection.config import load_config
from e2a_core.store.statement import Row

__all__ = [
    "agent_entry",
    "api_key_entry",
    "domain_entry",
    "message_entry",
    "plain_entry",
    "protection_entry",
    "suppression_entry",
]

_SCAN_THRESHOLDS = {"off": (0.0, 0.0), "low": (0.7, 0.95), "medium": (0.5, 0.9), "high": (0.3, 0.8)}
"""The scores at which each sensitivity of the content scan holds and blocks a message."""
_INSTANTS = frozenset(
    {
        "at",
        "auto_disabled_at",
        "created_at",
        "disabled_at",
        "expires_at",
        "failed_since",
        "last_seen_at",
        "last_delivered_at",
        "last_delivery_at",
        "next_action_at",
        "revoked_at",
        "updated_at",
        "valid_from",
        "valid_until",
    }
)
_JSON = frozenset({"events", "filters", "metadata", "subjects"})
_FLAGS = frozenset({"active", "enabled", "ordered"})


def agent_entry(row: Row, counts: Row | None) -> AgentIdentity:
    agent = agent_from(row)
    config = load_config(agent.protection)
    members: dict[str, Any] = {}
    for name, direction in (("inbound", config.inbound), ("outbound", config.outbound)):
        review, block = _SCAN_THRESHOLDS[direction.scan.sensitivity]
        members |= {
            f"{name}_policy": direction.gate.policy,
            f"{name}_policy_action": direction.gate.action,
            f"{name}_allowlist": direction.gate.allowlist or None,
            f"{name}_scan": "off" if direction.scan.sensitivity == "off" else "on",
            f"{name}_scan_sensitivity": direction.scan.sensitivity,
            f"{name}_scan_review_threshold": review,
            f"{name}_scan_block_threshold": block,
            f"{name}_7d": counts[name] if counts else 0,
        }
    return AgentIdentity(
        email=agent.email,
        domain=agent.domain,
        registered_domain=agent.registered_domain,
        domain_verified=agent.domain_verified,
        name=agent.name,
        user_id=agent.account_id,
        created_at=from_micros(agent.created_at),
        deleted_at=_instant(agent.deleted_at),
        last_delivery_at=_instant(counts["last_arrival"] if counts else None),
        pending_count=counts["pending"] if counts else 0,
        public=False,
        on_expiry=config.holds.on_expiry,
        ttl_seconds=config.holds.ttl_seconds,
        suppress_notifications=config.holds.suppress_notifications,
        **members,
    )


def domain_entry(row: Row, account_id: str) -> Domain:
    verified = row["verified_at"] is not None
    return Domain(
        domain=row["domain"],
        user_id=account_id,
        verified=verified,
        verification_token=row["verification_token"],
        verified_at=_instant(row["verified_at"]),
        last_checked_at=_instant(row["last_checked_at"]),
        created_at=from_micros(row["created_at"]),
        agent_count=row["agents"],
        dkim_selector=row["selector"],
        dkim_public_key=row["public_key"],
        primary=False,
        sending_status="verified" if verified else "pending",
    )


def api_key_entry(row: Row) -> APIKeyExportEntry:
    return APIKeyExportEntry(
        id=row["id"],
        name=row["name"],
        key_prefix=row["key_prefix"],
        created_at=from_micros(row["created_at"]),
        last_used_at=_instant(row["last_used_at"]),
        revoked_at=_instant(row["revoked_at"]),
    )


def message_entry(row: MessageRow, content: bytes | None) -> Message:
    """`content` is the stored content; the entry has it with the trace. A draft has its text instead."""
    draft = row.hold.draft if content is None and row.hold.draft else {}
    raw = None if content is None else row.trace.encode() + content
    return Message(
        id=row.id,
        agent_email=row.agent_email,
        direction=row.direction,
        type=row.type or None,
        status=row.hold.status,
        header_from=row.header_from,
        envelope_from=row.envelope_from,
        verified_domain=row.verified_domain,
        authentication=Authentication.model_validate(row.authentication) if row.authentication else None,
        delivered_to=row.delivered_to,
        to=row.to_addresses,
        cc=row.cc or None,
        bcc=row.bcc or None,
        reply_to=row.reply_to or None,
        subject=row.subject,
        text=draft.get("text"),
        html=draft.get("html"),
        raw_message=None if raw is None else base64.b64encode(raw).decode("ascii"),
        size_bytes=row.size_bytes or None,
        attachments=[AttachmentMetaView(**item) for item in row.attachments] or None,
        labels=row.labels or None,
        read_status=read_status(row.direction, row.read_at) or None,
        conversation_id=row.conversation_id or None,
        email_message_id=row.email_message_id,
        provider_message_id=row.submission.provider_message_id,
        delivery_status=row.submission.delivery_status,
        delivery_detail=row.submission.delivery_detail,
        sent_as=row.submission.sent_as,
        method=row.submission.method,
        flagged=bool(row.flagged),
        flag_reason=row.flag_reason,
        review_reason=(row.hold.hold_reason or {}).get("code"),
        reviewed_at=_instant(row.hold.reviewed_at),
        reviewed_by_name=row.hold.reviewed_by,
        rejection_reason=row.hold.rejection_reason,
        edited=None if row.hold.edited is None else bool(row.hold.edited),
        approval_expires_at=_instant(row.hold.approval_expires_at),
        scheduled_at=_instant(row.submission.scheduled_at),
        created_at=from_micros(row.created_at),
        deleted_at=_instant(row.deleted_at),
        expires_at=None,
    )


def suppression_entry(row: Row) -> SuppressionExportEntry:
    return SuppressionExportEntry(
        address=row["address"],
        agent_email=row.get("agent_email"),
        source=row["source"],
        reason=row["reason"],
        created_at=from_micros(row["created_at"]),
    )


def protection_entry(row: Row) -> ProtectionEventExportEntry:
    return ProtectionEventExportEntry(
        id=row["id"],
        message_id=row["message_id"],
        agent_email=row["agent_email"],
        direction=row["direction"],
        source=row["source"],
        reason=row["reason"],
        action=row["action"],
        detector=row["detector"],
        scan_score=row["score"],
        peer_address=row["subject_addr"],
        created_at=from_micros(row["created_at"]),
    )


def plain_entry(row: Row) -> dict[str, Any]:
    """An entry of the additional members: the columns of the row, with values as the API writes them."""
    entry: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or name == "account_id":
            continue
        if name in _INSTANTS:
            entry[name] = rfc3339(from_micros(value))
        elif name in _FLAGS:
            entry[name] = bool(value)
        else:
            entry[name] = json.loads(value) if name in _JSON else value
    return entry


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
