"""Pages for people: self-contained, escaped, and allowed to load nothing."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse

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

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}dt{color:#666}dd{margin:0}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f5f5;padding:1rem;border-radius:.5rem}"
    "button{font:inherit;padding:.75rem 2rem;border:0;border-radius:.5rem;background:#1a5fb4;color:#fff}"
    "textarea{font:inherit;width:100%;box-sizing:border-box}"
)


def page(status: int, title: str, body: str) -> HTMLResponse:
    """`title` is text; `body` is HTML whose parts the caller escaped."""
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        status,
        PRIVATE_HEADERS,
    )
