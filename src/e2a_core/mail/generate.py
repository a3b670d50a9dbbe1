"""Composes a message as octets that every mail client can show and thread (RFC 5322, 2045, 2047, 2231, 3834).

Text alone is one part. Text and HTML form a multipart/alternative, in which the HTML and the images it references by
Content-ID form a multipart/related. Files turn the whole into a multipart/mixed. A Bcc field is never written. A
value with a line break is rejected with the name of its field.
"""

from __future__ import annotations

import binascii
import re
from base64 import encodebytes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from html import unescape
from urllib.parse import unquote

from e2a_core.errors import InvalidRequest
from e2a_core.mail.addresses import Address
from e2a_core.mail.fields import (
    address_field,
    id_field,
    one_line,
    parameter,
    structured_field,
    text_field,
)
from e2a_core.mail.html import html_to_text
from e2a_core.mail.parameters import parse_parameters

__all__ = ["OutgoingAttachment", "OutgoingMessage", "generate_message", "needs_smtputf8", "shown_ids"]

MAX_TEXT_LINE = 78
"""Text with longer lines is encoded, so that no server needs to break them."""
MAX_LINE_OCTETS = 998
"""RFC 5322 section 2.1.1."""

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}\Z")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}\Z")
_FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}\Z")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,250}\Z")
_PLAIN_TEXT = re.compile(rb"[\t\r\n -~]*\Z")
_CID_URL = re.compile(r"""\bcid:([^\s"'<>()]{1,750})""", re.IGNORECASE)
_UNESCAPED = bytes({*b"\t\r\n", *range(0x20, 0x7F)} - {*b"="})
"""Octets that quoted-printable leaves as they are; with too many others it is longer than base64."""
_FROM_LINE = re.compile(rb"^From ", re.MULTILINE)
_RESERVED = frozenset(
    {
        "auto-submitted", "bcc", "cc", "content-disposition", "content-id", "content-transfer-encoding", "content-type",
        "date", "from", "in-reply-to", "message-id", "mime-version", "references", "reply-to", "return-path", "sender",
        "subject", "to", "x-e2a-conversation-id",
    }
)  # fmt: skip
"""Fields that this module writes itself or that must never be written."""


@dataclass(frozen=True, slots=True)
class OutgoingAttachment:
    """A file to attach. `data` is its decoded content; a `content_id` (no brackets) makes it part of the HTML."""

    filename: str
    content_type: str
    data: bytes
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """The content of a message to compose. `auto_submitted` is the RFC 3834 keyword; "" omits the field.

    Set `conversation_id` only for mail that stays inside the deployment, since its header is internal.
    """

    sender: Address
    to: Sequence[Address] = ()
    cc: Sequence[Address] = ()
    reply_to: Sequence[Address] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: Sequence[OutgoingAttachment] = ()
    in_reply_to: str | None = None
    references: Sequence[str] = ()
    conversation_id: str | None = None
    auto_submitted: str = "auto-generated"
    extra_headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class _Entity:
    """A MIME entity: its own fields and its encoded body."""

    fields: list[bytes] = field(default_factory=list)
    body: bytes = b""


def generate_message(
    message: OutgoingMessage, *, message_id: str, date: datetime, boundary: Callable[[], str]
) -> bytes:
    """The message as octets, with CRLF line ends and no line over 998 octets.

    `message_id` includes its angle brackets; `date` is timezone-aware; each call of `boundary` returns a new,
    unguessable token of at most 60 letters and digits. Raises InvalidRequest naming the invalid field.
    """
    entity = _content(message, boundary)
    fields = [
        address_field("From", [message.sender], "body.from"),
        *_recipients(message),
        text_field("Subject", message.subject, "body.subject"),
        structured_field("Date", format_datetime(date.astimezone(UTC))),
        id_field("Message-ID", [message_id], "message_id"),
    ]
    if message.in_reply_to:
        fields.append(id_field("In-Reply-To", [message.in_reply_to], "in_reply_to"))
    if message.references:
        fields.append(id_field("References", message.references, "references"))
    if message.auto_submitted:
        fields.append(text_field("Auto-Submitted", message.auto_submitted, "auto_submitted"))
    if message.conversation_id is not None:
        fields.append(text_field("X-E2A-Conversation-Id", message.conversation_id, "body.conversation_id"))
    fields += [_extra_field(name, value) for name, value in message.extra_headers]
    fields.append(b"MIME-Version: 1.0\r\n")
    content = b"".join([*fields, *entity.fields, b"\r\n", entity.body])
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def needs_smtputf8(message: OutgoingMessage) -> bool:
    """Whether the header section contains UTF-8, so that only servers with SMTPUTF8 (RFC 6531) can accept it."""
    return not all(
        address.local.isascii() for address in (message.sender, *message.to, *message.cc, *message.reply_to)
    )


def _recipients(message: OutgoingMessage) -> list[bytes]:
    fields = []
    if message.to:
        fields.append(address_field("To", message.to, "body.to"))
    if message.cc:
        fields.append(address_field("Cc", message.cc, "body.cc"))
    if not fields:
        fields.append(b"To: undisclosed-recipients:;\r\n")
    if message.reply_to:
        fields.append(address_field("Reply-To", message.reply_to, "body.reply_to"))
    return fields


def _extra_field(name: str, value: str) -> bytes:
    if not _FIELD_NAME.match(name) or name.lower() in _RESERVED:
        raise InvalidRequest("must be a header field that may be added", location=f"headers.{name[:60]!r}")
    return text_field(name, value, f"headers.{name}")


