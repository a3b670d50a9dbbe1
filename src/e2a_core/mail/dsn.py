"""Reads delivery status notifications (RFC 3464) and complaint reports (RFC 5965) tolerantly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from e2a_core.mail.dsn_words import qsbmf_failures, text_of, words_about
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
MAX_CANDIDATES = 20
"""Ids looked up for one report."""
MAX_RECIPIENTS = 1000
"""Recipient groups read from one report; SMTP transactions have far fewer recipients."""

BounceType = Literal["permanent", "transient", "undetermined"]

_STATUS = re.compile(r"(?<![\w.])([245])\.\d{1,3}\.\d{1,3}(?!\.?\w)")
"""An enhanced status code (RFC 3463), not a part of an IP address or a version."""
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,990}>")
_REPLY_CODE = re.compile(r"(?<![\w.@-])([45])[0-5]\d(?![\w.@:])")
"""An SMTP reply code (RFC 5321 section 4.2), not a part of an address, a time or a number."""
_ID_IN_TEXT = re.compile(
    r"^[ \t>|]{0,20}message-id[ \t]{0,9}:\s{0,9}(<[^<>\s]{1,990}>)", re.IGNORECASE | re.MULTILINE
)
_ID_FIELDS = (
    "x-original-message-id",
    "original-message-id",
    "original-envelope-id",
    "x-ms-exchange-message-id",
)
"""Gmail, Exchange and others name the message in one of them; some write its id as the envelope's (RFC 3464)."""
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
    """A delivery status notification; an id is None if the report omits it.

    `candidates` are all Message-IDs by which the report may name the message, the most reliable first.
    """

    original_message_id: str | None
    original_envelope_id: str | None
    reporting_mta: str
    recipients: list[RecipientReport] = field(default_factory=list)
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComplaintReport:
    """An abuse report in ARF: `feedback_type` is abuse, fraud, virus, not-spam or other."""

    feedback_type: str
    original_message_id: str | None
    original_recipients: list[str] = field(default_factory=list)
    user_agent: str = ""


def parse_delivery_report(raw: bytes, leaves: Sequence[Part] | None = None) -> DeliveryReport | None:
    """The delivery report in `raw`; None if it holds none. Pass `leaves`, its MIME leaves, to save parsing them."""
    headers = parse_headers(raw)
    leaves = mime_leaves(raw, headers) if leaves is None else leaves
    content = _first_content(raw, leaves, {"message/delivery-status", "message/global-delivery-status"})
    if content is None:
        return _in_words(raw, headers, leaves)
    groups = _groups(content)
    general = next((group for group in groups if "reporting-mta" in group), groups[0] if groups else None)
    recipients = [
        _recipient(group) for group in groups if "final-recipient" in group or "original-recipient" in group
    ]
    candidates = _candidates(raw, headers, leaves, groups)
    return DeliveryReport(
        original_message_id=candidates[0] if candidates else None,
        original_envelope_id=(general.get("original-envelope-id") or None) if general else None,
        reporting_mta=_after_type(general.get("reporting-mta")) if general else "",
        recipients=recipients,
        candidates=candidates,
    )


def _in_words(raw: bytes, headers: Headers, leaves: Sequence[Part]) -> DeliveryReport | None:
    """The report of qmail, or of Exim and others, which name the recipients in X-Failed-Recipients."""
    text = text_of(raw, leaves)
    failed = qsbmf_failures(text)
    if not failed:
        named = [_bare(item) for item in ",".join(headers.get_all("x-failed-recipients")).split(",")]
        failed = words_about(filter(None, named[:MAX_RECIPIENTS]), text)
    if not failed:
        return None
    candidates = _candidates(raw, headers, leaves, ())
    recipients = [_failure(address, words) for address, words in failed]
    return DeliveryReport(candidates[0] if candidates else None, None, "", recipients, candidates)


def _failure(address: str, words: str) -> RecipientReport:
    code = _code(words)
    return RecipientReport(address, "failed", code, words, _bounce_type("failed", code))


def _candidates(
    raw: bytes, headers: Headers, leaves: Sequence[Part], groups: Sequence[Headers]
) -> tuple[str, ...]:
    """The ids in the returned header, the report's fields, the notification's own threading fields, and its text."""
    fields = [_returned_message_id(raw, leaves) or ""]
    for group in groups:
        fields += [group.get(name) for name in _ID_FIELDS]
    fields += [headers.get(name) for name in (*_ID_FIELDS, "in-reply-to")]
    fields += reversed(_MESSAGE_ID.findall(headers.get("references")))
    if not any(_MESSAGE_ID.search(item) for item in fields):
        fields += [match[1] for match in islice(_ID_IN_TEXT.finditer(text_of(raw, leaves)), MAX_CANDIDATES)]
    found = dict.fromkeys(match for item in fields for match in _MESSAGE_ID.findall(item))
    return tuple(found)[:MAX_CANDIDATES]


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
    code = _code(group.get("status")) or _code(diagnostic)
    # The original recipient is the one that was written to, unless it is no mail address (RFC 3464 section 2.3.1).
    named = [_bare(_after_type(group.get(field))) for field in ("original-recipient", "final-recipient")]
    address = next((item for item in named if "@" in item), named[0] or named[1])
    return RecipientReport(address, action, code, diagnostic, _bounce_type(action, code))


def _code(text: str) -> str:
    """The enhanced status code in the text, or the general one of its class if there is only an SMTP reply code."""
    status = _STATUS.search(text)
    if status:
        return status[0]
    reply = _REPLY_CODE.search(text)
    return f"{reply[1]}.0.0" if reply else ""


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
