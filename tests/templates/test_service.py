"""Templates through the service a session uses, over both databases."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest
from anyio import create_task_group

from e2a_core.contract.principal import Principal
from e2a_core.contract.templates import (
    CreateTemplateRequest,
    TemplateView,
    UpdateTemplateRequest,
    ValidateTemplateRequest,
)
from e2a_core.core import Core
from e2a_core.errors import (
    AliasTaken,
    E2AError,
    Forbidden,
    InvalidCursor,
    InvalidRequest,
    InvalidTemplate,
    NotFound,
    StarterTemplateNotFound,
    TemplateLimitReached,
)
from e2a_core.local.templates import MAX_TEMPLATES, Templates
from e2a_core.templates.language import MAX_SOURCE_BYTES
from tests.support.clock import ManualClock
from tests.support.deployment import account, agent_credential, make_agent

pytestmark = pytest.mark.anyio


async def create(core: Core, principal: Principal, **members: Any) -> TemplateView:
    if "from_starter" not in members:
        members = {"name": "Greeting", "subject": "Hi {{name}}", "text": "Hello {{name}}", **members}
    return await Templates(core, principal).create(CreateTemplateRequest(**members))


async def test_a_template_of_ones_own(core: Core, owner: Principal, clock: ManualClock) -> None:
    view = await create(core, owner, alias="greeting", html="<p>{{name}}</p>")
    assert view.id.startswith("tmpl_")
    assert view.to_wire() == {
        "id": view.id,
        "name": "Greeting",
        "alias": "greeting",
        "subject": "Hi {{name}}",
        "text": "Hello {{name}}",
        "html": "<p>{{name}}</p>",
        "created_at": "2026-03-04T05:06:08.89Z",
        "updated_at": "2026-03-04T05:06:08.89Z",
    }
    templates = Templates(core, owner)
    assert await templates.get(view.id) == view
    clock.advance(minutes=1)
    changed = await templates.update(view.id, UpdateTemplateRequest(alias="", html="", text="Bye {{name}}"))
    assert (changed.alias, changed.html, changed.subject, changed.text) == (
        None,
        None,
        view.subject,
        "Bye {{name}}",
    )
    assert (changed.created_at, changed.updated_at) == (view.created_at, clock.now())
    assert await templates.get(view.id) == changed
    assert (await templates.delete(view.id)).to_wire() == {"deleted": True, "id": view.id}
    for call in (templates.get(view.id), templates.delete(view.id)):
        with pytest.raises(NotFound) as missing:
            await call
        assert missing.value.code == "not_found"


async def test_a_copy_of_a_starter(core: Core, owner: Principal) -> None:
    starter = await Templates(core, owner).get_starter("receipt")
    copy = await create(core, owner, from_starter="receipt")
    assert (copy.name, copy.alias) == ("Receipt", "receipt")
    assert (copy.subject, copy.text, copy.html) == (starter.subject, starter.text, starter.html)
    assert (copy.from_starter_alias, copy.from_starter_version) == ("receipt", "1.0.0")
    with pytest.raises(AliasTaken):
        await create(core, owner, from_starter="receipt")
    second = await create(core, owner, from_starter="receipt", name="Mine", alias="mine")
    assert (second.name, second.alias) == ("Mine", "mine")
    assert (await create(core, owner, from_starter="receipt", alias="")).alias is None
    with pytest.raises(StarterTemplateNotFound) as missing:
        await create(core, owner, from_starter="unknown")
    assert (missing.value.code, missing.value.status) == ("starter_template_not_found", 404)
    with pytest.raises(InvalidRequest) as both:
        await create(core, owner, from_starter="welcome", text="mine")
    assert both.value.fields[0][0] == "body.text"


@pytest.mark.parametrize(
    ("members", "code", "place"),
    [
        ({"name": ""}, "invalid_request", "body.name"),
        ({"name": "ü" * 101}, "invalid_request", "body.name"),
        ({"alias": "1st"}, "invalid_request", "body.alias"),
        ({"alias": "a" * 129}, "invalid_request", "body.alias"),
        ({"alias": "a b"}, "invalid_request", "body.alias"),
        ({"subject": ""}, "invalid_request", "body.subject"),
        ({"text": ""}, "invalid_request", "body.text"),
        ({"text": "\x00"}, "invalid_request", "body.text"),
        ({"subject": "{{"}, "invalid_template", "subject"),
        ({"text": "{{#each}}"}, "invalid_template", "text"),
        ({"html": "{{}}"}, "invalid_template", "html"),
        ({"html": "x" * (MAX_SOURCE_BYTES + 1)}, "invalid_template", "html"),
    ],
)
async def test_what_is_refused_when_made_and_when_changed(
    core: Core, owner: Principal, members: dict[str, str], code: str, place: str
) -> None:
    def where(refusal: InvalidRequest) -> str:
        assert refusal.details is not None
        return str(refusal.details["part"]) if refusal.code == "invalid_template" else refusal.fields[0][0]

    with pytest.raises(InvalidRequest) as made:
        await create(core, owner, **members)
    assert (made.value.code, made.value.status, where(made.value)) == (code, 400, place)
    templates = Templates(core, owner)
    assert (await templates.list()).items == []
    view = await create(core, owner)
    with pytest.raises(InvalidRequest) as changed:
        await templates.update(view.id, UpdateTemplateRequest(**members))
    assert (changed.value.code, where(changed.value)) == (code, place)
    assert await templates.get(view.id) == view


async def test_an_alias_is_one_accounts_own(core: Core, owner: Principal) -> None:
    other = await account(core, "b@example.org")
    await create(core, owner, alias="greeting")
    await create(core, other, alias="greeting")
    second = await create(core, owner, alias="Greeting")
    with pytest.raises(AliasTaken) as taken:
        await create(core, owner, alias="greeting")
    assert (taken.value.code, taken.value.status) == ("alias_taken", 409)
    with pytest.raises(AliasTaken):
        await Templates(core, owner).update(second.id, UpdateTemplateRequest(alias="greeting"))


async def test_no_more_than_allowed_however_many_come_at_once(core: Core, owner: Principal) -> None:
    refused: list[E2AError] = []

    async def attempt() -> None:
        try:
            await create(core, owner)
        except TemplateLimitReached as refusal:
            refused.append(refusal)

    async with create_task_group() as tasks:
        for _ in range(MAX_TEMPLATES + 3):
            tasks.start_soon(attempt)
    assert [(item.code, item.status) for item in refused] == [("template_limit_reached", 400)] * 3
    assert len((await Templates(core, owner).list()).items) == MAX_TEMPLATES


async def test_lists(core: Core, owner: Principal, clock: ManualClock) -> None:
    made = []
    for number in range(3):
        clock.advance(seconds=1)
        made.append((await create(core, owner, name=f"Number {number}")).id)
    await create(core, await account(core, "b@example.org"))
    templates = Templates(core, owner)
    first = await templates.list(limit=2)
    second = await templates.list(limit=2, cursor=first.next_cursor)
    assert [item.id for item in [*first.items, *second.items]] == made[::-1]
    assert second.next_cursor is None
    assert set(first.items[0].to_wire()) == {"id", "name", "subject", "created_at", "updated_at"}

    page = await templates.list_starters(limit=4)
    rest = await templates.list_starters(limit=4, cursor=page.next_cursor)
    aliases = [item.alias for item in [*page.items, *rest.items]]
    assert aliases == sorted(aliases)
    assert len(aliases) == 7
    assert rest.next_cursor is None
    with pytest.raises(InvalidCursor):
        await templates.list_starters(cursor=first.next_cursor)


async def test_who_may_not(core: Core, owner: Principal) -> None:
    view = await create(core, owner)
    other = Templates(core, await account(core, "b@example.org"))
    bound = Templates(core, agent_credential(owner, await make_agent(core, owner, "bot@agents.localhost")))
    change = UpdateTemplateRequest(name="mine now")
    for templates, error in ((other, NotFound), (bound, Forbidden)):
        calls: list[Awaitable[object]] = [
            templates.get(view.id),
            templates.update(view.id, change),
            templates.delete(view.id),
        ]
        for call in calls:
            with pytest.raises(error):
                await call
    for call in (
        bound.list(),
        bound.list_starters(),
        bound.get_starter("welcome"),
        bound.validate(ValidateTemplateRequest()),
        bound.create(CreateTemplateRequest()),
    ):
        with pytest.raises(Forbidden):
            await call
    with pytest.raises(StarterTemplateNotFound):
        await other.get_starter("unknown")
    for hostile in ("\x00", "\ud800"):
        with pytest.raises(NotFound):
            await other.get(hostile)
    assert await Templates(core, owner).get(view.id) == view


async def test_trying_a_source(core: Core, owner: Principal) -> None:
    templates = Templates(core, owner)
    good = await templates.validate(
        ValidateTemplateRequest(
            subject="Hi {{user.name}}", html="<b>{{user.name}}</b>", test_data={"user": {"name": "<R>"}}
        )
    )
    assert good.to_wire() == {
        "valid": True,
        "errors": [],
        "rendered": {"subject": "Hi <R>", "text": "", "html": "<b>&lt;R&gt;</b>"},
        "suggested_data": {"user": {"name": "user.name_value"}},
    }
    bad = await templates.validate(ValidateTemplateRequest(subject="{{", text="{{a}}", html="{{/a}}"))
    assert (bad.valid, [item.part for item in bad.errors]) == (False, ["subject", "html"])
    assert bad.rendered is None
    assert bad.suggested_data == {"a": "a_value"}
    deep: dict[str, Any] = {}
    for _ in range(9):
        deep = {"a": deep}
    failed = await templates.validate(ValidateTemplateRequest(text="{{a}}", test_data=deep))
    assert (failed.valid, failed.rendered) == (False, None)
    assert failed.errors
    assert (await templates.validate(ValidateTemplateRequest())).to_wire() == {
        "valid": True,
        "errors": [],
        "rendered": {"subject": "", "text": ""},
    }


def test_errors_say_which_part() -> None:
    assert InvalidTemplate("html", "is broken").details == {"part": "html", "message": "is broken"}
