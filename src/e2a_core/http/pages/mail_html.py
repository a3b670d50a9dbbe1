"""The HTML of a message as a document for a frame of its own: it loads nothing, runs nothing, and leads nowhere.

Three walls, of which each would do: markup is written anew from a list of elements and attributes that only look, the
document's policy allows nothing but styles and pictures within it, and its sandbox has an origin of its own, no
scripts, no forms and no navigation. It is written token by token, in linear time: parsers that build a tree, such as
nh3, take seconds for a deep nest of a few thousand elements.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from starlette.responses import HTMLResponse

from e2a_core.contract.message_views import AttachmentContent
from e2a_core.mail.html_elements import VOID
from e2a_core.mail.html_tokens import STYLE_SHEET, Token, attributes, tokens

__all__ = [
    "FRAME_HEADERS",
    "MAX_FRAME_CHARS",
    "MAX_PICTURE_OCTETS",
    "Framed",
    "frame_response",
    "framed",
    "misleading",
    "pictures_named",
]

MAX_FRAME_CHARS = 1_000_000
"""Of a longer body the beginning is shown."""
MAX_PICTURE_OCTETS = 4 * 1024 * 1024
"""Pictures of the message itself, all together, that are put into the document."""

FRAME_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-DNS-Prefetch-Control": "off",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_HEAD = (
    '<!doctype html><html lang="und"><head><meta charset="utf-8"><title>Message</title><style>'
    "html{background:#fff;color:#111}body{margin:14px;font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}</style></head><body>"
)
_ELEMENTS = frozenset(
    {
        "a", "abbr", "acronym", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br", "caption",
        "center", "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "dir", "div", "dl", "dt", "em",
        "figcaption", "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "i",
        "img", "ins", "kbd", "label", "li", "main", "mark", "menu", "nav", "nobr", "ol", "p", "pre", "q", "s", "samp",
        "section", "small", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th",
        "thead", "time", "tr", "tt", "u", "ul", "var", "wbr",
    }
)  # fmt: skip
"""Elements that only look. No raw text, no foreign markup, and nothing in whose content a browser reads otherwise."""
_ATTRIBUTES = frozenset(
    {
        "align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "class", "color", "colspan", "dir", "face",
        "height", "id", "lang", "open", "rowspan", "size", "span", "start", "title", "type", "valign", "width",
    }
)  # fmt: skip
_OPAQUE = frozenset(
    {"svg", "math", "template", "object", "select", "audio", "video", "canvas", "applet", "frameset"}
)
"""Elements that are left out with all that is in them."""
_LOADS = re.compile(r"\\|url|image|src|import|expression|cross-fade", re.IGNORECASE)
"""What a style could load with. Nothing would come of it, but a browser complains of each try."""
_LOADS_IN_SHEET = re.compile(
    r"@import|@font-face|@namespace|@charset|(?:url|image|src|fade)[\w-]{0,20}\s{0,9}\(|\\", re.IGNORECASE
)
_CID = re.compile(r"""cid:([^"'\s)>]{1,998})""", re.IGNORECASE)
_SHOWS_A_HOST = re.compile(r"^\s*(?:https?://)?([\w.-]{1,253}\.[a-z]{2,63})(?:[/:?#]|\s*$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Framed:
    """The document, what it would have loaded from elsewhere, and whether only its beginning is there."""

    document: str
    blocked: int
    truncated: bool


def framed(source: str, pictures: Mapping[str, AttachmentContent]) -> Framed:
    """Takes time in proportion to `source`. `pictures` are the message's own by Content-ID."""
    writer = _Writer(pictures)
    for token in tokens(source[:MAX_FRAME_CHARS]):
        writer.take(token)
    document = f"{_HEAD}{''.join(writer.parts)}</body></html>"
    return Framed(document, writer.blocked, len(source) > MAX_FRAME_CHARS)


def pictures_named(source: str) -> set[str]:
    """The Content-IDs that the HTML shows pictures of (RFC 2392)."""
    return {match[1] for match in _CID.finditer(source[:MAX_FRAME_CHARS])}


def frame_response(document: str) -> HTMLResponse:
    return HTMLResponse(document, headers=FRAME_HEADERS)


def misleading(text: str, href: str) -> bool:
    """Whether a link shows the name of one host and leads to another."""
    shown, led = _SHOWS_A_HOST.match(text), _SHOWS_A_HOST.match(href)
    return bool(shown and led and _host(shown[1]) != _host(led[1]))


class _Writer:
    """Writes what may be seen of each token."""

    def __init__(self, pictures: Mapping[str, AttachmentContent]) -> None:
        self.parts: list[str] = []
        self.blocked = 0
        self._pictures = pictures
        self._within = ""
        self._depth = 0

    def take(self, token: Token) -> None:
        if self._within or token.name in _OPAQUE:
            self._pass_over(token)
        elif not token.name:
            self.parts.append(escape(token.body))
        elif token.name == STYLE_SHEET:
            self._style_sheet(token.body)
        elif token.name in _ELEMENTS:
            self.parts.append(f"</{token.name}>" if token.closing else self._opening(token))

    def _pass_over(self, token: Token) -> None:
        """Until the element that is left out ends."""
        if not self._within:
            if not token.closing and not token.body.rstrip().endswith("/"):
                self._within, self._depth = token.name, 1
        elif token.name == self._within:
            self._depth += -1 if token.closing else 1
            if not self._depth:
                self._within = ""

    def _style_sheet(self, rules: str) -> None:
        rules, count = _LOADS_IN_SHEET.subn("x-blocked-", rules)
        self.blocked += count
        # In raw text nothing is escaped, and only `</style` ends it.
        self.parts.append(f"<style>{rules.replace('<', ' ')}</style>")

    def _opening(self, token: Token) -> str:
        said = attributes(token.body) if token.body else {}
        kept = {name: value for name, value in said.items() if name in _ATTRIBUTES}
        if "background" in said:
            self.blocked += 1
        if "style" in said:
            if _LOADS.search(said["style"]):
                self.blocked += 1
            else:
                kept["style"] = said["style"]
        if token.name == "img" and (picture := self._picture(said.get("src", ""))):
            kept["src"] = picture
        written = "".join(f' {name}="{escape(value)}"' for name, value in kept.items())
        return f"<{token.name}{written}{' /' if token.name in VOID else ''}>"

    def _picture(self, source: str) -> str | None:
        """A picture of the message itself; a link leads nowhere from here, and the page lists where it would."""
        scheme, _, rest = source.strip().partition(":")
        if scheme.lower() == "cid":
            found = self._pictures.get(rest)
            return None if found is None else _as_data(found)
        if scheme.lower() == "data" and re.split("[;,]", rest, maxsplit=1)[0].strip().lower() in _PICTURES:
            return source.strip()
        self.blocked += bool(source)
        return None


def _as_data(picture: AttachmentContent) -> str | None:
    kind = (picture.meta.content_type or "").partition(";")[0].strip().lower()
    return f"data:{kind};base64,{b64encode(picture.data).decode()}" if kind in _PICTURES else None


def _host(name: str) -> str:
    return name.lower().removeprefix("www.")
