"""The attachments of a message, each under a stable index.

An attachment is a leaf of the MIME tree that has a file name, has the disposition `attachment`, or has a Content-ID
and is not text. An embedded message is always one attachment; its content is the message itself, which can be parsed
in turn to reach its own attachments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.errors import AttachmentNotFound
from e2a_core.mail.headers import parse_headers
from e2a_core.mail.mime import Part, mime_leaves

__all__ = ["AttachmentMeta", "attachment_content", "list_attachments"]


@dataclass(frozen=True, slots=True)
class AttachmentMeta:
    """One attachment. `index` counts depth-first from 0, `filename` may be "", `size_bytes` is the decoded size."""

    index: int
    filename: str
    content_type: str
    content_id: str | None
    size_bytes: int


def is_attachment(part: Part) -> bool:
    if part.is_message or part.filename or part.disposition.startswith("attachment"):
        return True
    return part.content_id is not None and part.content_type not in {"text/plain", "text/html"}


def list_attachments(raw: bytes, leaves: Sequence[Part]) -> list[AttachmentMeta]:
    """The attachments among the leaves of `raw`."""
    parts = [part for part in leaves if is_attachment(part)]
    return [_meta(index, part, part.content(raw)) for index, part in enumerate(parts)]


def attachment_content(raw: bytes, index: int) -> tuple[AttachmentMeta, bytes]:
    """The attachment with this index in the message `raw`, and its decoded octets.

    Raises AttachmentNotFound if the index is out of range.
    """
    parts = [part for part in mime_leaves(raw, parse_headers(raw)) if is_attachment(part)]
    if not 0 <= index < len(parts):
        raise AttachmentNotFound(f"the message has {len(parts)} attachments, counted from 0")
    content = parts[index].content(raw)
    return _meta(index, parts[index], content), content


def _meta(index: int, part: Part, content: bytes) -> AttachmentMeta:
    filename = part.filename
    if not filename and part.is_message:
        subject = parse_headers(content).decoded("subject")
        filename = _file_name(subject) + ".eml"
    return AttachmentMeta(index, filename, part.content_type, part.content_id, len(content))


def _file_name(subject: str) -> str:
    kept = "".join(char if char.isalnum() or char in " -_.," else "_" for char in subject)
    return kept.strip(" ._")[:80].strip() or "message"
