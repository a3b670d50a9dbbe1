"""The attachments of a message, each under a stable index.

An attachment is every leaf of the MIME tree that is not read as the body, whatever its type, and every leaf with a
file name. One without a name gets one. An embedded message is always one attachment; its content is the message
itself, which can be parsed in turn to reach its own attachments. What is inside a signature or a winmail.dat follows
it in the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.errors import AttachmentNotFound
from e2a_core.mail.headers import Headers, parse_headers
from e2a_core.mail.mime import Part, mime_leaves
from e2a_core.mail.selection import Selection, select

__all__ = [
    "Attachment",
    "AttachmentMeta",
    "attachment_content",
    "attachment_parts",
    "attachments_of",
    "describe",
    "list_attachments",
    "message_file_name",
]

MAX_ENDING_CHARS = 5
"""Subtypes of pictures and sound that are as short as this are the ending of their files too."""

_ENDINGS = {
    "application/pdf": "pdf", "application/json": "json", "application/xml": "xml", "application/zip": "zip",
    "application/rtf": "rtf", "application/msword": "doc", "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt", "application/gzip": "gz", "application/x-tar": "tar",
    "application/x-7z-compressed": "7z", "application/javascript": "js", "application/csv": "csv",
    "application/ics": "ics", "application/yaml": "yaml", "application/sql": "sql",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt", "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/pkcs7-mime": "p7m", "application/x-pkcs7-mime": "p7m", "application/pkcs7-signature": "p7s",
    "application/x-pkcs7-signature": "p7s", "application/pgp-signature": "asc", "application/pgp-encrypted": "asc",
    "application/pgp-keys": "asc", "application/ms-tnef": "dat", "application/vnd.ms-tnef": "dat",
    "text/plain": "txt", "text/html": "html", "text/calendar": "ics", "text/csv": "csv", "text/markdown": "md",
    "text/xml": "xml", "text/css": "css", "text/rtf": "rtf", "text/vcard": "vcf", "text/x-vcard": "vcf",
    "text/directory": "vcf", "text/javascript": "js", "text/tab-separated-values": "tsv", "text/x-amp-html": "html",
    "image/jpeg": "jpg", "image/svg+xml": "svg", "image/tiff": "tif", "image/x-icon": "ico",
    "image/vnd.microsoft.icon": "ico", "audio/mpeg": "mp3", "audio/x-wav": "wav", "video/quicktime": "mov",
}  # fmt: skip
_BY_KIND = {"text": "txt", "message": "txt"}


@dataclass(frozen=True, slots=True)
class AttachmentMeta:
    """One attachment. `index` counts depth-first from 0, `size_bytes` is the decoded size."""

    index: int
    filename: str
    content_type: str
    content_id: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment: its leaf, and the number of the leaf in the message, from 1."""

    index: int
    part: Part
    ordinal: int


def attachment_parts(leaves: Sequence[Part], body: Selection) -> list[Attachment]:
    """The leaves that are attachments."""
    parts = [(at, part) for at, part in enumerate(leaves, 1) if part.filename or not body.holds(part)]
    return [Attachment(index, part, at) for index, (at, part) in enumerate(parts)]


def list_attachments(raw: bytes, attachments: Sequence[Attachment]) -> list[AttachmentMeta]:
    """What is shown of the attachments of `raw`."""
    return [describe(item, item.part.content(raw)) for item in attachments]


def attachments_of(raw: bytes) -> list[AttachmentMeta]:
    """The attachments of the message `raw`, as `parse_message` lists them, without the rest of its work."""
    leaves = mime_leaves(raw, parse_headers(raw))
    return list_attachments(raw, attachment_parts(leaves, select(leaves)))


def attachment_content(raw: bytes, index: int) -> tuple[AttachmentMeta, bytes, str | None]:
    """The attachment with this index in the message `raw`, its decoded octets, and the charset it is labelled with.

    Raises AttachmentNotFound if the index is out of range.
    """
    leaves = mime_leaves(raw, parse_headers(raw))
    parts = attachment_parts(leaves, select(leaves))
    if not 0 <= index < len(parts):
        raise AttachmentNotFound(f"the message has {len(parts)} attachments, counted from 0")
    part = parts[index].part
    content = part.content(raw)
    return describe(parts[index], content), content, part.parameters.get("charset")


def describe(item: Attachment, content: bytes) -> AttachmentMeta:
    """What is shown of an attachment with this content."""
    part = item.part
    filename = part.filename or _made_name(item, content)
    return AttachmentMeta(item.index, filename, part.content_type, part.content_id, len(content))


def _made_name(item: Attachment, content: bytes) -> str:
    """The subject of a message, else the number of the part, with the ending of its type."""
    if item.part.is_message:
        return message_file_name(parse_headers(content))
    return f"part-{item.ordinal}.{_ending(item.part.content_type)}"


def _ending(content_type: str) -> str:
    known = _ENDINGS.get(content_type)
    if known:
        return known
    kind, _, subtype = content_type.partition("/")
    subtype = subtype.removeprefix("x-")
    if kind in {"image", "audio", "video", "font"} and subtype.isalnum() and len(subtype) <= MAX_ENDING_CHARS:
        return subtype
    return (
        "json"
        if subtype.endswith("+json")
        else "xml"
        if subtype.endswith("+xml")
        else _BY_KIND.get(kind, "bin")
    )


def message_file_name(headers: Headers) -> str:
    """The name of the file that holds a message with these headers: its subject."""
    subject = headers.decoded("subject")
    kept = "".join(char if char.isalnum() or char in " -_.," else "_" for char in subject)
    return (kept.strip(" ._")[:80].strip() or "message") + ".eml"
