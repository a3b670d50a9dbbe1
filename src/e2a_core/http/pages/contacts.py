"""Contacts: the people whom agents write to."""

from __future__ import annotations

import re

from starlette.responses import Response

from e2a_core.contract.contacts import (
    ContactQuery,
    ContactView,
    CreateContactRequest,
    ImportContactsRequest,
    UpdateContactRequest,
)
from e2a_core.errors import E2AError
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Fact, Field, Form, Item, Note, Section, address, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import count_words

__all__ = ["PAGES"]

ON_A_PAGE = 50
MAX_PROBLEMS_SHOWN = 20
IMPORT_OCTETS = 256 * 1024
"""A form with the greatest number of lines that one import takes."""
_LINE = re.compile(r"^\s*([^,;\t<>\s]+@[^,;\t<>\s]+)\s*[,;\t]?\s*(.*?)\s*$")


async def contacts(visit: Visit, problem: E2AError | None = None) -> Response:
    cursor, batch = visit.asked("cursor") or None, visit.asked("batch")
    query = {"cursor": cursor, "import_batch_id": batch or None, "limit": ON_A_PAGE}
    page = await visit.session.contacts.list(read(visit, ContactQuery, query))
    listed = Section(
        items=[_item(item) for item in page.items],
        empty=("No contacts yet", "Add the people whom agents write to; an agent can do so too."),
        more=address("contacts", batch=batch),
        cursor=page.next_cursor,
        first=cursor is None,
    )
    undo = Form(
        "/contacts/undo",
        "Take this import back",
        [Field("batch", value=batch, kind="hidden")],
        small=True,
        danger=True,
    )
    return await sheet(
        visit,
        "Contacts",
        *([Section(forms=[undo])] if batch else []),
        listed,
        *([Section("Add contacts", forms=_new(visit))] if visit.owner else []),
        at="contacts",
        notes=[Note("Only those of one import.", "", "", "/contacts", "Show all")] if batch else [],
        problem=problem,
    )


def _new(visit: Visit) -> list[Form]:
    one = [
        Field("address", "Address", visit.form.text("address"), "email", required=True, most=320),
        Field("name", "Name", visit.form.text("name"), most=320),
    ]
    hint = "One to a line: the address, a comma, the name. It is no consent to be written to."
    many = [Field("lines", "Several at once", "", "area", hint)]
    return [Form("/contacts", "Add", one), Form("/contacts/import", "Add them", many)]


async def add(visit: Visit) -> Response:
    given = {
        "address": visit.form.text("address").strip(),
        "display_name": visit.form.text("name").strip() or None,
    }
    try:
        await visit.session.contacts.create(read(visit, CreateContactRequest, given))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await contacts(visit, problem)
    return visit.go("/contacts", said="saved")


async def add_many(visit: Visit) -> Response:
    """Says of each line that was not taken why."""
    lines = [line for line in visit.form.text("lines").split("\n") if line.strip()]
    rows = [_row(line) for line in lines]
    try:
        result = await visit.session.contacts.import_rows(
            read(visit, ImportContactsRequest, {"contacts": rows})
        )
    except E2AError as problem:
        if not visit.owner:
            raise
        return await contacts(visit, problem)
    failed = [item for item in result.results if item.status == "failed"]
    items = [
        Item(lines[item.index].strip(), what=item.message or "", strong=False)
        for item in failed[:MAX_PROBLEMS_SHOWN]
    ]
    facts = [
        Fact("Added", str(result.created)),
        Fact("Changed", str(result.updated)),
        Fact("As before", str(result.skipped)),
        Fact("Not taken", str(result.failed)),
    ]
    undo = ("Look at them, or take them back", address("contacts", batch=result.batch_id))
    return await sheet(
        visit,
        f"{count_words(result.created, 'contact')} added",
        Section(facts=facts),
        *([Section("Lines that were not taken", items=items)] if items else []),
        at="contacts",
        crumbs=[("Contacts", "/contacts")],
        actions=[undo],
    )


async def undo(visit: Visit) -> Response:
    await visit.session.contacts.delete_import(visit.form.text("batch"))
    return visit.go("/contacts", said="deleted")


async def one(visit: Visit) -> Response:
    view = await visit.session.contacts.get(visit.asked("address"))
    facts = [
        Fact("Address", view.address, code=True),
        Fact("Came by", view.source),
        Fact("Since", at=view.created_at),
    ]
    facts += [Fact(name, str(value)) for name, value in [*view.metadata.items()][:30]]
    whom = Field("address", value=view.address, kind="hidden")
    rename = Form("/contacts/rename", "Save", [whom, Field("name", "Name", view.display_name, most=320)])
    remove = Form("/contacts/delete", "Delete the contact", [whom], small=True, danger=True)
    return await sheet(
        visit,
        view.display_name or view.address,
        Section(facts=facts),
        *([Section("Change it", forms=[rename]), Section(forms=[remove])] if visit.owner else []),
        at="contacts",
        crumbs=[("Contacts", "/contacts")],
    )


async def rename(visit: Visit) -> Response:
    whom = visit.form.text("address")
    request = read(visit, UpdateContactRequest, {"display_name": visit.form.text("name").strip()})
    await visit.session.contacts.update(whom, request)
    return visit.go("/contacts/one", said="saved", address=whom)


async def delete(visit: Visit) -> Response:
    await visit.session.contacts.delete(visit.form.text("address"))
    return visit.go("/contacts", said="deleted")


def _row(line: str) -> dict[str, str | None]:
    """`ann@example.org, Ann Keller`; what is no such line is left for the import to refuse."""
    found = _LINE.match(line)
    if found is None:
        return {"address": line.strip()[:400]}
    return {"address": found[1], "display_name": found[2].strip('" ') or None}


def _item(view: ContactView) -> Item:
    path = address("contacts", "one", address=view.address)
    return Item(
        view.display_name or view.address, path, view.address if view.display_name else "", at=view.created_at
    )


PAGES = (
    Page("GET", "/contacts", contacts),
    Page("POST", "/contacts", add),
    Page("POST", "/contacts/import", add_many, IMPORT_OCTETS),
    Page("POST", "/contacts/undo", undo),
    Page("GET", "/contacts/one", one),
    Page("POST", "/contacts/rename", rename),
    Page("POST", "/contacts/delete", delete),
)
