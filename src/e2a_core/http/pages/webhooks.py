"""Webhooks: where events are posted, whether they arrive, and what each was sent."""

from __future__ import annotations

from starlette.responses import Response

from e2a_core.contract.events import EVENT_TYPES, RedeliverEventRequest
from e2a_core.contract.webhooks import (
    CreateWebhookRequest,
    DeliveryQuery,
    TestWebhookRequest,
    UpdateWebhookRequest,
    WebhookDeliveryView,
    WebhookView,
)
from e2a_core.errors import E2AError
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Fact, Field, Form, Item, Note, Section, Tag, address, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import count_words

__all__ = ["PAGES"]

ON_A_PAGE = 40
_STATES = {"delivered": "good", "failed": "bad", "pending": ""}


async def webhooks(visit: Visit, problem: E2AError | None = None) -> Response:
    cursor = visit.asked("cursor") or None
    page = await visit.session.webhooks.list(cursor=cursor, limit=ON_A_PAGE)
    listed = Section(
        items=[_item(hook) for hook in page.items],
        empty=("No webhook yet", "A program that you run can be told of each event."),
        more="/webhooks",
        cursor=page.next_cursor,
        first=cursor is None,
    )
    form = Form("/webhooks", "Make a webhook", _fields(visit))
    new = [Section("A new webhook", forms=[form])] if visit.owner else []
    return await sheet(visit, "Webhooks", listed, *new, at="webhooks", problem=problem)


async def make(visit: Visit) -> Response:
    """Shows the secret that signs its events, this once."""
    try:
        made = await visit.session.webhooks.create(read(visit, CreateWebhookRequest, _given(visit)))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await webhooks(visit, problem)
    section = Section("The secret that signs what it gets", secret=made.signing_secret, items=[_item(made)])
    return await sheet(visit, "Your new webhook", section, at="webhooks", crumbs=[("Webhooks", "/webhooks")])


async def one(visit: Visit, problem: E2AError | None = None) -> Response:
    hook = await visit.session.webhooks.get(_id(visit))
    path = address("webhooks", hook.id)
    cursor = visit.asked("cursor") or None
    query = read(visit, DeliveryQuery, {"cursor": cursor, "limit": ON_A_PAGE})
    page = await visit.session.webhooks.list_deliveries(hook.id, query)
    facts = [
        Fact("Address", hook.url, code=True),
        Fact("Is told of", _events(hook)),
        Fact("Made", at=hook.created_at),
    ]
    if hook.last_delivered_at:
        facts.append(Fact("Last arrived", at=hook.last_delivered_at))
    return await sheet(
        visit,
        hook.description or hook.url,
        Section(facts=facts),
        Section(forms=_actions(path, hook)),
        Section(
            "Deliveries",
            items=[_delivery(path, item) for item in page.items],
            empty=("Nothing was sent yet", "What it is sent appears here, with the answers it gave."),
            more=path,
            cursor=page.next_cursor,
            first=cursor is None,
        ),
        *([Section("Change it", forms=[Form(path, "Save", _fields(visit, hook))])] if visit.owner else []),
        at="webhooks",
        crumbs=[("Webhooks", "/webhooks")],
        notes=_notes(hook),
        problem=problem,
    )


def _actions(path: str, hook: WebhookView) -> list[Form]:
    turn = "Turn it off" if hook.enabled else "Turn it on"
    other = Field("enabled", value="" if hook.enabled else "yes", kind="hidden")
    return [
        Form(f"{path}/turn", turn, [other], small=True, danger=hook.enabled),
        Form(f"{path}/test", "Send a made-up event", small=True),
        Form(f"{path}/rotate", "Make a new secret", small=True),
        Form(f"{path}/delete", "Delete it", small=True, danger=True),
    ]


async def change(visit: Visit) -> Response:
    try:
        await visit.session.webhooks.update(_id(visit), read(visit, UpdateWebhookRequest, _given(visit)))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await one(visit, problem)
    return visit.go(address("webhooks", _id(visit)), said="saved")


async def turn(visit: Visit) -> Response:
    request = UpdateWebhookRequest(enabled=bool(visit.form.text("enabled")))
    await visit.session.webhooks.update(_id(visit), request)
    return visit.go(address("webhooks", _id(visit)), said="saved")


