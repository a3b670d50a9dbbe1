"""The visible tokens of a mail's HTML: text and tags, one pass whatever the input.

A tokenizer of its own because `html.parser` takes quadratic time on malformed input in Python versions still in use.
What the sender hid from readers (scripts, styles, comments, `display:none`) is dropped.
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
"""What follows is not looked at. Pictures embedded as `data:` make long HTML of few tokens."""
MAX_TOKENS = 50_000
"""Tags and texts looked at: what costs time. A newsletter has about 5,000."""
MAX_URL_CHARS = 2000
"""Browsers and servers agree up to about here; longer ones are data, not addresses."""

_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)")
_TAG_END = re.compile(r"(?:[^>\"']|\"[^\"]*+\"|'[^']*+')*+>")
_ATTRIBUTE = re.compile(r"([^\s=/>\"']++)\s*+(?:=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"']++)))?")
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all"
    r"|font-size\s*:\s*0+(?:\.0+)?(?:px|pt|em|%)?\s*(?:;|!|$)"
    r"|opacity\s*:\s*0+(?:\.0+)?\s*(?:;|!|$)|max-height\s*:\s*0+(?:px)?\s*(?:;|!|$)",
    re.IGNORECASE,
)
# Whatever hides contains one of these; most tags with a style hide nothing.
_HIDING_HINTS = ("none", "hid", ":0", ": 0", "opacity", "/*", "&#", "&colon")
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)

_RAW_TEXT = frozenset({"script", "style", "title", "xmp", "iframe", "noembed", "noframes", "textarea"})
_DROPPED = frozenset({"head", "template", "svg", "math", "object", "select", "audio", "video", "canvas"})
# Elements that end without a closing tag where one of these begins.
_IMPLIED_ENDS = {
    "p": frozenset({"p", "div", "table", "ul", "ol", "h1", "h2", "h3"}),
    "head": frozenset({"body"}),
}
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)  # fmt: skip


class Token(NamedTuple):
    """Text (`name` is ""), an opening tag, or a closing one (`closing`)."""

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
        # One unbalanced quote means that quotes cannot be trusted in the rest; trying again would be quadratic.
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
    """The attributes of an opening tag by lower-case name; the first of two equal names wins, as in browsers."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(body):
        value = match[2] if match[2] is not None else match[3] if match[3] is not None else match[4] or ""
        found.setdefault(match[1].lower(), unescape(value))
    return found


def link_target(body: str) -> str:
    """The `href` of an anchor if it leads somewhere a reader could go, else ""."""
    url = clean_line(attributes(body).get("href", ""))
    scheme = url.partition(":")[0].lower()
    return url if scheme in {"http", "https", "mailto", "tel"} and len(url) <= MAX_URL_CHARS else ""
