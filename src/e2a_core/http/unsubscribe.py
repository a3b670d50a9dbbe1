"""The page behind a List-Unsubscribe link: a person confirms, a mail client needs one click (RFC 8058)."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from e2a_core.core import Core
from e2a_core.errors import E2AError, RateLimited
from e2a_core.http.edge import Replay, read_body
from e2a_core.http.limits import UNSUBSCRIBE, RequestLimits, client_address
from e2a_core.http.pages.plain import PRIVATE_HEADERS, page
from e2a_core.submission.unsubscribe import UnsubscribeTarget, find_unsubscribe, unsubscribe

__all__ = ["unsubscribe_route"]

MAX_FORM_OCTETS = 1024
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
CONFIRMED = {"confirm": "unsubscribe"}


def unsubscribe_route(core: Core) -> Route:
    return Route("/u/{token:path}", _UnsubscribePage(core))


class _UnsubscribePage:
    """Answers every method itself: what is not allowed is told only to whom the link was sent."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except E2AError as problem:
            response = _plain(problem.status)
            if isinstance(problem, RateLimited):
                response.headers["Retry-After"] = str(problem.retry_after_seconds or 1)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        limits: RequestLimits = request.app.state.limits
        limits.spend(request, UNSUBSCRIBE, client_address(request))
        token = request.path_params["token"]
        target = await find_unsubscribe(self._core, token)
        if request.method in {"GET", "HEAD"}:
            return _question(target)
        if request.method != "POST":
            response = _plain(405)
            response.headers["Allow"] = "GET, HEAD, POST"
            return response
        given = await _form(request)
        if given not in (ONE_CLICK, CONFIRMED):
            return _plain(400)
        await unsubscribe(self._core, token)
        if given == ONE_CLICK:
            return Response(headers=PRIVATE_HEADERS)
        return page(200, "Unsubscribed", _outcome(target))


async def _form(request: Request) -> dict[str, str]:
    """The fields of the form, none when it is not one of at most a field."""
    body = await read_body(request, MAX_FORM_OCTETS + 1)
    try:
        async with Request(request.scope, Replay(body)).form(max_files=0, max_fields=1) as form:
            items = form.multi_items()
    except HTTPException:
        return {}
    return {key: value for key, value in items if isinstance(value, str)} if len(items) == 1 else {}


def _question(target: UnsubscribeTarget) -> Response:
    """Looking changes nothing: mail scanners follow every link."""
    return page(200, "Unsubscribe?", _outcome(target), template="unsubscribe.html")


def _outcome(target: UnsubscribeTarget) -> str:
    return f"{target.agent_email} will not write to you again."


def _plain(status: int) -> Response:
    return PlainTextResponse(f"{HTTPStatus(status).phrase}\n", status, PRIVATE_HEADERS)
