"""Yields the tokens of HTML mail, text and tags, in linear time for any input.

The standard `html.parser` takes quadratic time on malformed input in Python versions still in use. The content of
scripts and comments is dropped, that of `<style>` is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

from e2a_core.mail.charsets import clean_line

__all__ = ["STYLE_SHEET", "Token", "attributes", "link_target", "tokens"]

MAX_URL_CHARS = 2000
"""Browsers and servers support URLs up to about this length; longer ones carry data."""

_TAG_NAME = r"<(/?)([a-zA-Z][^\s/>]*+)"
_TAG = re.compile(_TAG_NAME + r"((?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+)>")
_TAG_WITHOUT_QUOTES = re.compile(_TAG_NAME + r"([^>]*+)>")
_TAG_START = re.compile(_TAG_NAME)
_ATTRIBUTE = re.compile(r"([^\s=/>\"']++)\s*+(?:=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"']++)))?")
_RAW_TEXT = frozenset(
    {"script", "style", "title", "xmp", "iframe", "noembed", "noframes", "noscript", "textarea"}
)
_RAW_TEXT_ENDS = {name: re.compile(rf"</{name}\b[^>]*+>", re.IGNORECASE) for name in _RAW_TEXT}
STYLE_SHEET = "#style"
"""The name of a token whose body is the content of a `<style>` element."""


class Token(NamedTuple):
    """Text (`name` is ""), an opening tag, or a closing tag (`closing`)."""

    name: str
    closing: bool
    body: str


def tokens(html: str) -> Iterator[Token]:
    """The tokens in order; a `<` that begins no tag is text."""
    position, size = 0, len(html)
    pattern = _TAG
    while position < size:
        opening = html.find("<", position)
        if opening != position:
            text = html[position:opening] if opening > 0 else html[position:]
            yield Token("", False, unescape(text) if "&" in text else text)
            if opening < 0:
                return
        tag = pattern.match(html, opening)
        if tag is None and _TAG_START.match(html, opening):
            # After one unbalanced quote, quotes are ignored in the rest; trying each again would take quadratic time.
            pattern = _TAG_WITHOUT_QUOTES
            tag = pattern.match(html, opening)
            if tag is None:
                return
        if tag is None:
            position = _after_markup(html, opening)
            if position == opening + 1:
                yield Token("", False, "<")
            continue
        slash, name, body = tag.groups()
        closing, name = slash == "/", name.lower()
        position = tag.end()
        if name not in _RAW_TEXT:
            yield Token(name, closing, body)
        elif not closing:
            start, (stop, position) = position, _raw_text_end(html, name, position)
            if name == "style":
                media = attributes(body).get("media", "") if body else ""
                css = html[start:stop]
                yield Token(STYLE_SHEET, False, f"@media {media}{{{css}}}" if media else css)


def _after_markup(html: str, opening: int) -> int:
    """Where a comment or declaration ends; the next character if the `<` is text."""
    if html.startswith("<!--", opening):
        end = html.find("-->", opening + 4)
        return end + 3 if end >= 0 else len(html)
    if html.startswith(("<!", "<?", "</"), opening):
        end = html.find(">", opening)
        return end + 1 if end >= 0 else len(html)
    return opening + 1


def _raw_text_end(html: str, name: str, position: int) -> tuple[int, int]:
    """Where the content of the element ends, and where the next token begins."""
    end = _RAW_TEXT_ENDS[name].search(html, position)
    return end.span() if end else (len(html), len(html))


def attributes(body: str) -> dict[str, str]:
    """The attributes of an opening tag by lower-case name; the first of duplicates wins, as in browsers."""
    said = reversed(_ATTRIBUTE.findall(body))
    found = {name.lower(): double or single or plain for name, double, single, plain in said}
    return {name: unescape(value) for name, value in found.items()} if "&" in body else found


def link_target(body: str) -> str:
    """The `href` of an anchor if it is an http, https, mailto or tel URL, else ""."""
    url = clean_line(attributes(body).get("href", ""))
    scheme = url.partition(":")[0].lower()
    return url if scheme in {"http", "https", "mailto", "tel"} and len(url) <= MAX_URL_CHARS else ""
