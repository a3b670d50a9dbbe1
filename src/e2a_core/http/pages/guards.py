"""What a page asks of a request before anything is done: where it comes from, its session's cookie, and its form."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from e2a_core.core import Core
from e2a_core.errors import Forbidden, InvalidRequest
from e2a_core.http.edge import Replay, read_body

__all__ = [
    "ATTEMPT_COOKIE",
    "FORM_OCTETS",
    "Form",
    "SentFile",
    "clear_cookie",
    "cookie_of",
    "local_path",
    "read_form",
    "require_own_site",
    "require_proof",
    "set_cookie",
]

FORM_OCTETS = 64 * 1024
MAX_FIELDS = 300
MAX_FILES = 50
"""Of one form; more than a message may have, so that it can be told how many are too many."""
MAX_PATH_CHARS = 300
COOKIE = "e2a_session"
ATTEMPT_COOKIE = "e2a_attempt"
"""Binds what an issuer or a device answers to the browser that asked."""
PROOF = "proof"


class SentFile(NamedTuple):
    """A file as the browser sent it: what its name and type say is for nobody to rely on."""

    filename: str
    content_type: str
    data: bytes


class Form:
    """The fields of a form that was posted."""

    def __init__(
        self, data: FormData | None = None, files: Mapping[str, Sequence[SentFile]] | None = None
    ) -> None:
        self._data = data or FormData()
        self._files = files or {}

    def files(self, name: str) -> Sequence[SentFile]:
        """The files that were chosen in a field."""
        return self._files.get(name, ())

    def text(self, name: str, default: str = "") -> str:
        """A field with the line ends of a text in Unix (HTML sends CR LF)."""
        value = self._data.get(name, default)
        return value.replace("\r\n", "\n") if isinstance(value, str) else default

    def all(self, name: str) -> list[str]:
        return [value for value in self._data.getlist(name) if isinstance(value, str)]

    def __contains__(self, name: str) -> bool:
        return name in self._data


async def read_form(request: Request, octets: int = FORM_OCTETS, *, files: bool = False) -> Form:
    """The fields of the body, and its `files` if it may have some. Raises `InvalidRequest` for what is no form.

    Raises what `read_body` raises too.
    """
    body = await read_body(request, octets)
    most = MAX_FILES if files else 0
    try:
        async with Request(request.scope, Replay(body)).form(max_files=most, max_fields=MAX_FIELDS) as data:
            return Form(data, await _files_of(data) if files else None)
    except HTTPException:
        raise InvalidRequest("this is no form, or has too many files", location="body") from None


async def _files_of(data: FormData) -> dict[str, list[SentFile]]:
    """A field in which no file was chosen has one without a name."""
    found: dict[str, list[SentFile]] = {}
    for name, value in data.multi_items():
        if isinstance(value, UploadFile) and value.filename:
            item = SentFile(value.filename, value.content_type or "", await value.read())
            found.setdefault(name, []).append(item)
    return found


def require_own_site(request: Request, own_url: str) -> None:
    """Raises `Forbidden` unless a browser says that a page of this site posts.

    Every browser says so in one of two ways (Fetch Metadata 2.3, RFC 6454 section 7). A program that says neither
    has the API.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        own = site.lower() == "same-origin"
    else:
        scheme, _, host = request.headers.get("origin", "").lower().partition("://")
        hosts = {request.headers.get("host", "").lower(), urlsplit(own_url).netloc.lower()}
        own = scheme in {"http", "https"} and host in hosts
    if not own:
        raise Forbidden("this form was sent from another site, so nothing was done")


def require_proof(form: Form, proof: str) -> None:
    """Raises `Forbidden` unless the form is one of this session."""
    given = form.text(PROOF)
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), proof.encode()):
        raise Forbidden("this form is not of this session, so nothing was done; open the page again")


def cookie_of(request: Request, core: Core, name: str = COOKIE) -> str:
    return request.cookies.get(_cookie_name(core, name), "")


def set_cookie(response: Response, core: Core, token: str, name: str = COOKIE) -> None:
    """Gives the browser the secret of a session, until the browser is closed or the session ends.

    `Lax`, since people come from links in mail and from issuers; every form asks for more than the cookie.
    """
    response.set_cookie(
        _cookie_name(core, name), token, path="/", secure=_is_secure(core), httponly=True, samesite="lax"
    )


def clear_cookie(response: Response, core: Core, name: str = COOKIE) -> None:
    response.delete_cookie(
        _cookie_name(core, name), path="/", secure=_is_secure(core), httponly=True, samesite="lax"
    )


def local_path(path: str) -> str:
    """`path` if it is one of this site, to go there after signing in; otherwise the front page."""
    plain = path.isascii() and path.isprintable() and "\\" not in path and len(path) <= MAX_PATH_CHARS
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


def _is_secure(core: Core) -> bool:
    return core.links.base_url.startswith("https://")


def _cookie_name(core: Core, name: str) -> str:
    """With the prefix, no other host of the domain and no page without TLS can set it (RFC 6265bis section 4.1.3.2)."""
    return f"__Host-{name}" if _is_secure(core) else name
