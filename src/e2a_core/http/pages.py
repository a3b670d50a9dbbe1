"""Pages for people: self-contained, escaped, and allowed to load nothing."""

from __future__ import annotations

from starlette.responses import HTMLResponse

from e2a_core.markup import render

__all__ = ["PRIVATE_HEADERS", "page"]

PRIVATE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
}
"""For a page whose address is a secret: kept by no cache, framed by nobody, told to no other site."""


def page(
    status: int, title: str, text: str = "", *, template: str = "page.html", **values: object
) -> HTMLResponse:
    """A page that says `text`, or one of another template, which is given `values` too."""
    return HTMLResponse(render(template, title=title, text=text, **values), status, PRIVATE_HEADERS)
