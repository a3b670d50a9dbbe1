"""The HTML of a message as a document for a frame of its own: it loads nothing, runs nothing, and leads nowhere.

Three walls, of which each would do: markup that could act is taken out here, the document's policy allows nothing but
styles and pictures within it, and its sandbox has an origin of its own, no scripts, no forms and no navigation.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import nh3
from starlette.responses import HTMLResponse

from e2a_core.contract.message_views import AttachmentContent

__all__ = [
    "FRAME_HEADERS",
    "MAX_FRAME_CHARS",
    "MAX_PICTURE_OCTETS",
    "Framed",
    "frame_response",
    "framed",
    "pictures_named",
]

MAX_FRAME_CHARS = 1_000_000
"""Of a longer body the beginning is shown, which takes a second."""
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
_TAGS = nh3.ALLOWED_TAGS - {"area", "map"} | {"style", "font", "section", "main", "label", "big", "u", "s"}
_ATTRIBUTES = {
    "*": {
        "style", "class", "dir", "lang", "title", "align", "valign", "bgcolor", "color", "face", "size", "width",
        "height", "border", "cellpadding", "cellspacing", "colspan", "rowspan", "start", "type", "alt", "role",
    },
    "img": {"src"},
    "a": {"href"},
}  # fmt: skip
_LOADS = re.compile(r"\\|url|image|@import|src\s*\(|expression", re.IGNORECASE)
"""What a style could load with; nothing would come of it, and a browser would complain of each."""
_IN_STYLE = re.compile(
    r"@import|@font-face|@namespace|(?:url|image-set|image|src|cross-fade)\s*\(|\\", re.IGNORECASE
)
_STYLES = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_CID = re.compile(r"""cid:([^"'\s)>]{1,998})""", re.IGNORECASE)
_SHOWS_A_HOST = re.compile(r"^\s*(?:https?://)?([\w.-]+\.[a-z]{2,})(?:[/:?#]|\s*$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Framed:
    """The document, what it would have loaded from elsewhere, and whether only its beginning is there."""

    document: str
    blocked: int
    truncated: bool


def framed(source: str, pictures: Mapping[str, AttachmentContent]) -> Framed:
    """Takes time in proportion to `source`. `pictures` are the message's own by Content-ID."""
    work = _Cleaning(pictures)
    cleaner = nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags={
            "script",
            "noscript",
            "template",
            "iframe",
            "object",
            "embed",
            "title",
            "svg",
            "math",
        },
        attributes=_ATTRIBUTES,
        attribute_filter=work.attribute,
        url_schemes={"http", "https", "mailto", "cid", "data"},
        url_relative="deny",
        link_rel=None,
    )
    clean = cleaner.clean(source[:MAX_FRAME_CHARS])
    clean = _STYLES.sub(partial(_quiet, work), clean)
    return Framed(_HEAD + clean + "</body></html>", work.blocked, len(source) > MAX_FRAME_CHARS)


def pictures_named(source: str) -> set[str]:
    """The Content-IDs that the HTML shows pictures of (RFC 2392)."""
    return {match[1] for match in _CID.finditer(source[:MAX_FRAME_CHARS])}


def frame_response(document: str) -> HTMLResponse:
    return HTMLResponse(document, headers=FRAME_HEADERS)


class _Cleaning:
    """What the attributes of one document may say."""

    def __init__(self, pictures: Mapping[str, AttachmentContent]) -> None:
        self._pictures = pictures
        self.blocked = 0

    def attribute(self, tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return self._unless(_LOADS.search(value) is not None, value)
        if name == "src":
            return self._picture(value)
        # A link leads nowhere from here; the page lists where it would.
        return None if name == "href" else value

    def _picture(self, source: str) -> str | None:
        scheme, _, rest = source.strip().partition(":")
        if scheme.lower() == "cid":
            found = self._pictures.get(rest)
            return None if found is None else _as_data(found)
        kind = rest.partition(";")[0].partition(",")[0].strip().lower()
        return self._unless(scheme.lower() != "data" or kind not in _PICTURES, source)

    def _unless(self, loads: bool, value: str) -> str | None:
        self.blocked += loads
        return None if loads else value


def _as_data(picture: AttachmentContent) -> str | None:
    kind = (picture.meta.content_type or "").partition(";")[0].strip().lower()
    return f"data:{kind};base64,{b64encode(picture.data).decode()}" if kind in _PICTURES else None


def _quiet(work: _Cleaning, match: re.Match[str]) -> str:
    rules, count = _IN_STYLE.subn("x-blocked-", match[1])
    work.blocked += count
    return f"<style>{rules}</style>"


def misleading(text: str, href: str) -> bool:
    """Whether a link shows the name of one host and leads to another."""
    shown, led = _SHOWS_A_HOST.match(text), _SHOWS_A_HOST.match(href)
    return bool(
        shown and led and shown[1].lower().removeprefix("www.") != led[1].lower().removeprefix("www.")
    )
