"""Pages for people: self-contained, escaped, and allowed to load nothing."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from e2a_core.markup import render

__all__ = ["PRIVATE_HEADERS", "front_page", "page"]

PRIVATE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
}
"""For a page whose address is a secret: kept by no cache, framed by nobody, told to no other site."""

_NAME = "e2a"
_WHAT = "Email for AI agents"
_PARTS = {"api": "/v1", "openapi": "/v1/openapi.json", "mcp": "/mcp"}


async def front_page(request: Request) -> Response:
    """What answers at this address: a page for browsers, else JSON for who asks for it, else text."""
    accepted = request.headers.get("accept", "").lower()
    text = (
        f"{_WHAT}: this address serves the API below {_PARTS['api']} (described at {_PARTS['openapi']}) and the MCP "
        f"endpoint at {_PARTS['mcp']}. Both need a key of this deployment."
    )
    response: Response
    if "text/html" in accepted:
        response = page(200, f"This is {_NAME}", text)
    elif "json" in accepted:
        response = JSONResponse({"name": _NAME, "description": _WHAT, **_PARTS}, headers=PRIVATE_HEADERS)
    else:
        response = PlainTextResponse(f"This is {_NAME}. {text}\n", headers=PRIVATE_HEADERS)
    response.headers["Vary"] = "Accept"
    return response


def page(
    status: int, title: str, text: str = "", *, template: str = "page.html", **values: object
) -> HTMLResponse:
    """A page that says `text`, or one of another template, which is given `values` too."""
    return HTMLResponse(render(template, title=title, text=text, **values), status, PRIVATE_HEADERS)
