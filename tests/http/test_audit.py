"""The audit log of a deployment in use: what is in it, what never is, and who reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from e2a_core.audit.verify import verify
from e2a_core.contract.account import Account
from e2a_core.contract.audit import AuditEntryView, AuditQuery
from e2a_core.contract.engine import all_operations
from e2a_core.contract.principal import Role
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.errors import Forbidden
from e2a_core.local.session import LocalSession
from e2a_core.signing.tokens import sign_approval
from e2a_core.store.statement import sql
from tests.http.test_links import form_of
from tests.http.world import BODIES, Operation, World, make_world, operations
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio

CHANGES = {row.id for row in all_operations() if row.group and not row.safe}
LAST = {"delete_agent": 1, "delete_account": 2}
TABLES = ("audit_log", "audit_open", "audit_heads")


@pytest.fixture
async def world(home: Home, browser: httpx.AsyncClient) -> World:
    return await make_world(home, browser)


@pytest.fixture
async def everything(browser: httpx.AsyncClient) -> list[Operation]:
    return operations((await browser.get("/v1/openapi.json")).json())


async def logged(home: Home, **query: Any) -> list[AuditEntryView]:
    """The account's log, oldest first."""
    owner = await home.local.session(home.account_key)
    page = await owner.audit.list(AuditQuery(**query))
    return page.items[::-1]


async def stored(home: Home) -> str:
    """Every value of the log's tables, the rows of the first as they were written."""
    found = [await home.local.core.db.read(sql(f"SELECT * FROM {table}")) for table in TABLES]
    tables = [[dict(row) for row in rows] for rows in found]
    tables[0].sort(key=lambda row: (row["at"], row["number"]))
    return json.dumps(tables, ensure_ascii=False)


async def person(home: Home, role: Role) -> LocalSession:
    owner = (await home.local.session(home.account_key)).principal
    return home.local.session_of(
        replace(
            owner,
            credential_id=f"person:prs_{role}",
            role=role,
            door="dashboard",
            person=f"{role}@example.org",
        )
    )


async def test_whatever_an_account_changes_is_logged_and_nothing_it_reads(
    world: World, browser: httpx.AsyncClient, everything: list[Operation]
) -> None:
    home = world.home
    for operation in sorted(everything, key=lambda item: LAST.get(item.name, 0)):
        if operation.public or operation.name in LAST:
            continue
        before = len(json.loads(await stored(home))[0])
        await world.send(browser, operation, home.account_key)
        added = json.loads(await stored(home))[0][before:]
        assert [row["operation"] for row in added] == [operation.name] * (operation.name in CHANGES)
        for row in added:
            assert (row["door"], row["actor_kind"]) == ("api", "api_key")
            assert row["outcome"] in {"ok", "refused"}, row
    assert (await verify(home.local.core, (await owner_id(home)))).broken is None


async def owner_id(home: Home) -> str:
    return (await home.local.session(home.account_key)).principal.account_id


def words(body: Any) -> set[str]:
    """The texts of a body that say more than an id does."""
    if isinstance(body, dict):
        return set().union(*map(words, body.values())) if body else set()
    if isinstance(body, list):
        return set().union(*map(words, body)) if body else set()
    return {body} if isinstance(body, str) and len(body) > 3 else set()


async def test_no_body_key_or_token_is_in_it(
    world: World, browser: httpx.AsyncClient, everything: list[Operation]
) -> None:
    """Each operation with a marked body, and with keys and tokens where ids are meant."""
    home = world.home
    secrets = {home.account_key, home.agent_key, *world.keys.values()}
    marked = "Xylophone-words-of-a-letter"
    for operation in everything:
        if operation.public or operation.name in LAST:
            continue
        body = json.loads(json.dumps(BODIES.get(operation.name)))
        for name in ("text", "subject", "name", "description", "reason", "stage", "display_name"):
            if isinstance(body, dict) and name in body:
                body[name] = marked
        response = await browser.request(
            operation.method,
            world.path(operation),
            params={"confirm": "DELETE"} if operation.method == "DELETE" else None,
            json=body if operation.reads_body else None,
            headers={"Authorization": f"Bearer {home.account_key}"},
        )
        answered = response.json() if response.headers.get("content-type", "").endswith("json") else {}
        secrets |= {answered[name] for name in ("key", "signing_secret") if name in answered}
    for secret in list(secrets):
        for path in (f"/v1/account/api-keys/{secret}", f"/v1/webhooks/{secret}", f"/v1/contacts/{secret}"):
            await browser.delete(
                path, params={"confirm": "DELETE"}, headers={"Authorization": f"Bearer {home.account_key}"}
            )
    text = await stored(home)
    assert "delete_api_key" in text
    assert marked not in text
    for secret in secrets:
        assert secret not in text
    for name in ("create_template", "send_message"):
        for word in words(BODIES[name]) - {"bob@example.org", "made"}:
            assert word not in text, word


async def test_an_agents_doings_are_not_its(world: World, browser: httpx.AsyncClient) -> None:
    home = world.home
    before = await stored(home)
    agent = {"Authorization": f"Bearer {home.agent_key}"}
    sent = await browser.post(f"/v1/agents/{ASSISTANT}/messages", json=BODIES["send_message"], headers=agent)
    assert sent.is_success
    assert (await browser.post("/v1/account/pause", headers=agent)).status_code == 403
    assert await stored(home) == before


