"""The routes of the API: one per row of the contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from e2a_core.clock import Clock
from e2a_core.contract.contacts import etag_of
from e2a_core.contract.engine import Engine, Session, all_operations
from e2a_core.contract.operation import Access, Operation
from e2a_core.errors import InvalidRequest, UnsupportedMediaType
from e2a_core.http.answers import answer
from e2a_core.http.binding import Binding
from e2a_core.http.edge import bearer, read_body
from e2a_core.http.limits import RequestLimits

__all__ = ["api_routes"]


MOST_ASKED = frozenset({"list_messages", "get_message", "send_message"})
"""Operations that are matched first: the router tries one route after the other."""


def api_routes(engine: Engine, limits: RequestLimits, clock: Clock) -> list[Route]:
    """In the order of the rows, but for `MOST_ASKED`."""
    rows = sorted(all_operations(), key=lambda row: row.id not in MOST_ASKED)
    return [_route(row, engine, limits, clock) for row in rows]


@cache
def _binding(row: Operation) -> Binding:
    """pydantic takes 20 ms for all rows, which a process with several applications pays once."""
    return Binding(row)


def _route(row: Operation, engine: Engine, limits: RequestLimits, clock: Clock) -> Route:
    binding = _binding(row)
    headers = HEADERS.get(row.id)

    async def endpoint(request: Request) -> Response:
        request.scope["e2a.operation"] = row.id
        session = None
        if row.access is not Access.PUBLIC:
            session = await engine.session(bearer(request.headers))
            limits.check(request, session, row.budget)
        arguments = binding.arguments(request, await _body(request, row), clock.now())
        call: Callable[..., Awaitable[Any]] = getattr(getattr(session, row.group, engine), row.name)
        result = await call(**arguments)
        told = {"ETag": etag_of(result)} if row.tagged else {}
        if headers is not None and session is not None:
            told |= headers(session)
        return answer(result, row.status(result), told)

    route = Route(row.path, endpoint, methods=[row.method], name=row.id)
    # Starlette adds HEAD to every GET, and some of these reads are counted or leave a mark.
    route.methods = {row.method}
    return route


async def _body(request: Request, row: Operation) -> bytes | None:
    if row.body is None:
        return None
    body = await read_body(request, row.body_octets)
    if not body.strip():
        raise InvalidRequest("a body is required", fields=[])
    _expect_json(request)
    return body


def _expect_json(request: Request) -> None:
    """JSON under any of its names; no name at all is taken for JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (
        kind
        and kind != "application/json"
        and not (kind.startswith("application/") and kind.endswith("+json"))
    ):
        raise UnsupportedMediaType("the body must be application/json")


def _export_headers(session: Session) -> dict[str, str]:
    name = f"e2a-export-{session.principal.account_id}.json"
    return {"Content-Disposition": f'attachment; filename="{name}"'}


HEADERS: dict[str, Callable[[Session], dict[str, str]]] = {"export_account": _export_headers}
"""What an answer says besides its body, by operation."""
