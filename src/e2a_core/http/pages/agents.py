"""Agents: their inboxes, names, pauses, trash, and the people who delegate to them."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from e2a_core.contract.agents import (
    AgentView,
    CreateAgentRequest,
    CreateDelegationRequest,
    DelegationView,
    UpdateAgentRequest,
)
from e2a_core.errors import E2AError, InvalidRequest
from e2a_core.http.pages.protection_words import in_words
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Fact, Field, Form, Item, Note, Section, Tab, Tag, address, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import full_time

__all__ = ["PAGES", "require_name"]

ON_A_PAGE = 50


async def agents(visit: Visit, problem: E2AError | None = None) -> Response:
    cursor = visit.asked("cursor") or None
    trash = visit.asked("show") == "trash"
    page = await visit.session.agents.list(deleted=trash, cursor=cursor, limit=ON_A_PAGE)
    listed = Section(
        items=[_item(agent, trash) for agent in page.items],
        empty=("The trash is empty", "")
        if trash
        else ("No inbox yet", "Make one below; it receives mail at once."),
        more=address("agents", show="trash" if trash else ""),
        cursor=page.next_cursor,
        first=cursor is None,
    )
    return await sheet(
        visit,
        "Agents",
        listed,
        *([Section("A new inbox", forms=[_new(visit)])] if visit.owner and not trash else []),
        at="agents",
        tabs=[Tab("In use", "/agents", not trash), Tab("Trash", "/agents?show=trash", trash)],
        problem=problem,
    )


def _item(agent: AgentView, trash: bool) -> Item:
    return Item(
        agent.email,
        "" if trash else address("agents", agent.email),
        what=agent.name if agent.name != agent.email else "",
        tags=[Tag("paused", "warn")] if agent.sending_paused else [],
        at=agent.deleted_at or agent.created_at,
        forms=_trashed(agent) if trash else [],
    )


def _new(visit: Visit) -> Form:
    hint = (
        "An address, or a name on the shared domain."
        if visit.core.settings.shared_domain
        else "An address on a verified domain."
    )
    return Form(
        "/agents",
        "Make an inbox",
        [
            Field("email", "Address", visit.form.text("email"), hint=hint, required=True, most=320),
            Field("name", "Name that recipients see", visit.form.text("name"), most=200),
        ],
    )


async def make(visit: Visit) -> Response:
    given = {"email": visit.form.text("email").strip(), "name": visit.form.text("name").strip() or None}
    try:
        agent = await visit.session.agents.create(read(visit, CreateAgentRequest, given))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await agents(visit, problem)
    return visit.go(address("agents", agent.email), said="made")


async def one(visit: Visit, problem: E2AError | None = None) -> Response:
    agent = await visit.session.agents.get(_email(visit))
    path = address("agents", agent.email)
    protection = in_words(await visit.session.protection.get(agent.email))
    people = await visit.session.agents.delegations(agent.email)
    facts = [
        Fact("Address", agent.email, code=True),
        Fact("Name", agent.name or "none"),
        Fact("Made", at=agent.created_at),
        Fact(
            "Domain",
            agent.domain,
            Tag("verified", "good") if agent.domain_verified else Tag("not verified", "warn"),
        ),
        Fact("Protection", protection[0][1], path=address("protection", agent.email)),
    ]
    return await sheet(
        visit,
        agent.email,
        Section(facts=facts),
        Section(forms=_lone_forms(path, agent)),
        Section(
            "Name that recipients see",
            forms=[Form(path, "Save", [Field("name", "Name", agent.name, most=200)])] if visit.owner else [],
        ),
        _delegations(visit, path, people.items),
        at="agents",
        crumbs=[("Agents", "/agents")],
        notes=_paused(agent),
        actions=[
            ("Its mail", address("mail", agent.email)),
            ("Its protection", address("protection", agent.email)),
            ("Delete it", f"{path}/delete"),
        ],
        problem=problem,
    )


def _delegations(visit: Visit, path: str, people: Sequence[DelegationView]) -> Section:
    until = visit.form.text("valid_until")
    fields = [
        Field("human", "Address of a person", visit.form.text("human"), "email", required=True, most=320),
        Field("valid_until", "Until", until, hint="Empty is until you end it. Or 30d, 2027-01-31.", most=64),
    ]
    return Section(
        "People who delegate to it",
        "Mail that is proven to be from them carries their word.",
        items=[_delegation(path, item) for item in people],
        empty=("Nobody yet", "Such a person can ask the agent for what it does for nobody else."),
        forms=[Form(f"{path}/delegations", "Add", fields)],
    )


async def rename(visit: Visit) -> Response:
    request = read(visit, UpdateAgentRequest, {"name": visit.form.text("name").strip()})
    await visit.session.agents.update(_email(visit), request)
    return visit.go(address("agents", _email(visit)), said="saved")


async def pause(visit: Visit) -> Response:
    await visit.session.agents.pause(_email(visit))
    return visit.go(address("agents", _email(visit)), said="agent-paused")


async def resume(visit: Visit) -> Response:
    await visit.session.agents.resume(_email(visit))
    return visit.go(address("agents", _email(visit)), said="agent-resumed")


async def ask_delete(visit: Visit, problem: E2AError | None = None) -> Response:
    agent = await visit.session.agents.get(_email(visit))
    path = address("agents", agent.email)
    form = Form(
        f"{path}/delete",
        "Move it to the trash",
        [Field("name", f"Write {agent.email} to go on", required=True, most=320)],
        danger=True,
        cancel=path,
    )
    return await sheet(
        visit,
        f"Move {agent.email} to the trash?",
        Section(forms=[form]),
        at="agents",
        crumbs=[("Agents", "/agents"), (agent.email, path)],
        lead="Its mail goes along, mail to it bounces and its keys stop. For about 30 days you can take it out again.",
        problem=problem,
    )


async def delete(visit: Visit) -> Response:
    agent = await visit.session.agents.get(_email(visit))
    try:
        require_name(visit, agent.email)
    except E2AError as problem:
        return await ask_delete(visit, problem)
    await visit.session.agents.delete(agent.email)
    return visit.go("/agents", said="trashed", show="trash")


async def restore(visit: Visit) -> Response:
    await visit.session.agents.restore(_email(visit))
    return visit.go(address("agents", _email(visit)), said="restored")


async def erase(visit: Visit) -> Response:
    require_name(visit, _email(visit))
    await visit.session.agents.delete(_email(visit), permanent=True)
    return visit.go("/agents", said="erased", show="trash")


async def delegate(visit: Visit) -> Response:
    until = visit.form.text("valid_until").strip() or None
    given = {"human": visit.form.text("human").strip(), "valid_until": until}
    try:
        await visit.session.agents.delegate(_email(visit), read(visit, CreateDelegationRequest, given))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await one(visit, problem)
    return visit.go(address("agents", _email(visit)), said="saved")


async def end_delegation(visit: Visit) -> Response:
    await visit.session.agents.revoke_delegation(_email(visit), visit.form.text("id"))
    return visit.go(address("agents", _email(visit)), said="revoked")


def require_name(visit: Visit, name: str) -> None:
    """Raises `InvalidRequest` unless the form repeats `name`, so that nothing is deleted by a slip."""
    if visit.form.text("name").strip().lower() != name.lower():
        raise InvalidRequest(f"the name is not {name}", location="name")


def _lone_forms(path: str, agent: AgentView) -> list[Form]:
    turn = (
        Form(f"{path}/resume", "Resume its sending", small=True)
        if agent.sending_paused == "agent"
        else Form(f"{path}/pause", "Pause its sending", small=True, danger=True)
    )
    return [turn]


def _trashed(agent: AgentView) -> list[Form]:
    path = address("agents", agent.email)
    name = Field("name", f"Write {agent.email} to delete it for good", required=True, most=320)
    return [
        Form(f"{path}/restore", "Take out of the trash", small=True),
        Form(f"{path}/erase", "Delete for good", [name], small=True, danger=True),
    ]


def _paused(agent: AgentView) -> list[Note]:
    if agent.sending_paused != "agent":
        return []
    since = f" since {full_time(agent.sending_paused_at)}" if agent.sending_paused_at else ""
    return [Note("This agent is paused", f"{since.strip()}. What it sends is refused, and what waits stays.")]


def _delegation(path: str, item: DelegationView) -> Item:
    until = f"until {full_time(item.valid_until)}" if item.valid_until else "until you end it"
    end = Form(
        f"{path}/delegations/end",
        "End it",
        [Field("id", value=item.id, kind="hidden")],
        small=True,
        danger=True,
    )
    return Item(item.human, what=until, at=item.created_at, forms=[end])


def _email(visit: Visit) -> str:
    return str(visit.request.path_params["email"])


_ONE = "/agents/{email}"
PAGES = (
    Page("GET", "/agents", agents),
    Page("POST", "/agents", make),
    Page("GET", _ONE, one),
    Page("POST", _ONE, rename),
    Page("POST", f"{_ONE}/pause", pause),
    Page("POST", f"{_ONE}/resume", resume),
    Page("GET", f"{_ONE}/delete", ask_delete),
    Page("POST", f"{_ONE}/delete", delete),
    Page("POST", f"{_ONE}/restore", restore),
    Page("POST", f"{_ONE}/erase", erase),
    Page("POST", f"{_ONE}/delegations", delegate),
    Page("POST", f"{_ONE}/delegations/end", end_delegation),
)
