"""Addresses that nothing is sent to: of the whole account, and of one agent."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from e2a_core.contract.agents import AgentView
from e2a_core.contract.suppressions import (
    AgentSuppressionView,
    CreateAgentSuppressionRequest,
    SuppressionView,
)
from e2a_core.errors import E2AError
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Field, Form, Item, Section, Tab, address, read, sheet
from e2a_core.http.pages.visit import Visit

__all__ = ["PAGES"]

ON_A_PAGE = 50
AGENTS_OFFERED = 20
_SOURCES = {
    "bounce": "its mail server refused mail for good",
    "complaint": "its reader complained of mail",
    "unsubscribe": "its reader unsubscribed",
    "manual": "somebody put it here",
}


async def suppressions(visit: Visit, problem: E2AError | None = None) -> Response:
    cursor, email = visit.asked("cursor") or None, visit.asked("agent")
    agents = (await visit.session.agents.list(limit=AGENTS_OFFERED)).items
    found: list[SuppressionView | AgentSuppressionView]
    if email:
        own = await visit.session.suppressions.list_of_agent(email, cursor=cursor, limit=ON_A_PAGE)
        found, following = [*own.items], own.next_cursor
    else:
        page = await visit.session.suppressions.list(cursor=cursor, limit=ON_A_PAGE)
        found, following = [*page.items], page.next_cursor
    listed = Section(
        items=[_item(email, item) for item in found],
        empty=(
            "Nobody is suppressed",
            "An address that bounces, complains or unsubscribes is put here by itself.",
        ),
        more=address("suppressions", agent=email),
        cursor=following,
        first=cursor is None,
    )
    tabs = [Tab("The whole account", "/suppressions", not email)]
    tabs += [
        Tab(item.email, address("suppressions", agent=item.email), item.email == email) for item in agents
    ]
    return await sheet(
        visit,
        "Suppressions",
        listed,
        *([_new(visit, email, agents)] if agents and visit.owner else []),
        at="suppressions",
        lead="Nothing is sent to these addresses, whatever an agent asks for.",
        tabs=tabs,
        problem=problem,
    )


def _new(visit: Visit, email: str, agents: Sequence[AgentView]) -> Section:
    chosen, offered = visit.form.text("agent") or email, [(item.email, item.email) for item in agents]
    fields = [
        Field("agent", "Agent", chosen, "choice", choices=offered),
        Field("address", "Address", visit.form.text("address"), "email", required=True, most=320),
        Field("reason", "Why", visit.form.text("reason"), most=2000),
    ]
    form = Form("/suppressions", "Stop writing to it", fields)
    return Section("Stop an agent from writing to an address", forms=[form])


async def add(visit: Visit) -> Response:
    email, reason = visit.form.text("agent"), visit.form.text("reason").strip() or None
    given = {"address": visit.form.text("address").strip(), "reason": reason}
    try:
        request = read(visit, CreateAgentSuppressionRequest, given)
        await visit.session.suppressions.create_for_agent(email, request)
    except E2AError as problem:
        if not visit.owner:
            raise
        return await suppressions(visit, problem)
    return visit.go("/suppressions", said="saved", agent=email)


async def lift(visit: Visit) -> Response:
    email, whom = visit.form.text("agent"), visit.form.text("address")
    if email:
        await visit.session.suppressions.delete_of_agent(email, whom)
    else:
        await visit.session.suppressions.delete(whom)
    return visit.go("/suppressions", said="lifted", agent=email)


def _item(email: str, item: SuppressionView | AgentSuppressionView) -> Item:
    fields = [Field("address", value=item.address, kind="hidden"), Field("agent", value=email, kind="hidden")]
    why = _SOURCES.get(item.source, item.source)
    return Item(
        item.address,
        what=f"{why[:1].upper()}{why[1:]}.",
        why=item.reason or "",
        at=item.created_at,
        forms=[Form("/suppressions/lift", "Allow writing to it again", fields, small=True)],
    )


PAGES = (
    Page("GET", "/suppressions", suppressions),
    Page("POST", "/suppressions", add),
    Page("POST", "/suppressions/lift", lift),
)
