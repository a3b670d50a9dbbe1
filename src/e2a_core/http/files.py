"""A file of a message as the answer to a request."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

__all__ = ["file_response"]


def file_response(data: bytes, content_type: str | None, filename: str | None) -> Response:
    """The bytes to save, whatever type they claim: what a stranger sent must not run in this origin."""
    headers = {
        # As a `media_type` text would be given a charset that is a guess.
        "Content-Type": content_type or "application/octet-stream",
        "Content-Disposition": _disposition(filename),
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(data, headers=headers)


def _disposition(filename: str | None) -> str:
    """RFC 6266 with the extended notation of RFC 8187 for what is not plain ASCII."""
    if not filename:
        return "attachment"
    plain = "".join(char if " " <= char <= "~" and char not in '"\\' else "_" for char in filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
