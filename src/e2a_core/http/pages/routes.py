"""The pages as routes. A page is a row: method, path and handler; who is not signed in is asked to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from e2a_core.contract.engine import Engine, Session
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import E2AError
from e2a_core.http.pages.guards import (
    FORM_OCTETS,
    cookie_of,
    read_form,
    require_own_site,
    require_proof,
)
from e2a_core.http.pages.visit import HEADERS, Visit, html
from e2a_core.people.sessions import find_session, person_principal, proof_of

__all__ = ["Handler", "Page", "PeopleEngine", "routes_of", "unavailable"]

Handler = Callable[[Visit], Awaitable[Response]]


class PeopleEngine(Engine, Protocol):
    """An engine that people who signed in can use."""

    def session_of(self, principal: Principal) -> Session: ...

    def addresses(self) -> Mapping[str, str]:
        """Where the home is served: `smtp`, `http` and `mcp`."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. A POST is read as a form of at most `octets`, which must be one of the session and may have `files`."""

    method: str
    path: str
    handler: Handler
    octets: int = FORM_OCTETS
    files: bool = False


def routes_of(pages: Sequence[Page], engine: PeopleEngine, core: Core) -> list[Route]:
    return [Route(page.path, _endpoint(page, engine, core), methods=[page.method]) for page in pages]


def _endpoint(page: Page, engine: PeopleEngine, core: Core) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        request.scope["e2a.operation"] = "page"
        try:
            return await answered(request)
        except E2AError as problem:
            # Also what a page within the frame cannot say, since the store that it needs does not answer.
            return unavailable(problem)

    async def answered(request: Request) -> Response:
        token = cookie_of(request, core)
        used = "hx-request" not in request.headers
        who = await find_session(core, token, used=used) if token else None
        if who is None:
            return _sign_in_first(request)
        session = engine.session_of(person_principal(who.person))
        visit = Visit(request, core, session, who, proof_of(token))
        try:
            if page.method == "POST":
                require_own_site(request, core.links.base_url)
                visit.form = await read_form(request, page.octets, files=page.files)
                require_proof(visit.form, visit.proof)
            return await page.handler(visit)
        except E2AError as problem:
            return await visit.page(
                "problem.html", title="This could not be done", status=problem.status, problem=problem
            )

    return endpoint


def unavailable(problem: E2AError) -> Response:
    """The page for what kept another from being made."""
    return html("unavailable.html", problem.status, title="This could not be done", problem=problem)


def _sign_in_first(request: Request) -> Response:
    """A page that is asked for comes after signing in; a form is lost, and nothing of it done."""
    if request.method == "POST":
        return html("signed_out.html", 401, title="You are signed out", person=None)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"/sign-in?{_next(path)}"
    if request.headers.get("hx-request"):
        # A part of a page would show the sign-in page in its place.
        return Response(status_code=401, headers={**HEADERS, "HX-Redirect": target})
    return RedirectResponse(target, 303, HEADERS)


def _next(path: str) -> str:
    from urllib.parse import urlencode

    return urlencode({"next": path})
