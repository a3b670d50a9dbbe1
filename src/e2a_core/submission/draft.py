"""A draft: the mail an agent asks to send, before it is composed. It can be checked, compared and stored."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from e2a_core.clock import from_micros, rfc3339, to_micros
from e2a_core.contract.limits import (
    MAX_AHEAD,
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENTS,
    MAX_ATTACHMENTS_BYTES,
    MAX_COMPOSED_BYTES,
    MAX_CONVERSATION_ID,
    MAX_RECIPIENTS,
)
from e2a_core.contract.message_views import AttachmentContent, AttachmentMetaView
from e2a_core.contract.sending import Attachment
from e2a_core.errors import (
    AttachmentNotFound,
    InvalidAttachment,
    InvalidRecipient,
    InvalidRequest,
    PayloadTooLarge,
    TooManyRecipients,
)
from e2a_core.mail.addresses import Address, parse_address
from e2a_core.mail.body import Letter
from e2a_core.mail.forwarding import files_to_carry
from e2a_core.mail.headers import is_header_text
from e2a_core.texts import require_storable

__all__ = [
    "Draft",
    "DraftAttachment",
    "carried_attachments",
    "check_draft",
    "check_sizes",
    "decode_attachments",
    "drafted_attachment",
    "due_at",
    "parse_recipients",
    "refuse_past",
    "schedule",
]

CLOCK_TOLERANCE = timedelta(seconds=10)
"""How far back `send_at` may lie: the caller's clock may be slow, and the call took its time."""
_BLANKS = re.compile(r"[ \t\r\n]+")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,250}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(;[^\r\n]*)?")


@dataclass(frozen=True, slots=True)
class DraftAttachment:
    filename: str
    content_type: str
    data: bytes
    content_id: str | None = None


