"""The view of a held message for its reviewer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime

from e2a_core.clock import from_micros
from e2a_core.contract.message_views import AttachmentMetaView, MessageBodyView, MessageView
from e2a_core.contract.screening_views import HoldReasonView, ProtectionFindingView, ThreatCategoryView
from e2a_core.core import Core
from e2a_core.mail.parse import parse_message
from e2a_core.messages.content import load_content
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.views import message_view
from e2a_core.reviews import queries
from e2a_core.store.statement import Row

__all__ = [
    "expiry_words",
    "files_words",
    "leaves_words",
    "named",
    "otherwise_words",
    "paused_words",
    "review_detail",
    "sender_words",
    "why_words",
]

MAX_FILES = 50
"""Files named of one message; further ones are counted."""


def paused_words(since: int) -> str:
    """What a person who decides on a draft has to know of a pause that began then, in microseconds."""
    at = format_datetime(from_micros(since), usegmt=True)
    return f"paused since {at}; an approval is refused, and nothing leaves, until it is resumed"


def leaves_words(scheduled_at: datetime | None, now: datetime) -> str:
    """When a draft leaves once it is approved; empty if at once."""
    if scheduled_at is None:
        return ""
    at = format_datetime(scheduled_at, usegmt=True)
    return f"if approved, at {at}" if scheduled_at > now else f"it was to leave at {at}; if approved, at once"


def otherwise_words(row: MessageRow, on_expiry: str, paused_at: int | None) -> str:
    """What doing nothing does to a held message of an agent whose sending is paused since `paused_at`, if it is."""
    if paused_at and on_expiry == "approve" and not row.inbound:
        return "If you do nothing, it waits until sending is resumed, and is sent then."
    if row.inbound:
        then = "it goes into the inbox" if on_expiry == "approve" else "the agent never sees it"
    else:
        then = "it is sent" if on_expiry == "approve" else "it is rejected and not sent"
    return f"If you do nothing until {expiry_words(row)}, {then}."


def expiry_words(row: MessageRow) -> str:
    return format_datetime(from_micros(row.hold.approval_expires_at or row.created_at), usegmt=True)


def why_words(row: MessageRow) -> str:
    """Why a message is held, in a sentence or two; the second may quote the sender."""
    reason = row.hold.hold_reason
    return " ".join(HoldReasonView(**reason).sentences).strip() if reason else ""


def sender_words(verified_domain: str | None) -> str:
    """Whether the sender of received mail is proven."""
    if verified_domain is None:
        return "not verified: somebody else may have written this"
    return f"verified: this is from {verified_domain}"


def files_words(files: Sequence[AttachmentMetaView]) -> str:
    """The names and sizes of the files of a message."""
    named = [f"{item.filename or 'unnamed'} ({item.size_bytes} bytes)" for item in files[:MAX_FILES]]
    more = len(files) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def named(addresses: Sequence[str], names: Sequence[Mapping[str, str]]) -> str:
    """The addresses with their display names, where `names` has one."""
    known = {item["address"]: item["name"] for item in names}
    return ", ".join(f"{known[item]} <{item}>" if item in known else item for item in addresses)


async def review_detail(core: Core, row: MessageRow) -> MessageView:
    """The view of a message, held or decided, for a reviewer. Does not mark the message read."""
    content = await load_content(core, row)
    parsed = await core.offload.run(len(content), parse_message, content) if content else None
    findings = await core.db.read(queries.protection(row.id))
    view = message_view(row, content, parsed, for_review=True)
    changes: dict[str, object] = {"protection": [_finding(item) for item in findings] or None}
    if row.hold.draft is not None and view.body is None:
        changes["body"] = MessageBodyView(text=row.hold.draft["text"], html=row.hold.draft["html"])
    return view.model_copy(update=changes)


def _finding(row: Row) -> ProtectionFindingView:
    categories = [ThreatCategoryView(**item) for item in json.loads(row["categories"])]
    return ProtectionFindingView(
        source=row["source"],
        action=row["action"],
        detector=row["detector"],
        score=row["score"],
        summary=row["reason"],
        categories=categories or None,
    )
