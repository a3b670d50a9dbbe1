"""What of a message is quoted and sent on: its whole letter, and each of its files once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from e2a_core.mail.attachments import (
    Attachment,
    AttachmentMeta,
    attachment_parts,
    describe,
    message_file_name,
)
from e2a_core.mail.body import Letter, whole_letter
from e2a_core.mail.headers import parse_headers
from e2a_core.mail.mime import Part, mime_leaves
from e2a_core.mail.parse import ParsedMessage
from e2a_core.mail.selection import select

__all__ = ["CarriedFile", "files_to_carry", "letter_to_carry"]

_KEPT_PARAMETERS = ("charset", "method", "component", "format", "delsp", "smime-type", "profile")
"""What text, calendars (RFC 5545 section 8.1) and signatures (RFC 8551 section 3.2.2) are read by."""
_TOKEN = re.compile(r"[A-Za-z0-9_.+-]{1,60}\Z")


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """A file to be sent on. `full_type` is its media type with the parameters that its reader needs."""

    meta: AttachmentMeta
    full_type: str
    content: bytes


def letter_to_carry(raw: bytes, parsed: ParsedMessage) -> Letter:
    """The letter of the message `raw`, which was read as `parsed`; whole, where a limit of reading cut it."""
    if not parsed.whole.truncated:
        return Letter(parsed.full_text, parsed.html)
    return whole_letter(raw, select(mime_leaves(raw, parse_headers(raw))))


def files_to_carry(raw: bytes, letter: Letter) -> list[CarriedFile]:
    """The attachments of the message `raw` with their content, each once, to go with its `letter`.

    Instead of a winmail.dat or a signature go the files that were inside, since few programs can open it; it goes
    itself if not all of it can be read. If a limit left something out, the message itself comes last.
    """
    headers = parse_headers(raw)
    leaves = mime_leaves(raw, headers)
    body = select(leaves)
    words = _words(letter.text)
    found = []
    for item in _unpacked(attachment_parts(leaves, body), has_letter=bool(body.items)):
        part, content = item.part, item.part.content(raw)
        if part.is_text_of_winmail and _words(part.text(raw)) in words:
            continue
        found.append(CarriedFile(describe(item, content), _full_type(part), content))
    if not (leaves.complete and letter.complete):
        meta = AttachmentMeta(len(found), message_file_name(headers), "message/rfc822", None, len(raw))
        found.append(CarriedFile(meta, meta.content_type, raw))
    return found


def _unpacked(attachments: Sequence[Attachment], *, has_letter: bool) -> Iterator[Attachment]:
    """Each container without what is inside, or what is inside without the container."""
    carried: Part | None = None
    for item in attachments:
        part = item.part
        if carried is not None and part.is_inside(carried):
            continue
        unpacked = part.unpacked and (has_letter or not part.hides_letter)
        carried = None if unpacked else part
        if not unpacked:
            yield item


def _words(text: str) -> str:
    return " ".join(text.split())


def _full_type(part: Part) -> str:
    kept = [
        (name, part.parameters[name])
        for name in _KEPT_PARAMETERS
        if _TOKEN.match(part.parameters.get(name, ""))
    ]
    return "; ".join([part.content_type, *(f"{name}={value}" for name, value in kept)])