def _content(message: OutgoingMessage, boundary: Callable[[], str]) -> _Entity:
    if not message.attachments:
        return _body(message, [], boundary)
    shown = shown_ids(message.html or "")
    files: list[_Entity] = []
    pictures: list[_Entity] = []
    for at, item in enumerate(message.attachments):
        # Apple Mail gives every file a Content-ID.
        is_picture = item.content_id in shown
        entity = _attachment(item, at, "inline" if is_picture else "attachment")
        (pictures if is_picture else files).append(entity)
    content = _body(message, pictures, boundary)
    return _multipart("mixed", [content, *files], boundary) if files else content


def _body(message: OutgoingMessage, pictures: list[_Entity], boundary: Callable[[], str]) -> _Entity:
    if message.html is None:
        return _text("plain", message.text or "")
    # Clients that do not show HTML need a text version.
    plain = message.text if message.text is not None else html_to_text(message.html)
    html = _text("html", message.html)
    if pictures:
        html = _multipart("related", [html, *pictures], boundary, ['type="text/html"'])
    return _multipart("alternative", [_text("plain", plain), html], boundary)


def shown_ids(html: str) -> frozenset[str]:
    """The Content-IDs that the HTML refers to, whatever of them is written as `%40` or `&amp;` (RFC 2392)."""
    found = (unescape(match[1]).strip("\"'") for match in _CID_URL.finditer(html))
    return frozenset(map(unquote, found))


def _text(subtype: str, text: str) -> _Entity:
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    if not data.endswith(b"\n"):
        data += b"\n"
    data = data.replace(b"\n", b"\r\n")
    charset = "us-ascii" if data.isascii() else "utf-8"
    encoding, body = _encode_text(data)
    fields = [
        structured_field("Content-Type", f"text/{subtype}", [f"charset={charset}"]),
        structured_field("Content-Transfer-Encoding", encoding),
    ]
    return _Entity(fields, body)


def _encode_text(data: bytes) -> tuple[str, bytes]:
    """The encoding closest to plain text that every server passes unchanged, and the encoded text.

    `From ` at the start of a line is encoded, since some servers rewrite it.
    """
    longest = max(map(len, data.split(b"\r\n")))
    if longest <= MAX_TEXT_LINE and _PLAIN_TEXT.match(data) and not _FROM_LINE.search(data):
        return "7bit", data
    if len(data.translate(None, _UNESCAPED)) * 4 > len(data):
        return "base64", _base64(data)
    encoded = binascii.b2a_qp(data, istext=True)
    return "quoted-printable", _FROM_LINE.sub(b"=46rom=\r\n ", encoded)


def _attachment(attachment: OutgoingAttachment, at: int, disposition: str) -> _Entity:
    where = f"body.attachments[{at}]"
    content_type, parameters = _attachment_type(attachment, where)
    filename = parameter("filename", attachment.filename, f"{where}.filename") if attachment.filename else []
    whole_message = content_type == "message/rfc822"
    fields = [
        structured_field("Content-Type", content_type, parameters),
        structured_field("Content-Transfer-Encoding", "7bit" if whole_message else "base64"),
        structured_field("Content-Disposition", disposition, filename),
    ]
    if attachment.content_id is not None:
        if not _CONTENT_ID.match(attachment.content_id):
            raise InvalidRequest(
                "must be printable ASCII such as logo@example", location=f"{where}.content_id"
            )
        fields.append(structured_field("Content-ID", f"<{attachment.content_id}>"))
    return _Entity(fields, attachment.data if whole_message else _base64(attachment.data))


def _attachment_type(attachment: OutgoingAttachment, where: str) -> tuple[str, list[str]]:
    """The media type to declare, and its parameters.

    Messages must not be base64 encoded (RFC 2046 section 5.2.1) and multiparts need their structure, so content of
    these types that cannot be written as it is becomes application/octet-stream.
    """
    location = f"{where}.content_type"
    content_type, parameters = parse_parameters(one_line(attachment.content_type, location))
    if not _MEDIA_TYPE.match(content_type):
        raise InvalidRequest("must be a media type such as application/pdf", location=location)
    if content_type == "message/rfc822" and _is_seven_bit(attachment.data):
        return content_type, []
    if content_type.startswith(("multipart/", "message/")):
        return "application/octet-stream", []
    if not all(_PARAMETER_NAME.match(name) for name in parameters):
        raise InvalidRequest("must be a media type such as text/csv; charset=utf-8", location=location)
    written = [parameter(name, value, location) for name, value in parameters.items() if name != "name"]
    return content_type, [piece for pieces in written for piece in pieces]


def _is_seven_bit(data: bytes) -> bool:
    lines = data.split(b"\r\n")
    return data.isascii() and all(
        len(line) <= MAX_LINE_OCTETS and not {0, 10, 13}.intersection(line) for line in lines
    )


def _multipart(
    subtype: str, entities: list[_Entity], boundary: Callable[[], str], parameters: Sequence[str] = ()
) -> _Entity:
    token = f"e2a_{boundary()}"
    delimiter = b"--" + token.encode("ascii")
    # The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1).
    parts = [b"".join([delimiter, b"\r\n", *part.fields, b"\r\n", part.body, b"\r\n"]) for part in entities]
    content_type = structured_field(
        "Content-Type", f"multipart/{subtype}", [f'boundary="{token}"', *parameters]
    )
    return _Entity([content_type], b"".join([*parts, delimiter, b"--\r\n"]))


def _base64(data: bytes) -> bytes:
    return encodebytes(data).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
