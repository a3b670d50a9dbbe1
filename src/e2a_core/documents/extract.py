"""Readers of document formats. They run in the worker process alone and trust nothing.

A reader returns a `DocumentText`; any error that it raises means that the file is damaged.
"""

from __future__ import annotations

import io
import logging
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

from pypdf import PageObject, PdfReader
from pypdf.errors import LimitReachedError

from e2a_core.documents.document import MAX_TEXT, DocumentText, Outcome

__all__ = ["docx_text", "limited", "pdf_text"]

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_PARTS = ("header", "document", "footer", "footnotes", "endnotes", "comments")
_DELETED = frozenset({f"{_WORD}del", f"{_WORD}moveFrom", _FALLBACK})
_MARKS = {f"{_WORD}tab": "\t", f"{_WORD}br": "\n", f"{_WORD}cr": "\n", f"{_WORD}noBreakHyphen": "-"}
READING_SECONDS = 3.0
"""Of processor time, after which a file is read no further: what was read by then is better than nothing."""

_MAX_EXPANDED = 100 * 1024 * 1024
"""Octets of XML read from one file; a longer novel is 5 MB."""

# The library reports each flaw of a file; the reader of the mail asked for its text.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def limited(text: str, *, pages: int | None = None, otherwise: Outcome = Outcome.EMPTY) -> DocumentText:
    """`text` within `MAX_TEXT`; the outcome `otherwise` if there is none."""
    if not text.strip():
        return DocumentText(otherwise, pages=pages)
    return DocumentText(Outcome.TEXT, text[:MAX_TEXT], len(text) > MAX_TEXT, pages)


def pdf_text(data: bytes) -> DocumentText:
    """The text of each page, under a line with its number. Opens a file whose user password is empty."""
    try:
        return _pdf_text(data)
    except LimitReachedError:
        return DocumentText(Outcome.TOO_DEMANDING)


def _pdf_text(data: bytes) -> DocumentText:
    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        return DocumentText(Outcome.PASSWORD)
    pages, size, number, found = len(reader.pages), 0, 0, list[str]()
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text().strip()
        if text:
            found.append(f"[page {number}]\n{text}" if pages > 1 else text)
            size += len(text)
        if size > MAX_TEXT or time.process_time() > READING_SECONDS:
            break
    if found and number < pages:
        return replace(limited("\n\n".join(found), pages=pages), truncated=True)
    fields = _form_fields(reader)
    pictures = not found and any(_shows_picture(page) for page in reader.pages)
    return limited(
        "\n\n".join([*found, *fields]), pages=pages, otherwise=Outcome.SCAN if pictures else Outcome.EMPTY
    )


def _form_fields(reader: PdfReader) -> list[str]:
    """What was filled into a form, which is no part of the pages' own text."""
    fields = reader.get_form_text_fields() or {}
    filled = [
        f"{name}: {value}" for name, value in fields.items() if isinstance(value, str) and value.strip()
    ]
    return ["[form]\n" + "\n".join(filled)] if filled else []


def _shows_picture(page: PageObject) -> bool:
    resources = page.get("/Resources")
    return resources is not None and "/XObject" in resources.get_object()


def docx_text(data: bytes) -> DocumentText:
    """The paragraphs of all parts of a document, a table row as one line (ECMA-376 part 1, 17)."""
    if not data.startswith(b"PK"):
        return DocumentText(Outcome.PASSWORD)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [info for info in archive.infolist() if _part(info.filename) in _PARTS]
        if not names:
            return DocumentText(Outcome.UNSUPPORTED)
        if sum(info.file_size for info in names) > _MAX_EXPANDED:
            return DocumentText(Outcome.TOO_DEMANDING)
        names.sort(key=lambda info: (_PARTS.index(_part(info.filename)), info.filename))
        parts = (_lines(ElementTree.fromstring(archive.read(info))) for info in names)
        return limited("\n".join(line for lines in parts for line in lines).strip())


def _part(filename: str) -> str:
    folder, _, name = filename.rpartition("/")
    return (
        name.removesuffix(".xml").rstrip("0123456789") if folder == "word" and name.endswith(".xml") else ""
    )


def _lines(element: ElementTree.Element) -> Iterator[str]:
    """The lines below an element: a paragraph each, a table row each."""
    for child in element:
        if child.tag in _DELETED:
            continue
        if child.tag == f"{_WORD}p":
            yield _inline(child)
        elif child.tag == f"{_WORD}tr":
            yield " | ".join(" ".join(filter(None, _lines(cell))) for cell in _cells(child))
        else:
            yield from _lines(child)


def _cells(row: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The cells of a row, also inside content controls, but not those of a table inside a cell."""
    for child in row:
        if child.tag == f"{_WORD}tc":
            yield child
        elif child.tag not in _DELETED:
            yield from _cells(child)


def _inline(paragraph: ElementTree.Element) -> str:
    """The text of a paragraph, also inside links, insertions, content controls and text boxes."""
    found, waiting = list[str](), list(reversed(paragraph))
    while waiting:
        element = waiting.pop()
        if element.tag in _DELETED:
            continue
        if element.tag == f"{_WORD}t":
            found.append(element.text or "")
        elif element.tag == f"{_WORD}p":
            found.append(f"\n{_inline(element)}")
        elif element.tag in _MARKS:
            found.append(_MARKS[element.tag])
        else:
            waiting.extend(reversed(element))
    return "".join(found)
