"""Control of the account: for now its pause."""

from __future__ import annotations

from starlette.responses import Response

from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.visit import Visit

__all__ = ["PAGES"]


async def ask_pause(visit: Visit) -> Response:
    return await visit.page("pause.html", title="Pause all sending")


async def pause(visit: Visit) -> Response:
    await visit.session.account.pause()
    return visit.go("/", said="paused")


async def resume(visit: Visit) -> Response:
    await visit.session.account.resume()
    return visit.go("/", said="resumed")


PAGES = (Page("GET", "/pause", ask_pause), Page("POST", "/pause", pause), Page("POST", "/resume", resume))
