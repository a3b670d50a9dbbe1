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

_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)")
_TAG_END = re.compile(r"(?:[^>\"']|\"[^\"]*+\"|'[^']*+')*+>")
_ATTRIBUTE = re.compile(r"([^\s=/>\"']++)\s*+(?:=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"']++)))?")
_RAW_TEXT = frozenset({"script", "style", "title", "xmp", "iframe", "noembed", "noframes", "textarea"})
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
    quotes_balanced = True
    while position < size:
        opening = html.find("<", position)
        if opening < 0:
            yield Token("", False, unescape(html[position:]))
            return
        if opening > position:
            yield Token("", False, unescape(html[position:opening]))
        if html.startswith("<!--", opening):
            end = html.find("-->", opening + 4)
            position = size if end < 0 else end + 3
            continue
        tag = _TAG_NAME.match(html, opening)
        if tag is None:
            if html.startswith(("<!", "<?", "</"), opening):
                end = html.find(">", opening)
                position = size if end < 0 else end + 1
            else:
                yield Token("", False, "<")
                position = opening + 1
            continue
        # After one unbalanced quote, quotes are ignored in the rest; trying each again would take quadratic time.
        attributes = _TAG_END.match(html, tag.end()) if quotes_balanced else None
        if attributes is None:
            quotes_balanced = False
        end = attributes.end() - 1 if attributes else html.find(">", tag.end())
        if end < 0:
            return
        name, closing = tag[2].lower(), bool(tag[1])
        position = end + 1
        if name in _RAW_TEXT:
            if not closing:
                start, (stop, position) = position, _raw_text_end(html, name, position)
                if name == "style":
                    yield Token(STYLE_SHEET, False, html[start:stop])
            continue
        yield Token(name, closing, html[tag.end() : end])


def _raw_text_end(html: str, name: str, position: int) -> tuple[int, int]:
    """Where the content of the element ends, and where the next token begins."""
    end = re.compile(rf"</{name}\b[^>]*+>", re.IGNORECASE).search(html, position)
    return end.span() if end else (len(html), len(html))


def attributes(body: str) -> dict[str, str]:
    """The attributes of an opening tag by lower-case name; the first of duplicates wins, as in browsers."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(body):
        value = match[2] if match[2] is not None else match[3] if match[3] is not None else match[4] or ""
        found.setdefault(match[1].lower(), unescape(value))
    return found


def link_target(body: str) -> str:
    """The `href` of an anchor if it is an http, https, mailto or tel URL, else ""."""
    url = clean_line(attributes(body).get("href", ""))
    scheme = url.partition(":")[0].lower()
    return url if scheme in {"http", "https", "mailto", "tel"} and len(url) <= MAX_URL_CHARS else ""
