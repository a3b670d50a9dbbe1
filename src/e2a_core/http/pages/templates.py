"""Templates of mail, with what they look like filled in."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from e2a_core.contract.templates import (
    CreateTemplateRequest,
    TemplateView,
    UpdateTemplateRequest,
    ValidateTemplateRequest,
    ValidateTemplateResponse,
)
from e2a_core.errors import E2AError, InvalidRequest
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Fact, Field, Form, Item, Note, Section, address, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import cut

__all__ = ["PAGES"]

ON_A_PAGE = 40
PART_OCTETS = 12_000
"""Of a part that a form shows; a longer one is changed by the API."""
FORM_OCTETS = 256 * 1024


async def templates(visit: Visit) -> Response:
    cursor = visit.asked("cursor") or None
    page = await visit.session.templates.list(cursor=cursor, limit=ON_A_PAGE)
    starters = (await visit.session.templates.list_starters(limit=ON_A_PAGE)).items if cursor is None else []
    own = Section(
        items=[
            Item(item.name, address("templates", item.id), item.subject, item.alias or "", at=item.updated_at)
            for item in page.items
        ],
        empty=("No template yet", "Write one, or begin with one of those below."),
        more="/templates",
        cursor=page.next_cursor,
        first=cursor is None,
    )
    ready = [
        Item(
            item.name,
            "",
            item.subject,
            item.description,
            forms=[
                Form(
                    "/templates/copy",
                    "Begin with it",
                    [Field("starter", value=item.alias, kind="hidden")],
                    small=True,
                )
            ],
        )
        for item in starters
    ]
    return await sheet(
        visit,
        "Templates",
        own,
        *([Section("Ready to copy", items=ready)] if ready else []),
        at="templates",
        actions=[("Write a template", "/templates/new")],
    )


async def ask_new(
    visit: Visit, problem: E2AError | None = None, tried: ValidateTemplateResponse | None = None
) -> Response:
    fields = _fields(visit, {})
    form = Form(
        "/templates/new", "Save", fields, also=[("preview", "Show it filled in")], cancel="/templates"
    )
    sections = [*_preview(tried), Section(forms=[form] if visit.owner else [])]
    return await sheet(
        visit,
        "Write a template",
        *sections,
        at="templates",
        crumbs=[("Templates", "/templates")],
        problem=problem,
    )


async def make(visit: Visit) -> Response:
    try:
        if visit.form.text("do") == "preview":
            return await ask_new(visit, tried=await _tried(visit))
        given = {name: value for name, value in _given(visit).items() if value}
        made = await visit.session.templates.create(read(visit, CreateTemplateRequest, given))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await ask_new(visit, problem)
    return visit.go(address("templates", made.id), said="saved")


async def copy(visit: Visit) -> Response:
    made = await visit.session.templates.create(
        CreateTemplateRequest(from_starter=visit.form.text("starter"))
    )
    return visit.go(address("templates", made.id), said="made")


async def one(
    visit: Visit, problem: E2AError | None = None, tried: ValidateTemplateResponse | None = None
) -> Response:
    view = await visit.session.templates.get(_id(visit))
    path = address("templates", view.id)
    parts = {
        "name": view.name,
        "alias": view.alias or "",
        "subject": view.subject,
        "text": view.text,
        "html": view.html or "",
    }
    fits = all(cut(part, PART_OCTETS)[1] for part in (view.text, view.html or ""))
    form = Form(path, "Save", _fields(visit, parts, tried), also=[("preview", "Show it filled in")])
    change = [Section("Change it", forms=[form])] if fits and visit.owner else []
    return await sheet(
        visit,
        view.name,
        *(_preview(tried) or _as_written(view)),
        *change,
        Section(forms=[Form(f"{path}/delete", "Delete it", small=True, danger=True)]),
        at="templates",
        crumbs=[("Templates", "/templates")],
        notes=[] if fits else [Note("It is too long to be changed here.", "Change it by the API.", "")],
        problem=problem,
    )


async def change(visit: Visit) -> Response:
    try:
        if visit.form.text("do") == "preview":
            return await one(visit, tried=await _tried(visit))
        await visit.session.templates.update(_id(visit), read(visit, UpdateTemplateRequest, _given(visit)))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await one(visit, problem)
    return visit.go(address("templates", _id(visit)), said="saved")


async def delete(visit: Visit) -> Response:
    await visit.session.templates.delete(_id(visit))
    return visit.go("/templates", said="deleted")


def _given(visit: Visit) -> dict[str, str]:
    return {name: visit.form.text(name) for name in ("name", "alias", "subject", "text", "html")}


async def _tried(visit: Visit) -> ValidateTemplateResponse:
    """The parts of the form, filled in with the data that the form has, or with made-up data."""
    text = visit.form.text("data").strip()
    data: Any = None
    if text:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise InvalidRequest("the data is no JSON", location="data") from None
    parts = {name: visit.form.text(name) or None for name in ("subject", "text", "html")}
    request = read(visit, ValidateTemplateRequest, {**parts, "test_data": data})
    found = await visit.session.templates.validate(request)
    if data is None and found.suggested_data:
        filled = request.model_copy(update={"test_data": found.suggested_data})
        return await visit.session.templates.validate(filled)
    return found


def _fields(
    visit: Visit, parts: dict[str, str], tried: ValidateTemplateResponse | None = None
) -> list[Field]:
    def value(name: str) -> str:
        return cut(visit.form.text(name) if name in visit.form else parts.get(name, ""), PART_OCTETS)[0]

    suggested = json.dumps(tried.suggested_data, ensure_ascii=False) if tried and tried.suggested_data else ""
    return [
        Field("name", "Name", value("name"), required=True, most=200),
        Field("alias", "Short name for programs", value("alias"), most=100),
        Field("subject", "Subject", value("subject"), required=True, most=2000),
        Field("text", "Text", value("text"), "area", "{{name}} is filled in."),
        Field("html", "HTML", value("html"), "area", "{{name}} is escaped, {{{name}}} is put in as it is."),
        Field(
            "data",
            "Data to show it with",
            value("data") or suggested,
            "area",
            "A JSON object; it is not saved.",
        ),
    ]


def _preview(tried: ValidateTemplateResponse | None) -> list[Section]:
    if tried is None:
        return []
    wrong = [Item(f"{item.part}: {item.message}", strong=False) for item in tried.errors[:20]]
    if wrong:
        return [Section("What is wrong with it", items=wrong)]
    if tried.rendered is None:
        return []
    shown = tried.rendered
    sections = [
        Section("Filled in", facts=[Fact("Subject", shown.subject)], text=cut(shown.text, PART_OCTETS)[0])
    ]
    if shown.html:
        sections.append(Section("Its HTML, as it is written", text=cut(shown.html, PART_OCTETS // 2)[0]))
    return sections


def _as_written(view: TemplateView) -> list[Section]:
    """What is there; it is filled in when somebody asks, since a page that is looked at does nothing."""
    facts = [Fact("Subject", view.subject), Fact("Changed", at=view.updated_at)]
    if view.alias:
        facts.append(Fact("Short name", view.alias, code=True))
    return [Section("As it is written", facts=facts, text=cut(view.text, PART_OCTETS)[0])]


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["template_id"])


_ONE = "/templates/{template_id}"
PAGES = (
    Page("GET", "/templates", templates),
    Page("GET", "/templates/new", ask_new),
    Page("POST", "/templates/new", make, FORM_OCTETS),
    Page("POST", "/templates/copy", copy),
    Page("GET", _ONE, one),
    Page("POST", _ONE, change, FORM_OCTETS),
    Page("POST", f"{_ONE}/delete", delete),
)
