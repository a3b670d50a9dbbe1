"""A draft as its reviewer changes it, and what the changes are."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

from e2a_core.contract.message_views import MessageView
from e2a_core.errors import InvalidRequest
from e2a_core.http.pages.guards import Form
from e2a_core.visible import visible_text

__all__ = ["EDIT_OCTETS", "Change", "Edited", "changes", "edited"]

EDIT_OCTETS = 256 * 1024
"""A form with both bodies of a draft that fits into a page, as forms are written."""
MAX_COMPARED_LINES = 2000
CONTEXT_LINES = 2


@dataclass(frozen=True, slots=True)
class Edited:
    """What the reviewer gave, by the name of the member; only what differs from the draft is there."""

    members: dict[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> int:
        return sum(len(value) for value in self.members.values() if isinstance(value, str)) * 4


@dataclass(frozen=True, slots=True)
class Change:
    """A changed part: lines with `+`, `-` or a blank before them, or no lines for what is too long to compare."""

    name: str
    lines: list[tuple[str, str]]


def edited(form: Form, view: MessageView) -> Edited:
    """The members that the form changes. Raises `InvalidRequest` for a draft without text that had some."""
    body = view.body
    before: dict[str, Any] = {
        "subject": view.subject,
        "text": (body.text if body else "") or "",
        "html": (body.html if body else "") or "",
        "to": view.to,
        "cc": view.cc,
        "bcc": view.bcc or [],
    }
    members: dict[str, Any] = {}
    for name, old in before.items():
        if name not in form:
            continue
        given = form.text(name)
        new: Any = _addresses(given) if isinstance(old, list) else given
        if isinstance(old, str) and old.replace("\r\n", "\n") == new:
            continue
        if new != old:
            members[name] = new
    if "drop_html" in form and before["html"]:
        members["html"] = ""
    if members.get("text") == "" and not members.get("html", before["html"]):
        raise InvalidRequest("the message needs a text")
    return Edited(members)


def _addresses(text: str) -> list[str]:
    """One address per line, as the form shows them; whether it is one is the contract's to say."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def changes(view: MessageView, given: Edited) -> list[Change]:
    """What differs, in the order of the page."""
    body = view.body
    before = {
        "subject": view.subject,
        "to": "\n".join(view.to),
        "cc": "\n".join(view.cc),
        "bcc": "\n".join(view.bcc or []),
        "text": (body.text if body else "") or "",
        "html": (body.html if body else "") or "",
    }
    found = []
    for name, old in before.items():
        if name in given.members:
            new = given.members[name]
            found.append(Change(name, _compared(old, "\n".join(new) if isinstance(new, list) else new)))
    return found


def _compared(old: str, new: str) -> list[tuple[str, str]]:
    before, after = visible_text(old).split("\n"), visible_text(new).split("\n")
    if max(len(before), len(after)) > MAX_COMPARED_LINES:
        return []
    lines = difflib.unified_diff(before, after, n=CONTEXT_LINES, lineterm="")
    return [("…", "") if line.startswith("@@") else (line[:1], line[1:]) for line in list(lines)[2:]]
