"""Parses a received message: author, recipients, subject, new and quoted text, attachments, reports.

`parse_message` accepts any octets and never raises; fields it cannot read are absent from the result. Caps here and
in `mime` bound the work. `author` is None unless it is unambiguous, as DMARC requires.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from e2a_core.mail.addresses import Address, header_addresses
from e2a_core.mail.attachments import AttachmentMeta, is_attachment, list_attachments
from e2a_core.mail.automatic import AutoSubmitted, classify_automatic
from e2a_core.mail.body import Body, WholeText, read_body
from e2a_core.mail.dsn import (
    ComplaintReport,
    DeliveryReport,
    parse_complaint_report,
    parse_delivery_report,
)
from e2a_core.mail.headers import Headers, parse_headers
from e2a_core.mail.mime import Part, mime_leaves

__all__ = [
    "CONVERSATION_HEADER",
    "NestedMessage",
    "ParsedMessage",
    "message_author",
    "message_ids",
    "parse_date",
    "parse_message",
]

CONVERSATION_HEADER = "X-E2A-Conversation-Id"
MAX_NESTED = 50
"""Embedded messages listed in the result; the others remain available as attachments."""
MAX_IDS = 200
"""Message ids kept from one References field."""

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,990}>")
"""RFC 5322 section 3.6.4, read tolerantly: any printable text in angle brackets that fits a header line."""


@dataclass(frozen=True, slots=True)
class NestedMessage:
    """An embedded message. `index` is its attachment index; `header_from` is its author's address."""

    index: int
    subject: str
    header_from: str | None
    date: datetime | None


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """A parsed message.

    `headers` are unfolded and decoded. `author` is the only mailbox of the only From field, otherwise None. Address
    lists hold bare addresses in their original case and are empty if the field does not parse. Ids include their
    angle brackets. `text` is the new part of the body, cut to 16 KiB if `truncated`; `quoted_text` is the quoted
    part. `full_text` holds both, up to 256 KiB, for search; `whole` holds the same as two parts. `html` is the first
    HTML part, not sanitised, at most 1 MiB.
    """

    headers: tuple[tuple[str, str], ...]
    author: Address | None
    to: list[str]
    cc: list[str]
    reply_to: list[str]
    subject: str
    message_id: str | None
    in_reply_to: list[str]
    references: list[str]
    date: datetime | None
    conversation_header: str | None
    auto_submitted: AutoSubmitted | None
    text: str
    quoted_text: str
    html: str | None
    truncated: bool
    full_text: str
    whole: WholeText
    attachments: list[AttachmentMeta]
    nested: list[NestedMessage]
    dsn: DeliveryReport | None
    complaint: ComplaintReport | None

    @property
    def header_from(self) -> str | None:
        return self.author.addr_spec if self.author else None


def parse_message(
    raw: bytes, *, envelope_from: str | None = None, headers: Headers | None = None
) -> ParsedMessage:
    """Parse a whole message.

    `envelope_from` is the envelope sender ("" for the null sender), used only to determine `auto_submitted`. Pass
    `headers` if they are parsed already.
    """
    headers = parse_headers(raw) if headers is None else headers
    leaves = mime_leaves(raw, headers)
    subject = headers.decoded("subject")
    body: Body = read_body(raw, leaves, subject)
    message_ids_found = message_ids(headers.get("message-id"))
    is_report = any(leaf.content_type.startswith("message/") for leaf in leaves)
    return ParsedMessage(
        headers=headers.decoded_items(),
        author=message_author(headers),
        to=_addresses(headers, "to"),
        cc=_addresses(headers, "cc"),
        reply_to=_addresses(headers, "reply-to"),
        subject=subject,
        message_id=message_ids_found[0] if message_ids_found else None,
        in_reply_to=message_ids(headers.get("in-reply-to")),
        references=message_ids(headers.get("references")),
        date=parse_date(headers.get("date")),
        conversation_header=headers.decoded(CONVERSATION_HEADER) or None,
        auto_submitted=classify_automatic(headers, envelope_from),
        text=body.text,
        quoted_text=body.quoted_text,
        html=body.html,
        truncated=body.truncated,
        full_text=body.full_text,
        whole=body.whole,
        attachments=list_attachments(raw, leaves),
        nested=_nested(raw, leaves) if is_report else [],
        dsn=parse_delivery_report(raw, leaves) if is_report else None,
        complaint=parse_complaint_report(raw, leaves) if is_report else None,
    )


def message_author(headers: Headers) -> Address | None:
    """The author whose domain DMARC checks (RFC 9989): the only mailbox of the only From field.

    Returns None for repeated From fields, several mailboxes, an address literal, or a header section too large to
    read.
    """
    fields = headers.get_all("from")
    if len(fields) != 1 or not headers.complete:
        return None
    mailboxes = header_addresses(fields[0])
    if len(mailboxes) != 1 or mailboxes[0].domain.startswith("["):
        return None
    return mailboxes[0]


def message_ids(field: str) -> list[str]:
    """The distinct ids of a Message-ID, In-Reply-To or References field, in order, with their angle brackets."""
    if not field:
        return []
    found = list(dict.fromkeys(_MESSAGE_ID.findall(field)))
    # Threading needs the root and the nearest ancestors (trimmed as in RFC 5537 section 3.4.4).
    return found if len(found) <= MAX_IDS else [found[0], *found[1 - MAX_IDS :]]


def parse_date(field: str) -> datetime | None:
    """The date (RFC 5322 section 3.3) as an aware datetime in UTC; a date without a zone counts as UTC.

    Returns None if the field is empty or not a date.
    """
    if not field or len(field) > 200:
        return None
    try:
        date = parsedate_to_datetime(field)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _addresses(headers: Headers, name: str) -> list[str]:
    found: list[str] = []
    for field in headers.get_all(name):
        found.extend(address.addr_spec for address in header_addresses(field))
    return found


def _nested(raw: bytes, leaves: Sequence[Part]) -> list[NestedMessage]:
    nested: list[NestedMessage] = []
    for index, part in enumerate(leaf for leaf in leaves if is_attachment(leaf)):
        if part.is_message and len(nested) < MAX_NESTED:
            headers = parse_headers(part.content(raw))
            author = message_author(headers)
            nested.append(
                NestedMessage(
                    index,
                    headers.decoded("subject"),
                    author.addr_spec if author else None,
                    parse_date(headers.get("date")),
                )
            )
    return nested
