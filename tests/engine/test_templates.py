"""Sending what a template comes to."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.sending import SendEmailRequest, SendOptions, SendResultView
from e2a_core.contract.templates import CreateTemplateRequest, TemplateView, UpdateTemplateRequest
from e2a_core.errors import (
    E2AError,
    IdempotencyKeyReuse,
    InvalidRequest,
    TemplateNotFound,
    TemplateRenderedEmpty,
    TemplateRenderFailed,
)
from tests.engine.mailbox import all_mail, protect
from tests.support.home import ASSISTANT

pytestmark = pytest.mark.anyio

DATA = {"name": "<Bob>", "order": {"id": 7}}


@pytest.fixture
async def template(owner: Session) -> TemplateView:
    return await owner.templates.create(
        CreateTemplateRequest(
            name="Order",
            alias="order",
            subject="Order {{order.id}}",
            text="Hello {{name}}",
            html="<p>{{name}}</p>",
        )
    )


async def send(
    session: Session, *, key: str | None = None, mint: bool = False, **members: Any
) -> SendResultView:
    return await session.messages.send(
        ASSISTANT,
        SendEmailRequest(**{"to": ["bob@example.org"], **members}),
        SendOptions(idempotency_key=key, dedupe="content" if mint else None),
    )


@pytest.mark.parametrize("reference", ["template_id", "template_alias"])
async def test_an_agent_sends_what_its_account_keeps(
    agent: Session, template: TemplateView, reference: str
) -> None:
    name: dict[str, Any] = {reference: template.id if reference == "template_id" else "order"}
    result = await send(agent, **name, template_data=DATA)
    sent = message_from_bytes(await agent.messages.raw(ASSISTANT, result.message_id), policy=default)
    text, html = sent.get_body(("plain",)), sent.get_body(("html",))
    assert text is not None
    assert html is not None
    assert sent["Subject"] == "Order 7"
    assert text.get_content().strip() == "Hello <Bob>"
    assert "<p>&lt;Bob&gt;</p>" in html.get_content()


@pytest.mark.parametrize(
    ("members", "location"),
    [
        ({"template_data": {}, "subject": "a", "text": "b"}, "body.template_data"),
        ({"template_id": "tmpl_1", "template_alias": "order"}, "body.template_alias"),
        ({"template_alias": "order", "subject": "a"}, "body.subject"),
        ({"template_alias": "order", "text": "a"}, "body.text"),
        ({"template_alias": "order", "html": "a"}, "body.html"),
        ({"template_alias": "order", "template_data": DATA, "to": []}, "body.to"),
        ({"template_alias": "order", "template_data": {"order": {"id": "7\r\nBcc: a@b.c"}}}, "body.subject"),
        ({"template_alias": "order", "template_data": {"name": "\x00"}}, "body.template_data"),
    ],
)
async def test_what_does_not_go_together(
    agent: Session, template: TemplateView, members: dict[str, Any], location: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await send(agent, **members)
    assert (refused.value.code, refused.value.status) == ("invalid_request", 400)
    assert [where for where, _ in refused.value.fields] == [location]
    assert await all_mail(agent) == []


async def test_what_cannot_be_filled_in(owner: Session, agent: Session, template: TemplateView) -> None:
    deep: dict[str, Any] = {}
    for _ in range(9):
        deep = {"a": deep}
    await owner.templates.create(
        CreateTemplateRequest(name="a", alias="bare", subject="S", text="{{a}} {{b}}")
    )
    cases: list[tuple[dict[str, Any], type[E2AError], int]] = [
        ({"template_id": "tmpl_1"}, TemplateNotFound, 404),
        ({"template_alias": "Order"}, TemplateNotFound, 404),
        ({"template_alias": "\x00"}, TemplateNotFound, 404),
        ({"template_alias": "order", "template_data": deep}, TemplateRenderFailed, 400),
        ({"template_alias": "bare"}, TemplateRenderedEmpty, 400),
    ]
    for members, error, status in cases:
        with pytest.raises(error) as refused:
            await send(agent, **members)
        assert refused.value.status == status
    assert refused.value.details == {"part": "text", "variables": ["a", "b"]}
    assert await all_mail(agent) == []


async def test_a_repeat_is_answered_though_the_template_has_gone(
    owner: Session, agent: Session, template: TemplateView
) -> None:
    first = await send(agent, key="k", template_alias="order", template_data=DATA)
    await owner.templates.delete(template.id)
    assert await send(agent, key="k", template_alias="order", template_data=DATA) == first
    with pytest.raises(IdempotencyKeyReuse):
        await send(agent, key="k", template_alias="order", template_data={})
    for _ in range(2):  # a failure gives the key back
        with pytest.raises(TemplateNotFound):
            await send(agent, key="another", template_alias="order", template_data=DATA)
    assert len(await all_mail(agent)) == 1


async def test_a_minted_key_goes_by_what_the_template_came_to(
    owner: Session, agent: Session, template: TemplateView
) -> None:
    first = await send(agent, mint=True, template_alias="order", template_data=DATA)
    again = await send(agent, mint=True, template_id=template.id, template_data=DATA)
    assert (again.deduplicated, again.message_id) == (True, first.message_id)
    await owner.templates.update(template.id, UpdateTemplateRequest(text="Goodbye {{name}}"))
    other = await send(agent, mint=True, template_alias="order", template_data=DATA)
    assert other.message_id != first.message_id


async def test_a_reviewer_sees_the_filled_in_text(
    owner: Session, agent: Session, template: TemplateView
) -> None:
    await protect(owner, outbound={"policy": "allowlist", "allowlist": [], "action": "review"})
    held = await send(agent, template_alias="order", template_data=DATA)
    assert held.status == "pending_review"
    await owner.templates.delete(template.id)
    view = await owner.reviews.get(held.message_id)
    assert (view.subject, view.body.text if view.body else None) == ("Order 7", "Hello <Bob>")
