"""Domains: the records to publish, whether each was found, and what that lets agents do."""

from __future__ import annotations

from starlette.responses import Response

from e2a_core.contract.domains import DNSRecord, DomainView, RegisterDomainRequest
from e2a_core.errors import E2AError
from e2a_core.http.pages.agents import require_name
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Fact, Field, Form, Item, Note, Section, Tag, address, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import count_words

__all__ = ["PAGES"]

ON_A_PAGE = 50
ADVICE = frozenset({"inbound_mx_wildcard", "spf", "dmarc"})
"""Records that are good to have and that nothing waits for, so that they are not looked up."""


async def domains(visit: Visit, problem: E2AError | None = None) -> Response:
    cursor = visit.asked("cursor") or None
    page = await visit.session.domains.list(cursor=cursor, limit=ON_A_PAGE)
    listed = Section(
        items=[_item(domain) for domain in page.items],
        empty=("No domain of your own yet", "Agents use the shared domain until you add one."),
        more="/domains",
        cursor=page.next_cursor,
        first=cursor is None,
    )
    field = Field(
        "domain",
        "Domain",
        visit.form.text("domain"),
        hint="Such as agents.example.com.",
        required=True,
        most=253,
    )
    new = [Section("Add a domain", forms=[Form("/domains", "Add it", [field])])] if visit.owner else []
    return await sheet(visit, "Domains", listed, *new, at="domains", problem=problem)


async def add(visit: Visit) -> Response:
    given = {"domain": visit.form.text("domain").strip()}
    try:
        made = await visit.session.domains.register(read(visit, RegisterDomainRequest, given))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await domains(visit, problem)
    return visit.go(address("domains", made.domain), said="made")


async def one(visit: Visit, problem: E2AError | None = None) -> Response:
    view = await visit.session.domains.get(_domain(visit))
    path = address("domains", view.domain)
    facts = [
        Fact("State", "", _state(view)),
        Fact("Receives", view.capabilities.inbound),
        Fact("Sends", view.capabilities.outbound),
        Fact("Inboxes", str(view.agent_count)),
    ]
    if view.last_checked_at:
        facts.append(Fact("Looked up", at=view.last_checked_at))
    key = Form(f"{path}/rotate-key", "Make a new DKIM key", small=True)
    remove = Form(
        f"{path}/delete",
        "Delete the domain",
        [Field("name", f"Write {view.domain} to go on", required=True, most=253)],
        danger=True,
        intro="It can be added again. This is refused while there are inboxes under it, trashed ones too.",
    )
    return await sheet(
        visit,
        view.domain,
        Section(facts=facts),
        _records(view),
        Section(forms=[Form(f"{path}/verify", "Look them up now", small=True), key]),
        *([Section("Delete it", forms=[remove])] if visit.owner else []),
        at="domains",
        crumbs=[("Domains", "/domains")],
        notes=_notes(view),
        problem=problem,
    )


def _records(view: DomainView) -> Section:
    rows = [
        (
            item.purpose.replace("_", " "),
            item.type,
            item.name,
            item.value,
            "" if item.priority is None else str(item.priority),
            "recommended" if item.purpose in ADVICE else item.status,
        )
        for item in view.dns_records
    ]
    names = ("For", "Type", "Name", "Value", "Priority", "State")
    return Section("Records to publish", "Copy each to your DNS as it stands.", records=rows, names=names)


async def verify(visit: Visit) -> Response:
    await visit.session.domains.verify(_domain(visit))
    return visit.go(address("domains", _domain(visit)), said="looked-up")


async def rotate(visit: Visit) -> Response:
    await visit.session.domains.rotate_key(_domain(visit))
    return visit.go(address("domains", _domain(visit)), said="made")


async def delete(visit: Visit) -> Response:
    try:
        require_name(visit, _domain(visit))
        await visit.session.domains.delete(_domain(visit))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await one(visit, problem)
    return visit.go("/domains", said="deleted")


def _item(view: DomainView) -> Item:
    missing = [record.purpose.replace("_", " ") for record in _missing(view)]
    why = "" if view.verified or not missing else f"Not found yet: {', '.join(dict.fromkeys(missing))}."
    return Item(
        view.domain,
        address("domains", view.domain),
        what=count_words(view.agent_count, "inbox", "inboxes"),
        why=why,
        tags=[_state(view)],
        at=view.created_at,
    )


def _state(view: DomainView) -> Tag:
    return Tag("verified", "good") if view.verified else Tag("not verified", "warn")


def _notes(view: DomainView) -> list[Note]:
    notes = []
    missing = [f"{record.type} {record.name}" for record in _missing(view)]
    if missing:
        notes.append(Note(f"{count_words(len(missing), 'record')} not found yet:", ", ".join(missing)))
    if view.sending_error:
        notes.append(Note("Sending:", view.sending_error, "bad"))
    return notes


def _missing(view: DomainView) -> list[DNSRecord]:
    return [item for item in view.dns_records if item.status != "verified" and item.purpose not in ADVICE]


def _domain(visit: Visit) -> str:
    return str(visit.request.path_params["domain"])


_ONE = "/domains/{domain}"
PAGES = (
    Page("GET", "/domains", domains),
    Page("POST", "/domains", add),
    Page("GET", _ONE, one),
    Page("POST", f"{_ONE}/verify", verify),
    Page("POST", f"{_ONE}/rotate-key", rotate),
    Page("POST", f"{_ONE}/delete", delete),
)
