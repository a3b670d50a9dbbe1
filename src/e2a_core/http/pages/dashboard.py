"""All pages, with the files they need."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from e2a_core.core import Core
from e2a_core.errors import E2AError
from e2a_core.http.pages import (
    activity,
    agents,
    command_line,
    compose,
    contacts,
    control,
    domains,
    keys,
    mail,
    message,
    metrics,
    people,
    protection,
    review,
    reviews,
    settings,
    suppressions,
    templates,
    ways,
    webhooks,
)
from e2a_core.http.pages.assets import asset_routes
from e2a_core.http.pages.at_issuer import AtIssuer
from e2a_core.http.pages.guards import cookie_of
from e2a_core.http.pages.home import FirstLook
from e2a_core.http.pages.plain import front_page
from e2a_core.http.pages.routes import Page, PeopleEngine, routes_of, unavailable
from e2a_core.http.pages.sign_in import SignIn, sign_in_page
from e2a_core.observer import Observer, Unobserved
from e2a_core.people.sessions import find_session

__all__ = ["PAGES", "page_routes"]

PAGES: tuple[Page, ...] = (
    *reviews.PAGES,
    *review.PAGES,
    *mail.PAGES,
    *message.PAGES,
    *compose.PAGES,
    *agents.PAGES,
    *protection.PAGES,
    *keys.PAGES,
    *domains.PAGES,
    *webhooks.PAGES,
    *contacts.PAGES,
    *suppressions.PAGES,
    *templates.PAGES,
    *metrics.PAGES,
    *activity.PAGES,
    *settings.PAGES,
    *control.PAGES,
    *command_line.PAGES,
    *people.PAGES,
    *ways.PAGES,
)


def page_routes(
    engine: PeopleEngine,
    core: Core,
    hosts: Mapping[str, str] | None = None,
    observer: Observer | None = None,
) -> list[Route]:
    """`hosts` are the links that set up an MCP host, by its name."""
    first_look = FirstLook(engine.addresses, hosts or {})
    sign_in = SignIn(engine, core, observer or Unobserved())
    at_issuer = AtIssuer(core, sign_in)
    pages = (*first_look.pages(), *PAGES, *at_issuer.pages())
    [overview] = routes_of([Page("GET", "/", first_look.overview)], engine, core)

    async def front(request: Request) -> Response:
        """The overview for people, a way in for strangers, and what this is for programs."""
        if "text/html" not in request.headers.get("accept", "").lower():
            return await front_page(request)
        request.scope["e2a.operation"] = "page"
        token = cookie_of(request, core)
        response: Response
        try:
            known = token and await find_session(core, token)
            response = await overview.endpoint(request) if known else sign_in_page(core, 200, "/")
        except E2AError as problem:
            response = unavailable(problem)
        response.headers["Vary"] = "Accept"
        return response

    return [
        Route("/", front, methods=["GET"]),
        *routes_of(pages, engine, core),
        *sign_in.routes(),
        *at_issuer.routes(),
        *asset_routes(),
    ]
