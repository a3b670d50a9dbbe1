"""The `/v1` API as an application: every operation of the contract, one router per resource."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp

from e2a_core.clock import Clock
from e2a_core.contract.engine import Engine
from e2a_core.errors import E2AError, InternalError, InvalidRequest, MethodNotAllowed, NotFound
from e2a_core.http.answers import error_response
from e2a_core.http.document import document_routes
from e2a_core.http.edge import Edge, Refusal
from e2a_core.http.hosts import HostNames
from e2a_core.http.irregular import irregular_routes
from e2a_core.http.limits import RequestLimits
from e2a_core.http.pages.plain import front_page
from e2a_core.http.routes import api_routes
from e2a_core.ids import Ids
from e2a_core.observer import Observer
from e2a_core.settings import Settings

__all__ = ["build_api"]

log = logging.getLogger("e2a.http")


def build_api(
    engine: Engine,
    settings: Settings,
    *,
    clock: Clock,
    ids: Ids,
    routes: Sequence[BaseRoute] = (),
    lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None,
    refusals: Mapping[str, Refusal] | None = None,
    observer: Observer | None = None,
) -> ASGIApp:
    """The whole HTTP side; `routes` are mounted beside the API and `lifespan` is entered while it serves.

    `refusals` word what the front door refuses below other paths than the API's.
    """
    limits = RequestLimits(clock, polls_per_minute=settings.poll_rate_per_minute)
    app = Starlette(
        routes=[
            *api_routes(engine, limits, clock),
            *irregular_routes(limits),
            *document_routes(),
            *routes,
            Route("/", front_page),
        ],
        exception_handlers={E2AError: _refused, HTTPException: _unrouted, Exception: _failed},
        lifespan=lambda app: lifespan() if lifespan else nullcontext(),
    )
    app.state.limits = limits
    app.router.redirect_slashes = False
    return Edge(
        app,
        clock=clock,
        ids=ids,
        max_in_flight=settings.http_max_in_flight,
        hosts=HostNames(
            listener_host=settings.http_listen.host,
            public_url=settings.public_url,
            hosts=settings.mcp_allowed_hosts,
        ),
        refusals=refusals,
        observer=observer,
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, E2AError)
    return error_response(request, error)


async def _unrouted(request: Request, problem: Exception) -> Response:
    """What the router itself says: an envelope below `/v1`, plain text elsewhere."""
    assert isinstance(problem, HTTPException)
    headers = _allowed(request, problem) if problem.status_code == 405 else problem.headers
    if not request.url.path.startswith("/v1"):
        return PlainTextResponse(f"{problem.detail}\n", problem.status_code, headers)
    error: E2AError = InvalidRequest(problem.detail)
    if problem.status_code == 404:
        error = NotFound("no such path")
    elif problem.status_code == 405:
        error = MethodNotAllowed("this path has no such method")
    response = error_response(request, error)
    response.headers.update(headers or {})
    return response


async def _failed(request: Request, problem: Exception) -> Response:
    log.exception("request %s failed", request.scope.get("e2a.request_id"), exc_info=problem)
    response = error_response(request, InternalError("the server failed; the log has the reason"))
    response.headers["Connection"] = "close"  # which the server does after a failure
    return response


def _allowed(request: Request, problem: HTTPException) -> dict[str, str]:
    """All methods of the path (RFC 9110 section 15.5.6): the router names those of one route."""
    matching = [
        route
        for route in request.app.router.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE
    ]
    # A written path is the resource itself, also where a pattern (`/contacts/{address}`) would take it too.
    literal = [route for route in matching if not route.param_convertors]
    methods = {method for route in literal or matching for method in route.methods or ()}
    return {**(problem.headers or {}), "Allow": ", ".join(sorted(methods))}
