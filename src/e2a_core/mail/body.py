"""Which parts of a message are its body, and that body as text (RFC 2046, 3676, 8621 section 4.1.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from e2a_core.mail.html import read_html
from e2a_core.mail.mime import Part
from e2a_core.mail.quote_marks import is_reply_subject
from e2a_core.mail.quoting import split_quoted, tidy
from e2a_core.mail.selection import Choice, Selection

__all__ = [
    "MAX_FULL_TEXT_BYTES",
    "MAX_HTML_BYTES",
    "MAX_TEXT_BYTES",
    "Body",
    "Letter",
    "WholeText",
    "read_body",
    "whole_letter",
    "truncate_utf8",
]

MAX_TEXT_BYTES = 16_384
"""Text returned by one read of a message; sized for a model's context."""
MAX_HTML_BYTES = 1024 * 1024
"""HTML returned by one read of a message."""
MAX_FULL_TEXT_BYTES = 256 * 1024
"""Text indexed for search; longer than any ordinary message."""
MAX_SOURCE_BYTES = 1024 * 1024
"""Octets decoded of the text parts; later octets would exceed every limit above."""
MAX_LETTER_BYTES = 4 * 1024 * 1024
"""Octets of a letter that is sent on as such: HTML with pictures in it is long. A longer one is attached."""
MAX_BODY_PARTS = 50
"""Text parts joined into one body."""
MAX_STUB_CHARS = 1500
"""Plain text that is longer is read as a letter, however long the HTML is."""
MAX_POINTER_CHARS = 600
"""The longest text that only points at the HTML; some add an address and how to unsubscribe."""
MIN_LETTER_CHARS = 200
"""Shorter HTML has no letter that its plain text could leave out by being far shorter."""
STUB_RATIO = 4
"""HTML with this many times the words of its plain text says what the plain text does not."""

_REST_IN_HTML = "[The text ends here. The HTML part has the rest.]"
_REST_ATTACHED = "[The text ends here. The attached message has the rest.]"
_URL = re.compile(r"https?://[^\s>)\]]+|\[image: [^\]]*\]", re.IGNORECASE)
_POINTS_AT_HTML = re.compile(
    r"\bhtml\b|(?:view|read|see|open|display)\w*\b.{0,40}\b(?:browser|online|web)"
    r"|(?:im|mit (?:dem|ihrem)|in (?:ihrem|deinem)) browser|online[- ](?:ansicht|version)|webversion"
    r"|navigateur|version en ligne|(?:en|con) (?:el|tu|su|un) navegador|versi[oó]n (?:web|en l[ií]nea)"
    r"|(?:nel|con il|dal) (?:tuo )?browser|versione (?:web|online)|no navegador|vers[aã]o (?:web|online)"
    r"|in (?:je|uw|de) browser|onlineversie|w przegl[aą]darce|i (?:din )?(?:webbl[aä]sare|nettleser|browser)"
    r"|selaimessa|prohl[ií]že[cč]|браузер|tarayıcı|ブラウザ|浏览器|瀏覽器|브라우저|المتصفح|דפדפן|trình duyệt|เบราว์เซอร์",
    re.IGNORECASE | re.DOTALL,
)
"""What stands in for a letter says where to read it."""

