"""Converts HTML mail to readable text, and lists its links."""

from __future__ import annotations

import re
from typing import NamedTuple

from e2a_core.mail.charsets import clean_line
from e2a_core.mail.html_tokens import attributes, link_target
from e2a_core.mail.html_visible import visible

__all__ = ["HtmlText", "Link", "html_links", "html_to_text", "read_html"]

MAX_QUOTE_DEPTH = 16
"""Deeper blockquotes are shown at this depth; each level costs a character on every line."""

_SPACES = re.compile(r"[ \t\r\n\f\u00a0]+")
_BLANK_RUN = re.compile(r"\n{3,}")
_INVISIBLE = re.compile("[\u00ad\u034f\u200b\u2060\ufeff]")

_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset", "figure",
        "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre",
        "section", "table", "tbody", "tfoot", "thead", "tr", "ul",
    }
)  # fmt: skip
_SPACED_BLOCKS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "table", "pre", "dl"}
)
_CELL = "\x1f"
_BLANK = " " + _CELL


class Link(NamedTuple):
    """A hyperlink: its URL and the text the reader sees."""

    url: str
    text: str


class HtmlText(NamedTuple):
    """HTML as text. `hidden_chars` counts what a browser does not show; `truncated` if a limit cut the rest off."""

    text: str
    hidden_chars: int
    truncated: bool


def html_to_text(html: str) -> str:
    """Readable text: one line per block, list item or table row, links as `text (url)`, blockquotes as `> ` lines."""
    return read_html(html).text


def read_html(html: str) -> HtmlText:
    """The text of `html_to_text`, and what it leaves out."""
    writer = _Writer()
    found = visible(html)
    for token in found.tokens:
        if not token.name:
            writer.text(token.body)
        elif token.closing:
            writer.close(token.name)
        else:
            writer.open(token.name, token.body)
    return HtmlText(writer.finish(), found.hidden_chars, found.truncated)


def html_links(html: str) -> list[Link]:
    """The visible links with a usable URL, in order; may contain duplicates."""
    links: list[Link] = []
    url = ""
    words: list[str] = []
    for token in visible(html).tokens:
        if not token.name:
            if url:
                words.append(token.body)
        elif token.name == "img" and url:
            words.append(attributes(token.body).get("alt", ""))
        elif token.name == "a":
            if url:
                links.append(Link(url, clean_line(_SPACES.sub(" ", "".join(words)))))
            url = "" if token.closing else link_target(token.body)
            words = []
    if url:
        links.append(Link(url, clean_line(_SPACES.sub(" ", "".join(words)))))
    return links


class _Writer:
    """Assembles lines of text, each prefixed with the marks of its blockquote depth."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quotes = 0
        self._lists: list[int | None] = []
        self._preformatted = 0
        self._indent = ""
        self._link = ""
        self._link_text: list[str] = []

    def text(self, text: str) -> None:
        if not text.isascii():
            text = _INVISIBLE.sub("", text)
        if self._preformatted:
            first, *rest = text.replace("\r", "").split("\n")
            self._add(first)
            for line in rest:
                self._break()
                self._add(line)
            return
        text = _SPACES.sub(" ", text)
        if text == " " and (not self._line or self._line[-1].endswith(" ")):
            return
        self._add(text)

    def open(self, name: str, body: str) -> None:
        if name == "br":
            self._break()
        elif name == "img":
            self._add(clean_line(attributes(body).get("alt", "")))
        elif name in {"td", "th"}:
            if self._line:
                self._line.append(_CELL)
        elif name == "a":
            self._end_link()
            self._link = link_target(body)
        elif name in _BLOCKS:
            self._block(name, closing=False)
            self._enter(name)

    def close(self, name: str) -> None:
        if name == "a":
            self._end_link()
        elif name in _BLOCKS:
            self._block(name, closing=True)
            if name == "blockquote" and self._quotes:
                self._quotes -= 1
            elif name in {"ul", "ol"} and self._lists:
                self._lists.pop()
            elif name == "pre" and self._preformatted:
                self._preformatted -= 1

    def finish(self) -> str:
        self._end_link()
        self._break_if_written()
        return _BLANK_RUN.sub("\n\n", "\n".join(self._lines)).strip("\n").replace("\x00", "\ufffd")

    def _enter(self, name: str) -> None:
        if name == "blockquote":
            self._quotes += 1
        elif name in {"ul", "ol"}:
            self._lists.append(1 if name == "ol" else None)
        elif name == "pre":
            self._preformatted += 1
        elif name == "hr":
            self._line.append("---")
            self._break()
        elif name == "li":
            self._bullet()

    def _bullet(self) -> None:
        self._indent = "  " * min(len(self._lists) - 1, MAX_QUOTE_DEPTH)
        number = self._lists[-1] if self._lists else None
        if number is None:
            self._line.append("- ")
        else:
            self._line.append(f"{number}. ")
            self._lists[-1] = number + 1

    def _add(self, text: str) -> None:
        if not text:
            return
        self._line.append(text)
        if self._link:
            self._link_text.append(text)

    def _end_link(self) -> None:
        if not self._link:
            return
        url, text = self._link, clean_line("".join(self._link_text))
        self._link, self._link_text = "", []
        if text and not _same(url, text):
            self._line.append(
                f" ({url})" if not self._line or not self._line[-1].endswith(" ") else f"({url})"
            )

    def _block(self, name: str, *, closing: bool) -> None:
        """Start a new line, preceded by an empty line for paragraphs and similar blocks."""
        self._break_if_written()
        inner_list = name in {"ul", "ol"} and len(self._lists) > closing
        if name not in _SPACED_BLOCKS or inner_list or not self._lines:
            return
        empty = _quote_prefix(self._quotes - (closing and name == "blockquote")).rstrip()
        if self._lines[-1].strip("> "):
            self._lines.append(empty)
        elif len(empty) < len(self._lines[-1]):
            self._lines[-1] = empty

    def _break_if_written(self) -> None:
        if not self._line:
            return
        line = "".join(self._line)
        if line.strip(_BLANK):
            self._write(line)
        else:
            self._line = []

    def _break(self) -> None:
        self._write("".join(self._line))

    def _write(self, line: str) -> None:
        """Add a line and begin the next."""
        if not self._preformatted:
            if _CELL in line:
                line = " | ".join(cell for part in line.split(_CELL) if (cell := part.strip()))
            line = self._indent + line.strip()
        self._lines.append((_quote_prefix(self._quotes) + line).rstrip())
        self._line, self._indent = [], ""


def _quote_prefix(depth: int) -> str:
    return ">" * min(depth, MAX_QUOTE_DEPTH) + " " if depth > 0 else ""


def _same(url: str, text: str) -> bool:
    """Whether the text of a link is its own URL, so that the URL need not be repeated."""
    plain = re.sub(r"^(?:https?://|mailto:|tel:)(?:www\.)?", "", url, flags=re.IGNORECASE).rstrip("/").lower()
    shown = (
        re.sub(r"^(?:https?://|mailto:|tel:)(?:www\.)?", "", text, flags=re.IGNORECASE).rstrip("/").lower()
    )
    return plain == shown
