"""Activity: the events of agents' mail, and the audit log of what people and keys did."""

from __future__ import annotations

import json

from starlette.responses import Response

from e2a_core.contract.audit import AuditEntryView, AuditQuery
from e2a_core.contract.events import EventQuery, EventView, RedeliverEventRequest
from e2a_core.http.pages.mail_words import message_path
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Fact, Field, Form, Item, Note, Section, Tab, Tag, address, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import cut

__all__ = ["PAGES"]

ON_A_PAGE = 40
DATA_OCTETS = 8000

_DOORS = {
    "api": "the API",
    "mcp": "MCP",
    "dashboard": "the dashboard",
    "mail_link": "a link in mail",
    "command": "a command",
    "system": "the system itself",
}
_OUTCOMES = {"ok": "", "refused": "bad", "unknown": "warn"}


async def events(visit: Visit) -> Response:
    """The event log, newest first."""
    cursor, kind, email = visit.asked("cursor") or None, visit.asked("type"), visit.asked("agent")
    given = {"cursor": cursor, "type": kind or None, "agent_email": email or None, "limit": ON_A_PAGE}
    page = await visit.session.events.list(read(visit, EventQuery, given))
    section = Section(
        items=[_event(item) for item in page.items],
        empty=("Nothing happened yet", "Mail that arrives, leaves or waits is told of here for 30 days."),
        more=address("activity", type=kind, agent=email),
        cursor=page.next_cursor,
        first=cursor is None,
    )
    narrowed = (
        [Note(f"Only {kind or email}.", "", "", "/activity", "Show everything")] if kind or email else []
    )
    return await sheet(visit, "Activity", section, at="activity", tabs=_tabs(visit, "events"), notes=narrowed)


async def event(visit: Visit) -> Response:
    view = await visit.session.events.get(visit.request.path_params["event_id"])
    data, whole = cut(json.dumps(view.data, ensure_ascii=False, indent=2), DATA_OCTETS)
    facts = [Fact("Event", view.id, code=True), Fact("At", at=view.created_at), Fact("Webhooks", _told(view))]
    if view.agent_email:
        facts.append(Fact("Agent", view.agent_email, path=address("agents", view.agent_email)))
    if view.agent_email and view.message_id:
        facts.append(Fact("Message", view.message_id, path=message_path(view.agent_email, view.message_id)))
    again = Form(f"/activity/events/{view.id}/redeliver", "Send it to its webhooks again", small=True)
    return await sheet(
        visit,
        view.type,
        Section(facts=facts),
        Section("What webhooks get", "" if whole else "Only the beginning is shown.", text=data),
        Section(forms=[again]),
        at="activity",
        crumbs=[("Activity", "/activity")],
    )


async def redeliver(visit: Visit) -> Response:
    event_id = str(visit.request.path_params["event_id"])
    await visit.session.events.redeliver(event_id, RedeliverEventRequest())
    return visit.go(address("activity", "events", event_id), said="redelivered")


async def audit(visit: Visit) -> Response:
    """Who did what, by which door; owners alone read it."""
    asked = {name: visit.asked(name) for name in ("actor", "operation", "since")}
    cursor = visit.asked("cursor") or None
    given = {**{name: value or None for name, value in asked.items()}, "cursor": cursor, "limit": ON_A_PAGE}
    page = await visit.session.audit.list(read(visit, AuditQuery, given))
    section = Section(
        items=[_entry(item) for item in page.items],
        empty=("Nothing was done yet", "What people and keys of the account change is kept here."),
        more=address("activity", "audit", **asked),
        cursor=page.next_cursor,
        first=cursor is None,
    )
    narrowed = [value for value in asked.values() if value]
    return await sheet(
        visit,
        "Activity",
        section,
        at="activity",
        lead="Each line is chained to the one before: e2a audit verify finds any that was changed or removed.",
        tabs=_tabs(visit, "audit"),
        notes=[Note(f"Only {', '.join(narrowed)}.", "", "", "/activity/audit", "Show everything")]
        if narrowed
        else [],
        search=Field("actor", "A person's address, or the id of a key", asked["actor"], most=320),
    )


def _tabs(visit: Visit, current: str) -> list[Tab]:
    tabs = [Tab("Events", "/activity", current == "events")]
    return [*tabs, Tab("Audit log", "/activity/audit", current == "audit")] if visit.owner else tabs


def _event(view: EventView) -> Item:
    data = view.data
    subject = data.get("subject")
    failed = view.delivery_status.failed if view.delivery_status else 0
    return Item(
        view.type,
        address("activity", "events", view.id),
        what=subject if isinstance(subject, str) else "",
        why=view.agent_email or "",
        tags=[Tag("webhook failed", "bad")] if failed else [],
        at=view.created_at,
        strong=False,
    )


def _told(view: EventView) -> str:
    found = view.delivery_status
    if found is None or not found.matched_webhooks:
        return "none matched" if view.status != "pending" else "not looked for yet"
    return f"{found.delivered} delivered, {found.pending} pending, {found.failed} failed"


def _entry(view: AuditEntryView) -> Item:
    who = view.person or {"home": "the home", "system": "the system"}.get(view.actor_kind, view.actor)
    subjects = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in view.subjects.items())
    outcome = (
        view.outcome
        if view.outcome == "ok"
        else f"{view.outcome} ({view.code})"
        if view.code
        else view.outcome
    )
    return Item(
        f"{who}: {view.operation.replace('_', ' ')}",
        what=subjects,
        why=f"By {_DOORS.get(view.door, view.door)}. Line {view.number}.",
        tags=[] if view.outcome == "ok" else [Tag(outcome, _OUTCOMES.get(view.outcome, ""))],
        at=view.at,
        strong=False,
    )


PAGES = (
    Page("GET", "/activity", events),
    Page("GET", "/activity/audit", audit),
    Page("GET", "/activity/events/{event_id}", event),
    Page("POST", "/activity/events/{event_id}/redeliver", redeliver),
)