async def test(visit: Visit) -> Response:
    await visit.session.webhooks.test(_id(visit), TestWebhookRequest())
    return visit.go(address("webhooks", _id(visit)), said="redelivered")


async def rotate(visit: Visit) -> Response:
    made = await visit.session.webhooks.rotate_secret(_id(visit))
    path = address("webhooks", _id(visit))
    until = [Fact("The one before signs too until", at=made.previous_secret_expires_at)]
    section = Section("The new secret", secret=made.signing_secret, facts=until)
    return await sheet(
        visit,
        "A new secret",
        section,
        at="webhooks",
        crumbs=[("Webhooks", "/webhooks"), ("Back to it", path)],
    )


async def delete(visit: Visit) -> Response:
    await visit.session.webhooks.delete(_id(visit))
    return visit.go("/webhooks", said="deleted")


async def again(visit: Visit) -> Response:
    """Sends one event to this webhook again."""
    request = RedeliverEventRequest(webhook_id=_id(visit))
    await visit.session.events.redeliver(visit.form.text("event"), request)
    return visit.go(address("webhooks", _id(visit)), said="redelivered")


def _fields(visit: Visit, hook: WebhookView | None = None) -> list[Field]:
    given = visit.form
    chosen = set(given.all("events")) or set(hook.events if hook else [])
    boxes = [Field("events", kind_, kind_, "check", on=kind_ in chosen) for kind_ in EVENT_TYPES]
    ordered = "ordered" in given or bool(hook and hook.ordered)
    return [
        Field(
            "url",
            "Address",
            given.text("url") or (hook.url if hook else ""),
            "url",
            "https, and a host of the public internet.",
            required=True,
            most=2048,
        ),
        Field(
            "description",
            "What it is for",
            given.text("description") or (hook.description if hook else ""),
            most=200,
        ),
        *boxes,
        Field(
            "ordered", "In order: an event waits until the one before has arrived", kind="check", on=ordered
        ),
    ]


def _given(visit: Visit) -> dict[str, object]:
    return {
        "url": visit.form.text("url").strip(),
        "description": visit.form.text("description").strip(),
        "events": visit.form.all("events"),
        "ordered": "ordered" in visit.form,
    }


def _item(hook: WebhookView) -> Item:
    return Item(
        hook.description or hook.url,
        address("webhooks", hook.id),
        what=hook.url if hook.description else "",
        why=f"Told of {_events(hook)}.",
        tags=[Tag("on", "good") if hook.enabled else Tag("off", "warn")],
        at=hook.last_delivered_at or hook.created_at,
    )


def _events(hook: WebhookView) -> str:
    more = len(hook.events) - 4
    return ", ".join(hook.events[:4]) + (f" and {count_words(more, 'more kind')}" if more > 0 else "")


def _delivery(path: str, item: WebhookDeliveryView) -> Item:
    answer = (
        f"answered {item.last_status_code}" if item.last_status_code else item.last_error or "no answer yet"
    )
    event = Field("event", value=item.event_id or "", kind="hidden")
    form = Form(f"{path}/again", "Send it again", [event], small=True)
    return Item(
        item.type,
        what=f"{answer}, {count_words(item.attempts, 'attempt')}",
        why=(item.last_error or "") if item.last_status_code else "",
        tags=[Tag(item.status, _STATES.get(item.status, ""))],
        at=item.created_at,
        due=item.next_retry_at if item.status == "pending" and item.attempts else None,
        strong=False,
        forms=[form] if item.event_id and item.status != "pending" else [],
    )


def _notes(hook: WebhookView) -> list[Note]:
    if hook.auto_disabled_at is not None:
        return [
            Note("It was turned off, since it failed for too long.", hook.auto_disabled_reason or "", "bad")
        ]
    return [] if hook.enabled else [Note("It is turned off.", "It is told of nothing.")]


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["webhook_id"])


_ONE = "/webhooks/{webhook_id}"
PAGES = (
    Page("GET", "/webhooks", webhooks),
    Page("POST", "/webhooks", make),
    Page("GET", _ONE, one),
    Page("POST", _ONE, change),
    Page("POST", f"{_ONE}/turn", turn),
    Page("POST", f"{_ONE}/test", test),
    Page("POST", f"{_ONE}/rotate", rotate),
    Page("POST", f"{_ONE}/delete", delete),
    Page("POST", f"{_ONE}/again", again),
)