async def test_a_row_says_who_did_what_by_which_door(home: Home) -> None:
    owner = await home.local.session(home.account_key, door="mcp")
    await owner.agents.pause(ASSISTANT)
    await (await home.local.home_session(scope="account")).agents.resume(ASSISTANT)
    await (await person(home, "owner")).agents.pause(ASSISTANT)
    *_, key, command, dashboard = await logged(home)
    assert (key.actor, key.actor_kind, key.person, key.door) == (
        owner.principal.credential_id,
        "api_key",
        None,
        "mcp",
    )
    assert (command.actor, command.actor_kind, command.person, command.door) == (
        "home",
        "home",
        owner.principal.account_email,
        "command",
    )
    assert (dashboard.actor, dashboard.actor_kind, dashboard.person, dashboard.door) == (
        "person:prs_owner",
        "person",
        "owner@example.org",
        "dashboard",
    )
    assert [item.operation for item in (key, command, dashboard)] == [
        "pause_agent",
        "resume_agent",
        "pause_agent",
    ]
    assert key.subjects["email"] == ASSISTANT


async def test_what_a_role_refused_is_logged(home: Home) -> None:
    viewer, reviewer = await person(home, "viewer"), await person(home, "reviewer")
    for call in (
        lambda: viewer.reviews.approve("msg_1", ApproveRequest()),
        lambda: reviewer.account.pause(),
        lambda: viewer.account.export(),
        lambda: reviewer.audit.list(AuditQuery()),
    ):
        with pytest.raises(Forbidden):
            await call()
    found = await logged(home, since=(home.clock.now() - timedelta(minutes=1)).isoformat())
    refused = [item for item in found if item.outcome == "refused"]
    assert [(item.operation, item.person, item.code) for item in refused] == [
        ("approve_review", "viewer@example.org", "forbidden"),
        ("pause_account", "reviewer@example.org", "forbidden"),
        ("export_account", "viewer@example.org", "forbidden"),
        ("list_audit_log", "reviewer@example.org", "forbidden"),
    ]


async def test_a_decision_by_mail_link_is_logged(world: World, browser: httpx.AsyncClient) -> None:
    home, held = world.home, world.ids["held"]
    expires = home.clock.now() + timedelta(minutes=10)
    token = sign_approval(held, "reject", expires, home.secret, "owner@localhost")
    page = await browser.get("/v1/reject", params={"t": token})
    assert not [item for item in await logged(home) if item.door == "mail_link"], "looking is no decision"
    assert (await browser.post("/v1/reject", data={**form_of(page.text), "reason": "Zebra"})).is_success
    [item] = [item for item in await logged(home) if item.door == "mail_link"]
    assert (item.operation, item.actor_kind, item.person, item.outcome) == (
        "reject_review",
        "mail_link",
        "owner@localhost",
        "ok",
    )
    assert item.subjects == {"message_id": held}
    text = await stored(home)
    assert token not in text
    assert "Zebra" not in text


async def test_it_is_read_in_pages_and_by_what_is_asked_for(home: Home) -> None:
    owner = await home.local.session(home.account_key)
    started = home.clock.now()
    for _ in range(3):
        await owner.agents.pause(ASSISTANT)
        home.clock.advance(minutes=1)
        await (await person(home, "owner")).agents.resume(ASSISTANT)
        home.clock.advance(minutes=1)
    shown: list[int] = []
    cursor = None
    while True:
        page = await owner.audit.list(AuditQuery(limit=2, cursor=cursor))
        shown += [item.number for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == len(set(shown)) >= 6
    assert {item.operation for item in await logged(home, operation="pause_agent")} == {"pause_agent"}
    by_person = await logged(home, actor="owner@example.org")
    assert [item.operation for item in by_person] == ["resume_agent"] * 3
    assert await logged(home, actor="person:prs_owner") == by_person
    late = await logged(home, since=(started + timedelta(minutes=4)).isoformat())
    assert len(late) == 2
    early = await logged(home, actor="owner@example.org", until=(started + timedelta(minutes=2)).isoformat())
    assert len(early) == 1
    assert await logged(home, actor="\x00", operation="x' OR '1'='1") == []


async def test_it_leaves_with_the_export_and_goes_with_the_account(home: Home) -> None:
    owner = await home.local.session(home.account_key)
    await owner.agents.pause(ASSISTANT)
    await owner.agents.resume(ASSISTANT)
    exported = (await owner.account.export()).model_dump(mode="json")
    *_, paused, resumed = exported["audit_log"]
    assert (paused["operation"], resumed["operation"]) == ("pause_agent", "resume_agent")
    assert paused["subjects"] == {"email": ASSISTANT}
    account: Account = owner.account
    await account.delete()
    assert json.loads(await stored(home)) == [[], [], []]


async def test_an_account_sees_its_own_alone(world: World, browser: httpx.AsyncClient) -> None:
    foreign = {"Authorization": f"Bearer {world.keys['foreign']}"}
    await browser.post("/v1/contacts", json={"address": "theirs@example.org"}, headers=foreign)
    items = (await browser.get("/v1/audit", headers=foreign)).json()["items"]
    assert [item["operation"] for item in items] == ["create_contact"]
    assert "theirs@example.org" not in json.dumps((await logged(world.home))[0].to_wire())
    assert all("theirs" not in json.dumps(item.to_wire()) for item in await logged(world.home))
