"""Control of the account on the pages: protection, agents, keys, domains, activity, settings."""

from __future__ import annotations

import re

import pytest

from e2a_core.contract.engine import Session
from e2a_core.errors import Unauthorized
from tests.engine.mailbox import all_mail, send
from tests.pages.people import Visitor, fields_of
from tests.support.home import ASSISTANT, Home

pytestmark = [pytest.mark.anyio, pytest.mark.local_only]

GUARDED = {
    "outbound_policy": "allowlist",
    "outbound_list": "bob@example.org\nann@example.org",
    "outbound_action": "review",
    "outbound_scan": "medium",
    "inbound_policy": "domain",
    "inbound_list": "example.org",
    "inbound_action": "block",
    "inbound_scan": "off",
    "ttl": "86400",
    "on_expiry": "reject",
}
HOSTILE = "<script>alert('x')</script>\u202etxt"


async def test_protection_is_said_in_words_previewed_and_saved(
    visitor: Visitor, home: Home, owner: Session, agent: Session
) -> None:
    path = f"/protection/{ASSISTANT}"
    assert "It may write to anybody." in await visitor.read("/protection")
    await send(agent, to=["bob@example.org"], subject="To a listed one")
    await send(agent, to=["carl@example.org"], subject="To another")
    assert (await home.deliver(sender="Mallory <m@plain.example>", mail_from="m@plain.example")).accepted
    shown = await visitor.submit(path, path, **GUARDED, do="preview")
    assert shown.status_code == 200
    for words in (
        "Of the last 2 messages sent, 1 would not have passed",
        "To another",
        "Of the last 1 message received, 1 would not have passed",
        "Nothing is saved yet",
        "Mail to 2 listed addresses goes out; all other mail waits for a person.",
        "Is rejected after 1 day if nobody decides.",
    ):
        assert words in shown.text, words
    assert "To a listed one" not in shown.text
    assert "It may write to anybody." in await visitor.read(path)
    saved = await visitor.submit(path, path, **GUARDED)
    assert saved.headers["location"] == f"{path}?said=saved"
    config = await owner.protection.get(ASSISTANT)
    assert (config.outbound.gate.allowlist, config.holds.ttl_seconds) == (
        ["bob@example.org", "ann@example.org"],
        86400,
    )
    await visitor.submit(path, f"{path}/hold-all")
    assert (await send(agent)).status == "pending_review"
    assert (await owner.protection.get(ASSISTANT)).inbound.gate.policy == "domain"


@pytest.mark.parametrize(
    "wrong",
    [
        {"outbound_policy": "everything"},
        {"ttl": "-1"},
        {"ttl": "x"},
        {"inbound_list": "<b>"},
        {"on_expiry": "send"},
    ],
)
async def test_a_protection_that_is_not_valid_changes_nothing(
    visitor: Visitor, owner: Session, wrong: dict[str, str]
) -> None:
    path = f"/protection/{ASSISTANT}"
    before = await owner.protection.get(ASSISTANT)
    answer = await visitor.submit(path, path, **{**GUARDED, **wrong})
    assert 400 <= answer.status_code < 500
    assert 'role="alert"' in answer.text
    assert await owner.protection.get(ASSISTANT) == before


async def test_agents_are_made_named_paused_and_deleted_by_name(
    visitor: Visitor, owner: Session, agent: Session
) -> None:
    made = await visitor.submit("/agents", "/agents", email="helper", name=HOSTILE)
    path = made.headers["location"].partition("?")[0]
    assert path == "/agents/helper@agents.example"
    page = await visitor.read(path)
    assert "<script>alert" not in page
    assert "[U+202E]" in page
    again = await visitor.submit("/agents", "/agents", email="helper")
    assert (again.status_code, "helper" in again.text) == (409, True)
    await visitor.submit(f"/agents/{ASSISTANT}", f"/agents/{ASSISTANT}/pause")
    assert "This agent is paused" in await visitor.read(f"/agents/{ASSISTANT}")
    assert "paused" in await visitor.read("/agents")
    await visitor.submit(f"/agents/{ASSISTANT}", f"/agents/{ASSISTANT}/resume")
    assert (await send(agent)).status
    wrong = await visitor.submit(f"{path}/delete", f"{path}/delete", name="helpe@agents.example")
    assert (wrong.status_code, (await owner.agents.get("helper@agents.example")).deleted_at) == (400, None)
    await visitor.submit(f"{path}/delete", f"{path}/delete", name="helper@agents.example")
    assert "helper@agents.example" in await visitor.read("/agents?show=trash")
    await visitor.submit("/agents?show=trash", f"{path}/restore")
    assert "helper@agents.example" in await visitor.read("/agents")


async def test_people_delegate_and_stop(visitor: Visitor, owner: Session) -> None:
    path = f"/agents/{ASSISTANT}"
    await visitor.submit(path, f"{path}/delegations", human="ann@example.org", valid_until="30d")
    assert "ann@example.org" in await visitor.read(path)
    wrong = await visitor.submit(path, f"{path}/delegations", human="nobody")
    assert wrong.status_code == 400
    await visitor.submit(path, f"{path}/delegations/end")
    assert (await owner.agents.delegations(ASSISTANT)).items == []


