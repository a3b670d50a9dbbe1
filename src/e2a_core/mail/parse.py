"""A received message as its readers need it: who, about what, the new text, the quote, what is attached.

`parse_message` takes any octets and never raises; what it cannot understand is absent from the result, and work is
bounded by the caps here and in `mime`. Nothing is trusted: `author` follows the fail-closed rule DMARC needs.
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
"""Embedded messages described; all of them stay reachable as attachments."""
MAX_IDS = 200
"""Ancestors kept of one References field."""

# RFC 5322 3.6.4, tolerantly: anything printable between brackets that fits a header line.
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,990}>")


@dataclass(frozen=True, slots=True)
class NestedMessage:
    """An embedded message: `index` is its attachment index, `header_from` its author's address."""

    index: int
    subject: str
    header_from: str | None
    date: datetime | None


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """One message, read.

    `headers` are unfolded and decoded. `author` is the one mailbox of the one From field, else None. Address lists
    are bare and in their original case, empty if the field does not parse. Ids carry their angle brackets. `text` is
    the new part of the body, at most 16 KiB (`truncated` tells); `quoted_text` is what it quotes; `full_text` is both
    at up to 256 KiB, for search, and `whole` the two apart at that length. `html` is the first HTML part,
    unsanitised, at most 1 MiB.
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
    """Read a whole message.

    `envelope_from` (the envelope sender, "" for the null sender) only adds to what `auto_submitted` knows. `headers`
    saves a caller who has read them from having it done again.
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
    """The Author whose domain DMARC checks (RFC 9989): exactly one From field with exactly one mailbox.

    Repeated fields, several mailboxes, an address literal or a header section too large to be read have no author.
    """
    fields = headers.get_all("from")
    if len(fields) != 1 or not headers.complete:
        return None
    mailboxes = header_addresses(fields[0])
    if len(mailboxes) != 1 or mailboxes[0].domain.startswith("["):
        return None
    return mailboxes[0]


def message_ids(field: str) -> list[str]:
    """The ids of a Message-ID, In-Reply-To or References field, each once, in order, with their brackets."""
    if not field:
        return []
    found = list(dict.fromkeys(_MESSAGE_ID.findall(field)))
    # The root and the nearest ancestors are what threading needs (RFC 5537 3.4.4 trims the same way).
    return found if len(found) <= MAX_IDS else [found[0], *found[1 - MAX_IDS :]]


def parse_date(field: str) -> datetime | None:
    """RFC 5322 3.3 date as an aware datetime; a date without zone is taken as UTC, one that is none is None."""
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
