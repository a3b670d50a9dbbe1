"""Yields the visible tokens of HTML mail, text and tags, in linear time for any input.

The standard `html.parser` takes quadratic time on malformed input in Python versions still in use. Content that
readers do not see (scripts, styles, comments, `display:none`) is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import islice
from typing import NamedTuple

from e2a_core.mail.charsets import clean_line

__all__ = ["MAX_HTML_CHARS", "Token", "attributes", "link_target", "visible_tokens"]

MAX_HTML_CHARS = 1024 * 1024
"""The rest of the HTML is ignored. Images embedded as `data:` URLs make HTML long without adding tokens."""
MAX_TOKENS = 50_000
"""Tokens read, which bounds the time; a newsletter has about 5,000."""
MAX_URL_CHARS = 2000
"""Browsers and servers support URLs up to about this length; longer ones carry data."""

_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)")
_TAG_END = re.compile(r"(?:[^>\"']|\"[^\"]*+\"|'[^']*+')*+>")
_ATTRIBUTE = re.compile(r"([^\s=/>\"']++)\s*+(?:=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"']++)))?")
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all"
    r"|font-size\s*:\s*0+(?:\.0+)?(?:px|pt|em|%)?\s*(?:;|!|$)"
    r"|opacity\s*:\s*0+(?:\.0+)?\s*(?:;|!|$)|max-height\s*:\s*0+(?:px)?\s*(?:;|!|$)",
    re.IGNORECASE,
)
_HIDING_HINTS = ("none", "hid", ":0", ": 0", "opacity", "/*", "&#", "&colon")
"""Every tag that hides content contains one of these: a cheap test before the exact one."""
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)

_RAW_TEXT = frozenset({"script", "style", "title", "xmp", "iframe", "noembed", "noframes", "textarea"})
_DROPPED = frozenset({"head", "template", "svg", "math", "object", "select", "audio", "video", "canvas"})
_IMPLIED_ENDS = {
    "p": frozenset({"p", "div", "table", "ul", "ol", "h1", "h2", "h3"}),
    "head": frozenset({"body"}),
}
"""Elements without a closing tag end where one of these tags opens."""
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)  # fmt: skip


class Token(NamedTuple):
    """Text (`name` is ""), an opening tag, or a closing tag (`closing`)."""

    name: str
    closing: bool
    body: str


def visible_tokens(html: str) -> Iterator[Token]:
    """The tokens outside dropped and hidden elements."""
    hidden, depth = "", 0
    for token in islice(_tokens(html[:MAX_HTML_CHARS]), MAX_TOKENS):
        if hidden:
            if not token.closing and token.name in _IMPLIED_ENDS.get(hidden, ()):
                hidden = ""
            else:
                if token.name == hidden:
                    depth += -1 if token.closing else 1
                hidden = hidden if depth > 0 else ""
                continue
        if token.name and not token.closing and token.name not in _VOID and _is_hidden(token):
            hidden, depth = token.name, 1
            continue
        if token.name in _VOID and _is_hidden(token):
            continue
        yield token


def _is_hidden(token: Token) -> bool:
    if token.name in _DROPPED:
        return True
    if not token.body:
        return False
    lowered = token.body.lower()
    if not any(hint in lowered for hint in _HIDING_HINTS):
        return False
    found = attributes(token.body)
    return "hidden" in found or bool(_HIDING.search(_CSS_COMMENT.sub("", found.get("style", ""))))


def _tokens(html: str) -> Iterator[Token]:
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
                position = _after_raw_text(html, name, position)
            continue
        yield Token(name, closing, html[tag.end() : end])


def _after_raw_text(html: str, name: str, position: int) -> int:
    end = re.compile(rf"</{name}\b[^>]*+>", re.IGNORECASE).search(html, position)
    return end.end() if end else len(html)


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
