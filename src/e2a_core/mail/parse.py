"""Parses a received message: author, recipients, subject, new and quoted text, attachments, reports.

`parse_message` accepts any octets and never raises; fields it cannot read are absent from the result. Caps here and
in `mime` bound the work. `author` is None unless it is unambiguous, as DMARC requires.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from e2a_core.mail.addresses import Address, header_addresses
from e2a_core.mail.attachments import Attachment, AttachmentMeta, attachment_parts, list_attachments
from e2a_core.mail.automatic import AutoSubmitted, classify_automatic
from e2a_core.mail.body import Body, WholeText, read_body
from e2a_core.mail.dsn import (
    ComplaintReport,
    DeliveryReport,
    parse_complaint_report,
    parse_delivery_report,
)
from e2a_core.mail.embedded import embedded_messages
from e2a_core.mail.headers import Headers, parse_headers
from e2a_core.mail.mailboxes import Mailboxes, field_mailboxes
from e2a_core.mail.mime import mime_leaves
from e2a_core.mail.notes import notes
from e2a_core.mail.selection import select

__all__ = [
    "CONVERSATION_HEADER",
    "NestedMessage",
    "ParsedMessage",
    "message_author",
    "message_ids",
    "parse_date",
    "parse_message",
    "shown_name",
]

CONVERSATION_HEADER = "X-E2A-Conversation-Id"
MAX_NAME_CHARS = 200
"""Characters kept of a display name."""
MAX_NAMES = 200
"""Recipients whose display names are kept with a message."""
MAX_IDS = 200
"""Message ids kept from one References field."""

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,990}>")
"""RFC 5322 section 3.6.4, read tolerantly: any printable text in angle brackets that fits a header line."""
_BARE_ID = re.compile(r"(?<![^\s,;])[!#-'*+\--:=?A-~]{1,400}@[!#-'*+\--:=?A-~]{1,400}")
"""As programs write ids that know no angle brackets."""


@dataclass(frozen=True, slots=True)
class NestedMessage:
    """An embedded message. `index` is its attachment index; `header_from` is its author's address.

    `text` is its body, with the messages embedded in it below; `truncated` says that there is more.
    """

    index: int
    subject: str
    header_from: str | None
    date: datetime | None
    text: str = ""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """A parsed message.

    `fields` are the header fields, `headers` the same decoded. `author` is the only mailbox of the only From field,
    otherwise None; only it can be authenticated. The address fields hold every mailbox that can be read, and what could
    not be read. Ids include their angle brackets. `text` is the new part of the body, cut to 16 KiB if `truncated`;
    `quoted_text` is the quoted part. `full_text` holds both, up to 256 KiB; `whole` holds the same as two parts. `html`
    joins the HTML parts, not sanitised, at most 1 MiB. `notes` says in sentences what the message is and what a limit
    left out.
    """

    fields: Headers
    author: Address | None
    from_field: Mailboxes
    to_field: Mailboxes
    cc_field: Mailboxes
    reply_to_field: Mailboxes
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
    notes: tuple[str, ...] = ()

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The header fields in order, unfolded and decoded."""
        return self.fields.decoded_items()

    @property
    def search_text(self) -> str:
        """All that can be read of the body and of the messages in it."""
        return "\n\n".join([self.full_text, *(item.text for item in self.nested if item.text)])

    @property
    def shown_author(self) -> Address | None:
        """The author to show and to answer: `author`, else the first mailbox of From that can be read."""
        if self.author:
            return self.author
        # A name such as `Ann@Work, Sales <ann@example.org>` looks like an address without a dot in its domain.
        return next(
            (mailbox for mailbox in self.from_field.found if "." in mailbox.domain),
            next(iter(self.from_field.found), None),
        )

    @property
    def header_from(self) -> str | None:
        return self.shown_author.addr_spec if self.shown_author else None

    @property
    def to(self) -> list[str]:
        return self.to_field.addresses

    @property
    def cc(self) -> list[str]:
        return self.cc_field.addresses

    @property
    def reply_to(self) -> list[str]:
        return self.reply_to_field.addresses

    @property
    def names(self) -> list[dict[str, str]]:
        """The display names of To, Cc and Reply-To, each with its address; of an address the first."""
        found: dict[str, str] = {}
        for mailbox in (*self.to_field.found, *self.cc_field.found, *self.reply_to_field.found):
            if len(found) < MAX_NAMES and mailbox.display_name.strip() not in {"", mailbox.addr_spec}:
                found.setdefault(mailbox.addr_spec, shown_name(mailbox))
        return [{"address": address, "name": name} for address, name in found.items()]

    @property
    def unreadable(self) -> list[str]:
        """The entries of address fields that are no address, as `unreadable_in` names them."""
        return self.unreadable_in("From", "Reply-To", "To", "Cc")

    def unreadable_in(self, *names: str) -> list[str]:
        """The entries of these fields that are no address, each after the name of its field; the last may count."""
        known = {
            "From": self.from_field,
            "Reply-To": self.reply_to_field,
            "To": self.to_field,
            "Cc": self.cc_field,
        }
        fields = {name: known[name] for name in names}
        listed = [f"{name}: {entry}" for name, field in fields.items() for entry in field.unreadable]
        more = sum(field.unreadable_count for field in fields.values()) - len(listed)
        return [*listed, f"and {more} more"] if more else listed