async def test_a_key_is_shown_once_and_ends_at_once(visitor: Visitor, home: Home) -> None:
    answer = await visitor.submit("/keys", "/keys", name=HOSTILE, reach=ASSISTANT, expires_at="90d")
    [key] = re.findall(r"<code>(e2a_\w+)</code>", answer.text)
    session = await home.local.session(key)
    assert session.principal.agent_email == ASSISTANT
    page = await visitor.read("/keys")
    assert key not in page
    assert "<script>alert" not in page
    assert "last used" in page
    [key_id] = [
        item.id
        for item in (await (await home.local.session(home.account_key)).api_keys.list()).items
        if item.key_prefix in key and item.agent_email and item.expires_at
    ]
    await visitor.post("/keys/revoke", {**fields_of(page, "/keys/revoke"), "id": key_id})
    with pytest.raises(Unauthorized):
        await home.local.session(key)
    assert (await visitor.submit("/keys", "/keys", expires_at="never")).status_code in {400, 422}


async def test_a_domain_with_its_records(visitor: Visitor, owner: Session) -> None:
    await visitor.submit("/domains", "/domains", domain="mail.example.net")
    page = await visitor.read("/domains/mail.example.net")
    view = await owner.domains.get("mail.example.net")
    assert all(record.name in page for record in view.dns_records)
    assert view.verification_token in page
    assert "not found yet" in page
    await visitor.submit("/domains/mail.example.net", "/domains/mail.example.net/verify")
    assert "Not found yet: ownership, inbound mx" in await visitor.read("/domains")
    wrong = await visitor.submit("/domains/mail.example.net", "/domains/mail.example.net/delete", name="mail")
    assert wrong.status_code == 400
    await visitor.submit(
        "/domains/mail.example.net", "/domains/mail.example.net/delete", name="mail.example.net"
    )
    assert (await owner.domains.list()).items == [] or "mail.example.net" not in await visitor.read(
        "/domains"
    )
    assert (await visitor.submit("/domains", "/domains", domain="no domain")).status_code == 400


async def test_activity_tells_of_events_and_of_who_did_what(
    visitor: Visitor, home: Home, owner: Session
) -> None:
    assert (await home.deliver(subject="Seen?")).accepted
    page = await visitor.read("/activity")
    [event] = re.findall(r'href="(/activity/events/[^"]+)"', page)[:1]
    assert "email.received" in await visitor.read(event)
    await visitor.submit("/pause", "/pause")
    audit = await visitor.read("/activity/audit")
    assert "owner@localhost: pause account" in audit
    assert "By the dashboard." in audit
    assert "Nothing was done yet" in await visitor.read("/activity/audit?actor=nobody@example.org")
    assert "Only email.sent." in await visitor.read("/activity?type=email.sent")
    assert (await visitor.get("/activity?cursor=x")).status_code == 400
    assert [item.read_status for item in await all_mail(owner)] == ["unread"]


async def test_sessions_end_and_only_an_owner_ends_those_of_others(
    visitor: Visitor, home: Home, url: str
) -> None:
    async with Visitor(home, url) as rita, Visitor(home, url) as vera:
        await rita.sign_in("reviewer", "rita@example.org")
        await vera.sign_in("viewer", "vera@example.org")
        page = await visitor.read("/settings")
        assert {"rita@example.org", "vera@example.org", "owner@localhost"} <= set(
            re.findall(r"[\w.]+@[\w.]+", page)
        )
        assert "vera@example.org" not in await rita.read("/settings")
        ids = re.findall(r'name="id" value="(ses_\w+)"', page)
        own = re.findall(r'name="id" value="(ses_\w+)"', await rita.read("/settings"))
        proof = fields_of(await rita.read("/settings"), "/settings/sessions/end")
        other = next(item for item in ids if item not in own)
        assert (await rita.post("/settings/sessions/end", {**proof, "id": other})).status_code == 403
        mine = fields_of(page, "/settings/sessions/end")
        await visitor.post("/settings/sessions/end", {**mine, "id": own[0]})
        assert (await rita.get("/settings")).status_code == 303
        assert (await vera.get("/settings")).status_code == 200
    assert "end session" in await visitor.read("/activity/audit")


async def test_data_is_taken_along_and_an_account_deleted_by_its_name(visitor: Visitor, home: Home) -> None:
    file = await visitor.submit("/settings/export", "/settings/export")
    assert file.headers["content-disposition"].startswith('attachment; filename="e2a-')
    assert file.json()["user"]["email"] == "owner@localhost"
    wrong = await visitor.submit("/settings/delete", "/settings/delete", name="owner")
    assert wrong.status_code == 400
    assert (await visitor.get("/settings")).status_code == 200
    gone = await visitor.submit("/settings/delete", "/settings/delete", name="owner@localhost")
    assert gone.headers["location"] == "/sign-in"
    assert (await visitor.get("/settings")).status_code == 303
    with pytest.raises(Unauthorized):
        await home.local.session(home.account_key)
