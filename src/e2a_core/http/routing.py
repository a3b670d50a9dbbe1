"""What every API operation does before its own code: rate, credential, size, content type, emptiness of the body."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import lru_cache, wraps
from inspect import Parameter, Signature
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from e2a_core.contract.engine import Engine
from e2a_core.errors import InvalidRequest, Unauthorized, UnsupportedMediaType
from e2a_core.http.binding import Binding
from e2a_core.http.body import read_body

__all__ = ["ApiRoute", "PublicRoute", "bearer"]

DEFAULT_BODY_BYTES = 1024 * 1024
SEND_BODY_BYTES = 40 * 1024 * 1024
MAX_TOKEN_CHARS = 1024

LARGE_BODIES = frozenset(
    {"send_message", "reply_to_message", "forward_message", "approve_review", "approve_message"}
)
"""Operations that carry attachments."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Endpoint = Callable[..., Coroutine[Any, Any, Response]]


def bearer(request: Request) -> str:
    """The credential of the Authorization header, with or without its scheme. Raises `Unauthorized`."""
    value = request.headers.get("authorization", "").strip()
    scheme, blank, rest = value.partition(" ")
    token = rest.strip() if blank and scheme.lower() == "bearer" else value
    if not token or " " in token or len(token) > MAX_TOKEN_CHARS:
        raise Unauthorized
    return token


class PublicRoute(APIRoute):
    """An operation that needs no credential. Bodies are read whole, in time, and no larger than allowed."""

    def get_route_handler(self) -> Handler:
        binding = Binding(self.dependant)

        async def handler(request: Request) -> Response:
            request.scope["query_string"] = _effective_query(request.scope["query_string"])
            await self.admit(request)
            arguments = binding.arguments(request, await self._body(request))
            response: Response = await self.endpoint(**arguments)
            return response

        return handler

    async def admit(self, request: Request) -> None:
        """Whether the caller may ask at all; decided before anything of the body is read."""

    async def _body(self, request: Request) -> bytes | None:
        if self.body_field is None:
            return None
        limit = SEND_BODY_BYTES if self.operation_id in LARGE_BODIES else DEFAULT_BODY_BYTES
        body = await read_body(request, limit)
        if not body.strip():
            raise InvalidRequest("a body is required", fields=[])
        _expect_json(request)
        return body


class ApiRoute(PublicRoute):
    """An operation of a session, its first argument. The credential is checked before the body is parsed."""

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, _given_session(endpoint), **options)

    async def admit(self, request: Request) -> None:
        engine: Engine = request.app.state.engine
        request.scope["e2a.session"] = session = await engine.session(bearer(request))
        await request.app.state.limits.check(request, session, self.operation_id or "")


def _given_session(endpoint: Endpoint) -> Endpoint:
    """`endpoint` called with the request, which has the session.

    As a dependency of every operation the session would cost more than many of them do.
    """
    asked = dict(inspect.signature(endpoint).parameters)
    del asked["session"]
    takes_request = "request" in asked

    @wraps(endpoint)
    async def call(request: Request, **given: Any) -> Response:
        if takes_request:
            given["request"] = request
        return await endpoint(request.scope["e2a.session"], **given)

    asked.setdefault("request", Parameter("request", Parameter.KEYWORD_ONLY, annotation=Request))
    keywords = [item.replace(kind=Parameter.KEYWORD_ONLY) for item in asked.values()]
    call.__signature__ = Signature(keywords)  # type: ignore[attr-defined]
    return call


@lru_cache(maxsize=256)
def _effective_query(query: bytes) -> bytes:
    """Without empty values, which count as absent, and with the first of several.

    Whoever polls asks with the same few queries.
    """
    if not query:
        return query
    pairs = parse_qsl(query.decode("latin-1"), encoding="utf-8", errors="replace")
    given: dict[str, str] = {}
    for name, value in pairs:
        given.setdefault(name, value)
    return urlencode(given).encode("ascii")


def _expect_json(request: Request) -> None:
    """JSON under any of its names; no name at all is taken for JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (
        kind
        and kind != "application/json"
        and not (kind.startswith("application/") and kind.endswith("+json"))
    ):
        raise UnsupportedMediaType("the body must be application/json")