def parse_message(
    raw: bytes, *, envelope_from: str | None = None, headers: Headers | None = None
) -> ParsedMessage:
    """Parse a whole message.

    `envelope_from` is the envelope sender ("" for the null sender), by which automatic mail and reports in words are
    recognised. Pass `headers` if they are parsed already.
    """
    headers = parse_headers(raw) if headers is None else headers
    leaves = mime_leaves(raw, headers)
    subject = headers.decoded("subject")
    selection = select(leaves)
    body: Body = read_body(raw, selection, subject, reply="in-reply-to" in headers or "references" in headers)
    attachments = attachment_parts(leaves, selection)
    nested = _nested(raw, attachments)
    messages = sum(item.part.is_message for item in attachments)
    message_ids_found = message_ids(headers.get("message-id"))
    is_report = any(leaf.content_type.startswith("message/") for leaf in leaves)
    reports_delivery = is_report or envelope_from == "" or "x-failed-recipients" in headers
    return ParsedMessage(
        fields=headers,
        author=message_author(headers),
        from_field=field_mailboxes(headers, "from"),
        to_field=field_mailboxes(headers, "to"),
        cc_field=field_mailboxes(headers, "cc"),
        reply_to_field=field_mailboxes(headers, "reply-to"),
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
        attachments=list_attachments(raw, attachments),
        nested=nested,
        dsn=parse_delivery_report(raw, leaves) if reports_delivery else None,
        complaint=parse_complaint_report(raw, leaves) if is_report else None,
        notes=notes(raw, leaves, body, unread_messages=messages - len(nested)),
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


def shown_name(mailbox: Address) -> str:
    """The display name as it is kept: without NUL, which no database takes, and shortened."""
    return mailbox.display_name.replace("\x00", "")[:MAX_NAME_CHARS]


def message_ids(field: str) -> list[str]:
    """The distinct ids of a Message-ID, In-Reply-To or References field, in order, with their angle brackets."""
    if not field:
        return []
    found = list(dict.fromkeys(_MESSAGE_ID.findall(field)))
    if not found:
        found = [f"<{bare}>" for bare in dict.fromkeys(_BARE_ID.findall(field))]
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


def _nested(raw: bytes, attachments: list[Attachment]) -> list[NestedMessage]:
    nested: list[NestedMessage] = []
    for item in embedded_messages(raw, attachments):
        author = next(iter(field_mailboxes(item.headers, "from").found), None)
        nested.append(
            NestedMessage(
                item.index,
                item.headers.decoded("subject"),
                author.addr_spec if author else None,
                parse_date(item.headers.get("date")),
                item.text,
                item.truncated,
            )
        )
    return nested