@dataclass(slots=True)
class Draft:
    """One message to be sent. Recipients are as the caller gave them; composing applies `canonical_recipients`.

    `type` is send, reply, forward or test. `parent_id`, `in_reply_to`, `references` and `thread_id` come from the
    message that a reply answers. `unsubscribe` asks for a managed unsubscribe link, added when the message is composed.
    The message is not submitted before `send_at`, in microseconds since the epoch.
    """

    type: str
    to: list[str]
    cc: list[str]
    bcc: list[str]
    reply_to: list[str]
    subject: str
    text: str
    html: str | None
    attachments: list[DraftAttachment] = field(default_factory=list)
    conversation_id: str = ""
    parent_id: str | None = None
    thread_id: str | None = None
    in_reply_to: str | None = None
    references: list[str] = field(default_factory=list)
    thread_index: str = ""
    thread_topic: str = ""
    unsubscribe: bool = False
    send_at: int | None = None

    @property
    def recipients(self) -> list[str]:
        return [*self.to, *self.cc, *self.bcc]

    @property
    def size(self) -> int:
        """Octets of subject, text, HTML and files."""
        texts = (self.subject, self.text, self.html or "")
        return sum(len(text.encode()) for text in texts) + sum(len(item.data) for item in self.attachments)

    @property
    def auto_submitted(self) -> str:
        """The Auto-Submitted value (RFC 3834 section 5), since no person types what an agent sends."""
        return "auto-replied" if self.type == "reply" else "auto-generated"

    @property
    def digest(self) -> str:
        """SHA-256 of everything a reviewer sees; any edit changes it."""
        return hashlib.sha256(json.dumps(self._members(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {**self._members(), "digest": self.digest}

    def outline(self) -> dict[str, Any]:
        """The draft without the contents of its files, kept until the message leaves."""
        return self._members(files=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Draft:
        members = {key: value for key, value in data.items() if key != "digest"}
        members["attachments"] = [
            DraftAttachment(
                item["filename"], item["content_type"], base64.b64decode(item["data"]), item.get("content_id")
            )
            for item in members["attachments"]
        ]
        return cls(**members)

    def _members(self, *, files: bool = True) -> dict[str, Any]:
        members = {name: getattr(self, name) for name in self.__slots__}
        members["attachments"] = [
            {
                **{name: value for name, value in asdict(item).items() if value is not None},
                "data": base64.b64encode(item.data).decode("ascii") if files else "",
            }
            for item in self.attachments
        ]
        return members


def check_draft(draft: Draft) -> None:
    """Checks the fields of a draft, in an order that clients rely on.

    A send needs a subject, a send or reply a text or HTML; all need a recipient in To or Cc. Raises `InvalidRequest`,
    `InvalidRecipient`, `TooManyRecipients` or `PayloadTooLarge` for the first field at fault.
    """
    if draft.type == "send" and not draft.subject.strip():
        raise InvalidRequest("must not be empty", location="body.subject")
    if draft.type != "forward" and not (draft.text.strip() or draft.html):
        raise InvalidRequest("must not be empty", location="body.text")
    for name in ("subject", "text", "html", "conversation_id"):
        require_storable(getattr(draft, name) or "", f"body.{name}")
    if "\r" in draft.subject or "\n" in draft.subject:
        raise InvalidRequest("the subject must be one line", location="body.subject")
    if not draft.to and not draft.cc:
        raise InvalidRequest("needs at least one recipient in to or cc", location="body.to")
    if len(draft.recipients) > MAX_RECIPIENTS:
        raise TooManyRecipients(len(draft.recipients), MAX_RECIPIENTS)
    parse_recipients(draft)
    if len(draft.conversation_id) > MAX_CONVERSATION_ID or not is_header_text(draft.conversation_id):
        # It is sent in a header field and must arrive unchanged.
        raise InvalidRequest(
            f"must be at most {MAX_CONVERSATION_ID} printable characters on one line, without leading, trailing or "
            "double blanks and without =?",
            location="body.conversation_id",
        )
    _check_reply_to(draft.reply_to)
    check_sizes(draft)


def parse_recipients(draft: Draft) -> dict[str, list[Address]]:
    """Returns the recipients by field. Raises `InvalidRecipient` naming the invalid one."""
    return {name: _parse(getattr(draft, name), f"body.{name}") for name in ("to", "cc", "bcc")}


def check_sizes(draft: Draft) -> None:
    """Raises `PayloadTooLarge` if the draft exceeds the size limits of a message."""
    total = sum(len(item.data) for item in draft.attachments)
    if total > MAX_ATTACHMENTS_BYTES:
        raise PayloadTooLarge("attachments_total", total, MAX_ATTACHMENTS_BYTES)
    if draft.size > MAX_COMPOSED_BYTES:
        raise PayloadTooLarge("composed_message", draft.size, MAX_COMPOSED_BYTES)


def schedule(draft: Draft, send_at: datetime | None, now: datetime, *, self_send: bool) -> None:
    """Schedules the draft for `send_at`; does nothing if that is None.

    Raises `InvalidRequest` if the instant is too far ahead, or if the agent writes to itself. That it is past is for
    `refuse_past` to say, since a repeated call may come after it.
    """
    if send_at is None:
        return
    if send_at - now > MAX_AHEAD:
        raise InvalidRequest(f"must be at most {MAX_AHEAD.days} days ahead", location="body.send_at")
    if self_send:
        raise InvalidRequest("mail to the agent itself cannot be scheduled", location="body.send_at")
    draft.send_at = to_micros(send_at)


def refuse_past(draft: Draft, now: datetime) -> None:
    """Raises `InvalidRequest` if the draft was to leave before now, which its sender cannot have meant."""
    if draft.send_at is not None and draft.send_at < to_micros(now - CLOCK_TOLERANCE):
        raise InvalidRequest(
            f"{rfc3339(from_micros(draft.send_at))} is past: it is {rfc3339(now)} now; leave it out to send at once",
            location="body.send_at",
        )


def due_at(draft: Draft, now: int) -> int:
    """When the message may be submitted: at `send_at` if that is in the future, else `now`."""
    return max(now, draft.send_at or now)


def decode_attachments(attachments: Sequence[Attachment] | None) -> list[DraftAttachment]:
    """Decodes files. Raises `InvalidAttachment`, `InvalidRequest` or `PayloadTooLarge` naming the file at fault."""
    given = list(attachments or [])
    if len(given) > MAX_ATTACHMENTS:
        raise InvalidRequest(f"at most {MAX_ATTACHMENTS} attachments", location="body.attachments")
    return [_decode(item, f"body.attachments[{index}]") for index, item in enumerate(given)]


def drafted_attachment(draft: Mapping[str, Any], index: int) -> AttachmentContent:
    """A file of a stored draft, for its reviewer. Raises `AttachmentNotFound` if there is none."""
    files = Draft.from_json(dict(draft)).attachments
    if not 0 <= index < len(files):
        raise AttachmentNotFound("no such attachment")
    file = files[index]
    meta = AttachmentMetaView(
        index=index,
        filename=file.filename or None,
        content_type=file.content_type,
        content_id=file.content_id,
        size_bytes=len(file.data),
    )
    return AttachmentContent(meta=meta, data=file.data)


def carried_attachments(raw: bytes, letter: Letter) -> list[DraftAttachment]:
    """The files of a message, to be forwarded with its letter.

    An invalid media type becomes application/octet-stream.
    """
    return [
        DraftAttachment(
            item.meta.filename,
            item.full_type if _MEDIA_TYPE.fullmatch(item.full_type) else "application/octet-stream",
            item.content,
            item.meta.content_id if _CONTENT_ID.fullmatch(item.meta.content_id or "") else None,
        )
        for item in files_to_carry(raw, letter)
    ]


def _decode(item: Attachment, location: str) -> DraftAttachment:
    for name in ("filename", "content_type"):
        require_storable(getattr(item, name), f"{location}.{name}")
    if not item.filename or re.search(r"[\r\n]", item.filename):
        raise InvalidRequest("must be a file name on one line", location=f"{location}.filename")
    if not _MEDIA_TYPE.fullmatch(item.content_type):
        raise InvalidRequest(
            "must be a media type such as application/pdf", location=f"{location}.content_type"
        )
    try:
        data = base64.b64decode(_BLANKS.sub("", item.data), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidAttachment("must be standard padded base64", location=f"{location}.data") from None
    if len(data) > MAX_ATTACHMENT_BYTES:
        raise PayloadTooLarge("attachment", len(data), MAX_ATTACHMENT_BYTES, filename=item.filename)
    return DraftAttachment(item.filename, item.content_type, data)


def _parse(addresses: Sequence[str], location: str) -> list[Address]:
    found = []
    for index, text in enumerate(addresses):
        try:
            found.append(parse_address(text))
        except InvalidRecipient as error:
            raise InvalidRecipient(error.message, location=f"{location}[{index}]") from None
    return found


def _check_reply_to(reply_to: Sequence[str]) -> None:
    for text in reply_to:
        try:
            parse_address(text)
        except InvalidRecipient as error:
            raise InvalidRequest(error.message, location="body.reply_to") from None