_FORWARD_SUBJECT = re.compile(
    r"\s*(?:\[[^\]]{1,40}\]\s*)?(?:fwd?|wg|tr|rv|enc|i|vs|vb|pd|转发|轉寄)\s*[:：]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class WholeText:
    """The new and the quoted part of the readable body, for reading in pages; together at most 256 KiB."""

    text: str
    quoted_text: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a message. `text` is its new part, `quoted_text` the quoted part, `full_text` both.

    `omitted` has a sentence for each limit that cut `whole` or `html`. `hidden_chars` counts the characters of the HTML
    that a browser does not show.
    """

    text: str
    quoted_text: str
    html: str | None
    truncated: bool
    full_text: str
    whole: WholeText
    omitted: tuple[str, ...] = ()
    hidden_chars: int = 0


def read_body(raw: bytes, selection: Selection, subject: str, *, reply: bool = False) -> Body:
    """The selected body of the message `raw` as text, and as HTML if it has HTML.

    `reply` says that header fields call the message an answer.
    """
    reader = _Reader(raw)
    full = tidy(reader.text(selection.items))
    html = reader.html(selection.items)
    full_text, cut = truncate_utf8(full, MAX_FULL_TEXT_BYTES)
    if cut:
        reader.omit(f"the text after {MAX_FULL_TEXT_BYTES // 1024} KiB is left out")
    new, quoted = split_quoted(
        full_text,
        forwarded=bool(_FORWARD_SUBJECT.match(subject)),
        reply=reply or is_reply_subject(subject),
    )
    text, shortened = truncate_utf8(new, MAX_TEXT_BYTES)
    quoted_text, _ = truncate_utf8(quoted, MAX_TEXT_BYTES)
    omitted = tuple(reader.omitted)
    truncated = bool(omitted)
    return Body(
        text=text,
        quoted_text=quoted_text,
        html=html,
        truncated=shortened or truncated,
        full_text=full_text,
        whole=WholeText(new, quoted, truncated),
        omitted=omitted,
        hidden_chars=reader.hidden_chars,
    )


@dataclass(frozen=True, slots=True)
class Letter:
    """A body to be quoted or sent on. `text` says at its end if there is more.

    `complete` is False if neither `text` nor `html` has all of it.
    """

    text: str
    html: str | None
    complete: bool = True


def whole_letter(raw: bytes, selection: Selection) -> Letter:
    """The selected body of the message `raw`, beyond the limits of reading, up to `MAX_LETTER_BYTES`."""
    reader = _Reader(raw, octets=MAX_LETTER_BYTES, parts=len(selection.leaves))
    text, html = tidy(reader.text(selection.items)), reader.html(selection.items, None)
    complete = not reader.source_cut
    if reader.omitted:
        text = f"{text}\n\n{_REST_IN_HTML if complete else _REST_ATTACHED}"
    return Letter(text, html, complete)


def truncate_utf8(text: str, limit: int) -> tuple[str, bool]:
    """`text` cut at a character boundary to at most `limit` octets of UTF-8, and whether it was cut."""
    if len(text) * 4 <= limit:
        return text, False
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text, False
    return data[:limit].decode("utf-8", "ignore"), True


class _Reader:
    """Reads the parts of one message, within limits for all of them together."""

    def __init__(self, raw: bytes, *, octets: int = MAX_SOURCE_BYTES, parts: int = MAX_BODY_PARTS) -> None:
        self._raw = raw
        self._left = octets
        self._parts = parts
        self._decoded: dict[int, str] = {}
        self._converted: dict[int, str] = {}
        self.omitted: dict[str, None] = {}
        self.hidden_chars = 0
        self.source_cut = False

    def omit(self, sentence: str) -> None:
        self.omitted[sentence] = None

    def text(self, items: Sequence[Part | Choice]) -> str:
        """The items as plain text, with an empty line between them."""
        pieces: list[str] = []
        for item in items:
            if isinstance(item, Part):
                pieces.append(self._plain(item))
            else:
                pieces.append(self.text(item.html if self._is_stub(item) else item.plain))
        return "\n\n".join(piece.strip("\r\n") for piece in pieces if piece.strip())

    def html(self, items: Sequence[Part | Choice], limit: int | None = MAX_HTML_BYTES) -> str | None:
        """The items as HTML, with the plain text among them; None if none of them is HTML."""
        if not any(isinstance(item, Choice) or item.content_type == "text/html" for item in items):
            return None
        html, cut = "\n".join(self._html_pieces(items)), False
        if limit is not None:
            html, cut = truncate_utf8(html, limit)
        if cut:
            self.omit(f"the HTML after {MAX_HTML_BYTES // 1024} KiB is left out")
        return html

    def _html_pieces(self, items: Sequence[Part | Choice]) -> Iterator[str]:
        for item in items:
            if isinstance(item, Choice):
                yield from self._html_pieces(item.html)
            elif item.content_type == "text/html":
                yield self._source(item)
            elif (text := self._source(item)).strip():
                yield f'<div style="white-space:pre-wrap">{escape(text)}</div>'

    def _plain(self, part: Part) -> str:
        text = self._source(part)
        if part.content_type == "text/html":
            return self._convert(part, text)
        if part.parameters.get("format", "").lower() == "flowed":
            return _unflow(text, delete_space=part.parameters.get("delsp", "").lower() == "yes")
        return text

    def _convert(self, part: Part, html: str) -> str:
        if id(part) not in self._converted:
            found = read_html(html)
            if found.truncated:
                self.omit("the HTML was too complex to read to its end")
            self.hidden_chars += found.hidden_chars
            self._converted[id(part)] = found.text
        return self._converted[id(part)]

    def _source(self, part: Part) -> str:
        """The decoded text of a part, cut to what is left of the limits."""
        if id(part) in self._decoded:
            return self._decoded[id(part)]
        if self._parts <= 0:
            self.omit(f"text parts after the first {MAX_BODY_PARTS} are left out")
            return ""
        text = part.text(self._raw, self._left)
        if part.end - part.start > self._left and len(part.content(self._raw)) > self._left:
            self.source_cut = True
            self.omit(f"the text after {MAX_SOURCE_BYTES // 1024} KiB of its source is left out")
        self._left -= min(self._left, len(text.encode("utf-8", "replace")))
        self._parts -= 1
        self._decoded[id(part)] = text
        return text

    def _is_stub(self, choice: Choice) -> bool:
        """Whether the plain text only stands in for the HTML: it says so, or is far shorter."""
        plain = _words(self.text(choice.plain))
        if not plain:
            return True
        points = bool(_POINTS_AT_HTML.search(plain[:MAX_STUB_CHARS]))
        if len(plain) > MAX_STUB_CHARS:
            return False
        html = _words(self.text(choice.html))
        if points and len(plain) <= MAX_POINTER_CHARS:
            return bool(html) and html not in plain
        return len(html) >= MIN_LETTER_CHARS and len(html) > STUB_RATIO * len(plain)


def _words(text: str) -> str:
    """The words of a text, without URLs, which the two readings write in different ways."""
    return " ".join(_URL.sub(" ", text).split())


def _unflow(text: str, *, delete_space: bool) -> str:
    """Join flowed lines (RFC 3676): a line ending in a space continues on the next line of the same quote depth.

    The signature separator `-- ` is never joined.
    """
    result: list[str] = []
    paragraph, depth, flowing = "", 0, False
    for line in text.replace("\r\n", "\n").split("\n"):
        content = line.lstrip(">")
        quotes = len(line) - len(content)
        content = content.removeprefix(" ")
        if flowing and (quotes != depth or content == "-- "):
            result.append(_with_quotes(depth, paragraph))
            paragraph, flowing = "", False
        depth = quotes
        soft = content.endswith(" ") and content != "-- "
        paragraph += content[:-1] if soft and delete_space else content
        flowing = soft
        if not soft:
            result.append(_with_quotes(depth, paragraph))
            paragraph = ""
    if flowing:
        result.append(_with_quotes(depth, paragraph))
    return "\n".join(result)


def _with_quotes(depth: int, paragraph: str) -> str:
    return f"{'>' * depth} {paragraph}" if depth else paragraph
