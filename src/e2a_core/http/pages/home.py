"""First look: what runs, how the last days went, and what to do next."""

from __future__ import annotations

from starlette.responses import Response

from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.visit import Visit

__all__ = ["PAGES", "overview"]


async def overview(visit: Visit) -> Response:
    agents = await visit.session.agents.list(limit=20)
    return await visit.page("home.html", title="Overview", at="home", agents=agents.items)


PAGES: tuple[Page, ...] = ()
