"""What a file is, and what reading it gave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["MAX_TEXT", "DocumentText", "Kind", "Outcome", "Picture", "kind_of", "may_hold_text"]

MAX_TEXT = 200_000
"""Characters kept of one document: about 80 pages, more than a model reads in one sitting."""

_PDF_WINDOW = 1024
"""Octets in which readers look for the header of a PDF file (ISO 32000-1, annex H.3.4.1)."""

_TEXT_TYPES = frozenset(
    [
        "application/csv",
        "application/ecmascript",
        "application/javascript",
        "application/json",
        "application/ld+json",
        "application/markdown",
        "application/ndjson",
        "application/sql",
        "application/toml",
        "application/x-ndjson",
        "application/x-sh",
        "application/x-yaml",
        "application/xml",
        "application/yaml",
        "image/svg+xml",
        "message/delivery-status",
        "message/disposition-notification",
        "text/rfc822-headers",
    ]
)
_TEXT_NAMES = frozenset(
    [
        "asc",
        "c",
        "cfg",
        "conf",
        "cpp",
        "css",
        "csv",
        "diff",
        "go",
        "h",
        "ics",
        "ini",
        "java",
        "js",
        "json",
        "jsonl",
        "log",
        "markdown",
        "md",
        "ndjson",
        "patch",
        "php",
        "pl",
        "po",
        "properties",
        "py",
        "rb",
        "rs",
        "rst",
        "sh",
        "sql",
        "srt",
        "svg",
        "tex",
        "toml",
        "ts",
        "tsv",
        "txt",
        "vcf",
        "vtt",
        "xml",
        "yaml",
        "yml",
    ]
)
_DOCUMENT_TYPES = frozenset(
    {
        "application/pdf",
        "application/x-pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    }
)
_CALENDAR_TYPES = frozenset({"text/calendar", "application/ics"})
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_IMAGE = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|BM.{4}\0\0\0\0|II\*\0|MM\0\*|RIFF.{4}WEBP|\0\0\0.ftyp(?:avif|avis)",
    re.DOTALL,
)


class Kind(StrEnum):
    """How a file is read. `OTHER` is not."""

    PDF = "pdf"
    DOCX = "docx"
    CALENDAR = "calendar"
    IMAGE = "image"
    HTML = "html"
    TEXT = "text"
    MESSAGE = "message"
    OTHER = "other"

    @property
    def isolated(self) -> bool:
        """True for formats whose readers get a process of their own."""
        return self in {Kind.PDF, Kind.DOCX, Kind.CALENDAR, Kind.IMAGE}

    @property
    def readable(self) -> bool:
        """True for files that have text."""
        return self not in {Kind.IMAGE, Kind.OTHER}


class Outcome(StrEnum):
    """What reading a file gave; all but `TEXT` give no text."""

    TEXT = "text"
    EMPTY = "empty"
    SCAN = "scan"
    PICTURE = "picture"
    PASSWORD = "password"
    DAMAGED = "damaged"
    TOO_DEMANDING = "too_demanding"
    UNSUPPORTED = "unsupported"

    @property
    def sentence(self) -> str:
        """What the outcome means, for people and agents."""
        return _SENTENCES[self]


_SENTENCES = {
    Outcome.TEXT: "the text of the file",
    Outcome.EMPTY: "the file holds no text",
    Outcome.SCAN: "the pages are pictures without text (a scan); the text cannot be read here",
    Outcome.PICTURE: "the file is a picture",
    Outcome.PASSWORD: "the file is locked with a password and cannot be read here",
    Outcome.DAMAGED: "the file is damaged or is not what its name says; it cannot be read",
    Outcome.TOO_DEMANDING: "reading the file takes more time or memory than is allowed; it may be a bomb",
    Outcome.UNSUPPORTED: "files of this kind cannot be read here; use the download link",
}


@dataclass(frozen=True, slots=True)
class DocumentText:
    """The text of a file, at most `MAX_TEXT` characters; `truncated` if there is more. `pages` is told for a PDF."""

    outcome: Outcome
    text: str = ""
    truncated: bool = False
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture scaled to what a model takes. `data` is empty unless the outcome is `PICTURE`."""

    outcome: Outcome
    data: bytes = b""
    content_type: str = ""
    width: int = 0
    height: int = 0


def kind_of(data: bytes, content_type: str, filename: str) -> Kind:
    """The kind of a file: by its first octets where they tell, then by its declared type, then by its name.

    Senders declare `application/octet-stream` for anything, and names are theirs too, so the octets come first.
    """
    by_content = _by_content(data)
    if by_content is not None:
        return by_content
    name = filename.rpartition(".")[2].lower() if "." in filename else ""
    declared = content_type.lower()
    if (
        declared in _CALENDAR_TYPES
        or name in {"ics", "ifb", "vcs"}
        or data[:15].upper() == b"BEGIN:VCALENDAR"
    ):
        return Kind.CALENDAR
    if declared == "message/rfc822" or name == "eml":
        return Kind.MESSAGE
    if declared in _HTML_TYPES or name in {"html", "htm", "xhtml"}:
        return Kind.HTML
    if declared.startswith("text/") or declared in _TEXT_TYPES or declared.endswith(("+json", "+xml")):
        return Kind.TEXT
    return Kind.TEXT if name in _TEXT_NAMES and b"\0" not in data[:_PDF_WINDOW] else Kind.OTHER


def may_hold_text(content_type: str, filename: str) -> bool:
    """Whether a file may hold text that can be read here, by its declared type and its name alone."""
    if kind_of(b"", content_type, filename).readable:
        return True
    return content_type.lower() in _DOCUMENT_TYPES or filename.lower().endswith((".pdf", ".docx"))


def _by_content(data: bytes) -> Kind | None:
    if b"%PDF-" in data[:_PDF_WINDOW]:
        return Kind.PDF
    if _IMAGE.match(data):
        return Kind.IMAGE
    if data.startswith(b"PK\x03\x04"):
        return Kind.DOCX if b"word/" in data else Kind.OTHER
    # A compound file: Word locks a .docx inside one (MS-OFFCRYPTO 2.3.2).
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return Kind.DOCX if "EncryptedPackage".encode("utf-16-le") in data else Kind.OTHER
    return None
