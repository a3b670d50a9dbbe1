"""The pattern of most pages: a heading, notes, and sections of facts, sentences, records and forms.

A handler says what is there; `sheet.html` says how it looks. Every text is shown as one line in which nothing hides,
and `Form`s only to who may send them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from e2a_core.contract.principal import Role
from e2a_core.errors import E2AError
from e2a_core.http.binding import refused
from e2a_core.http.pages.visit import Visit

__all__ = ["Fact", "Field", "Form", "Item", "Note", "Section", "Tab", "Tag", "address", "read", "sheet"]

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Tag:
    """A word in a mark. `kind` is good, warn or bad where something is verified, wants attention or is refused."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form. `kind` is that of the input, or `area`, `choice`, `check` (`on` or not), `hidden`.

    Of a `file`, `most` is the octets that all chosen files may have together.
    """

    name: str
    label: str = ""
    value: str = ""
    kind: str = "text"
    hint: str = ""
    choices: Sequence[tuple[str, str]] = ()
    required: bool = False
    most: int = 1000
    complete: str = "off"
    on: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form that posts to `action`, for whom `role` lets. `small` is a lone button in a line."""

    action: str
    button: str
    fields: Sequence[Field] = ()
    danger: bool = False
    small: bool = False
    role: Role = "owner"
    cancel: str = ""
    also: Sequence[tuple[str, str]] = ()
    """More buttons: the value of `do` and what stands on it."""
    intro: str = ""

    @property
    def files(self) -> bool:
        return any(field.kind == "file" for field in self.fields)


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a list: a sentence, what it is about, why; the time at the right edge."""

    title: str
    path: str = ""
    what: str = ""
    why: str = ""
    tags: Sequence[Tag] = ()
    at: datetime | None = None
    due: datetime | None = None
    strong: bool = True
    forms: Sequence[Form] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of a head. `code` is for what is copied."""

    name: str
    value: str = ""
    tag: Tag | None = None
    path: str = ""
    at: datetime | None = None
    code: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    strong: str
    text: str = ""
    kind: str = "warn"
    path: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Tab:
    title: str
    path: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a page; what it does not have is not shown. `secret` is shown once, to be copied."""

    title: str = ""
    lead: str = ""
    facts: Sequence[Fact] = ()
    items: Sequence[Item] | None = None
    records: Sequence[Sequence[str]] = ()
    names: Sequence[str] = ()
    text: str = ""
    secret: str = ""
    forms: Sequence[Form] = ()
    empty: tuple[str, str] = ("Nothing here yet", "")
    more: str = ""
    cursor: str | None = None
    first: bool = True
    plot: object = None


async def sheet(
    visit: Visit,
    title: str,
    *sections: Section,
    at: str = "",
    lead: str = "",
    crumbs: Sequence[tuple[str, str]] = (),
    tabs: Sequence[Tab] = (),
    notes: Sequence[Note] = (),
    search: Field | None = None,
    actions: Sequence[tuple[str, str]] = (),
    problem: E2AError | None = None,
) -> Response:
    """The page. `actions` are links that look like buttons; `problem` is why a form was not accepted."""
    return await visit.page(
        "sheet.html",
        title=title,
        at=at,
        status=problem.status if problem else 200,
        lead=lead,
        crumbs=crumbs,
        tabs=tabs,
        notes=notes,
        sections=sections,
        search=search,
        actions=actions,
        problem=problem,
    )


def address(*parts: str, **asked: str | None) -> str:
    """A path of these segments, escaped, with the values that are not empty behind it."""
    path = "".join(f"/{quote(part, safe='@')}" for part in parts)
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{path}?{query}" if query else path


def read(visit: Visit, model: type[Model], given: Mapping[str, Any]) -> Model:
    """The request that a form makes. Raises `InvalidRequest` with all that is wrong."""
    try:
        return model.model_validate(given, context={"now": visit.now})
    except ValidationError as problem:
        raise refused(
            [{**item, "loc": ("body", *item["loc"])} for item in problem.errors(include_url=False)]
        ) from None
