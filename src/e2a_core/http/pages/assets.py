"""The files of the pages: served from the package under names that hold their hash, so that they are kept for good."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

__all__ = ["asset_routes", "asset_url"]

HASH_DIGITS = 16
_TYPES = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "passkey.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
    # An SVG that is opened by itself is a document.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
}


class _Asset(NamedTuple):
    content: bytes
    digest: str


def asset_url(name: str) -> str:
    return f"/static/{_assets()[name].digest}/{name}"


def asset_routes() -> list[Route]:
    return [Route("/static/{asset_id:path}", _asset, methods=["GET"])]


async def _asset(request: Request) -> Response:
    digest, _, name = request.path_params["asset_id"].partition("/")
    asset = _assets().get(name)
    if asset is None or digest != asset.digest:
        return PlainTextResponse("Not Found\n", 404)
    return Response(asset.content, headers={**_HEADERS, "Content-Type": _TYPES[name]})


@cache
def _assets() -> dict[str, _Asset]:
    folder = resources.files(__package__).joinpath("static")
    contents = {name: folder.joinpath(name).read_bytes() for name in _TYPES}
    return {
        name: _Asset(content, hashlib.sha256(content).hexdigest()[:HASH_DIGITS])
        for name, content in contents.items()
    }
