"""Reads delivery status notifications (RFC 3464) and complaint reports (RFC 5965) tolerantly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from e2a_core.mail.headers import Headers, decode_words, parse_headers
from e2a_core.mail.mime import Part, mime_leaves

__all__ = [
    "BounceType",
    "ComplaintReport",
    "DeliveryReport",
    "RecipientReport",
    "parse_complaint_report",
    "parse_delivery_report",
]

MAX_REPORT_BYTES = 512 * 1024
"""Octets read of one report; a recipient takes some hundred."""
MAX_RECIPIENTS = 1000
"""Recipient groups read from one report; SMTP transactions have far fewer recipients."""

BounceType = Literal["permanent", "transient", "undetermined"]

_STATUS = re.compile(r"\b([245])\.\d{1,3}\.\d{1,3}\b")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,990}>")
_HEADER_PARTS = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"}
)


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """One recipient's result. `action` is failed, delayed, delivered, relayed or expanded (RFC 3464 section 2.3.3).

    `bounce_type` says whether a retry can help; it is meaningful only for the actions failed and delayed.
    """

    address: str
    action: str
    status: str
    diagnostic: str
    bounce_type: BounceType


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A delivery status notification; an id is None if the report omits it."""

    original_message_id: str | None
    original_envelope_id: str | None
    reporting_mta: str
    recipients: list[RecipientReport] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ComplaintReport:
    """An abuse report in ARF: `feedback_type` is abuse, fraud, virus, not-spam or other."""

    feedback_type: str
    original_message_id: str | None
    original_recipients: list[str] = field(default_factory=list)
    user_agent: str = ""


def parse_delivery_report(raw: bytes, leaves: Sequence[Part] | None = None) -> DeliveryReport | None:
    """The delivery report in `raw`; None if it holds none. Pass `leaves`, its MIME leaves, to save parsing them."""
    leaves = mime_leaves(raw, parse_headers(raw)) if leaves is None else leaves
    content = _first_content(raw, leaves, {"message/delivery-status", "message/global-delivery-status"})
    if content is None:
        return None
    groups = _groups(content)
    general = next((group for group in groups if "reporting-mta" in group), groups[0] if groups else None)
    recipients = [
        _recipient(group) for group in groups if "final-recipient" in group or "original-recipient" in group
    ]
    return DeliveryReport(
        original_message_id=_returned_message_id(raw, leaves),
        original_envelope_id=(general.get("original-envelope-id") or None) if general else None,
        reporting_mta=_after_type(general.get("reporting-mta")) if general else "",
        recipients=recipients,
    )


def parse_complaint_report(raw: bytes, leaves: Sequence[Part] | None = None) -> ComplaintReport | None:
    """The complaint report in `raw`; None if it holds none. Pass `leaves`, its MIME leaves, to save parsing them."""
    leaves = mime_leaves(raw, parse_headers(raw)) if leaves is None else leaves
    content = _first_content(raw, leaves, {"message/feedback-report"})
    if content is None:
        return None
    fields = parse_headers(content)
    recipients = [_bare(value) for value in fields.get_all("original-rcpt-to")[:MAX_RECIPIENTS]]
    return ComplaintReport(
        feedback_type=fields.get("feedback-type").strip().lower() or "other",
        original_message_id=_returned_message_id(raw, leaves),
        original_recipients=[address for address in recipients if address],
        user_agent=decode_words(fields.get("user-agent")),
    )


def _first_content(raw: bytes, leaves: Sequence[Part], types: set[str]) -> bytes | None:
    return next((leaf.content(raw)[:MAX_REPORT_BYTES] for leaf in leaves if leaf.content_type in types), None)


def _groups(content: bytes) -> list[Headers]:
    """The field groups of a report, separated by empty lines (RFC 3464 section 2.1)."""
    blocks = re.split(rb"\r?\n(?:[ \t]*\r?\n)+", content.strip(), maxsplit=MAX_RECIPIENTS + 1)
    groups = [parse_headers(block) for block in blocks[: MAX_RECIPIENTS + 1]]
    return [group for group in groups if len(group)]


def _recipient(group: Headers) -> RecipientReport:
    action = group.get("action").partition("(")[0].strip().lower()
    diagnostic = decode_words(_after_type(group.get("diagnostic-code")))
    status = _STATUS.search(group.get("status")) or _STATUS.search(diagnostic)
    code = status[0] if status else ""
    address = _bare(_after_type(group.get("original-recipient"))) or _bare(
        _after_type(group.get("final-recipient"))
    )
    return RecipientReport(address, action, code, diagnostic, _bounce_type(action, code))


def _bounce_type(action: str, status: str) -> BounceType:
    """Class 5 is permanent, class 4 transient (RFC 3463 section 2); a delay is always transient."""
    if action == "delayed" or status.startswith("4."):
        return "transient"
    return "permanent" if status.startswith("5.") else "undetermined"


def _returned_message_id(raw: bytes, leaves: Sequence[Part]) -> str | None:
    content = _first_content(raw, leaves, set(_HEADER_PARTS))
    if content is None:
        return None
    found = _MESSAGE_ID.search(parse_headers(content).get("message-id"))
    return found[0] if found else None


def _after_type(value: str) -> str:
    """`rfc822; user@example.com` without its type."""
    before, semicolon, after = value.partition(";")
    return (after if semicolon else before).strip()


def _bare(address: str) -> str:
    return address.strip().removeprefix("<").removesuffix(">").strip()
