"""Control of the account on the pages: protection, agents, keys, domains, activity, settings."""

from __future__ import annotations

import re

import pytest

from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.audit import AuditQuery
from e2a_core.contract.contacts import ContactQuery
from e2a_core.contract.engine import Session
from e2a_core.contract.templates import CreateTemplateRequest
from e2a_core.errors import RecipientSuppressed, Unauthorized
from tests.engine.mailbox import all_mail, send
from tests.pages.people import Visitor, fields_of
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.local_only]

GUARDED = {
    "outbound_policy": "allowlist",
    "outbound_list": "bob@example.org\nann@example.org",
    "outbound_action": "review",
    "inbound_policy": "domain",
    "inbound_list": "example.org",
    "inbound_action": "block",
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
    assert "_scan" not in shown.text
    assert "It may write to anybody." in await visitor.read(path)
    saved = await visitor.submit(path, path, **GUARDED)
    assert saved.headers["location"] == f"{path}?said=saved"
    config = await owner.protection.get(ASSISTANT)
    assert (config.outbound.gate.allowlist, config.holds.ttl_seconds) == (
        ["bob@example.org", "ann@example.org"],
        86400,
    )
    before = await visitor.read(path)
    assert "Hold all outgoing mail" in before
    assert "In the sandbox, notices are shown here and not mailed." in before
    await visitor.submit(path, f"{path}/hold-all")
    assert "Hold all outgoing mail" not in await visitor.read(path)
    assert (await send(agent)).status == "pending_review"
    assert (await owner.protection.get(ASSISTANT)).inbound.gate.policy == "domain"


async def test_a_preview_judges_as_mail_is_judged(visitor: Visitor, owner: Session, agent: Session) -> None:
    """By Bcc too; and neither an own Reply-To nor another inbox of the account holds a message."""
    await owner.agents.create(CreateAgentRequest(email="free@agents.example"))
    path, listed = f"/protection/{ASSISTANT}", "bob@example.org"
    await send(agent, to=[listed], subject="Plain")
    await send(agent, to=[listed], bcc=["dan@example.org"], subject="With a hidden one")
    await send(agent, to=[listed], reply_to=[ASSISTANT], subject="Answers come here")
    await send(agent, to=[listed], reply_to=["eve@example.org"], subject="Answers go there")
    await send(agent, to=["free@agents.example"], subject="To another inbox")

    async def caught(policy: str, addresses: str) -> tuple[str, set[str]]:
        given = {**GUARDED, "outbound_policy": policy, "outbound_list": addresses, "do": "preview"}
        shown = (await visitor.submit(path, path, **given)).text
        subjects = {"Plain", "With a hidden one", "Answers come here", "Answers go there", "To another inbox"}
        return shown, {item for item in subjects if item in shown}

    shown, found = await caught("allowlist", listed)
    assert found == {"With a hidden one", "Answers go there", "To another inbox"}
    for words in (
        "Of the last 5 messages sent, 3 would not have passed",
        "dan@example.org is not on the allowlist.",
        "eve@example.org is not on the allowlist.",
        "Judged by To, Cc, Bcc and Reply-To. Texts are not scanned",
        "Judged by the address in From",
        "this deployment has no scanner",
    ):
        assert words in shown, words
    assert (await caught("domain", ""))[1] == {
        "Plain",
        "With a hidden one",
        "Answers come here",
        "Answers go there",
    }
    assert (await caught("open", ""))[1] == set()


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
    settings = await visitor.get("/settings")
    assert settings.status_code == 200
    assert "1,000,000" not in settings.text
    assert ", no limit" in settings.text
    gone = await visitor.submit("/settings/delete", "/settings/delete", name="owner@localhost")
    assert gone.headers["location"] == "/sign-in"
    assert (await visitor.get("/settings")).status_code == 303
    with pytest.raises(Unauthorized):
        await home.local.session(home.account_key)


async def test_a_webhook_with_its_deliveries(
    visitor: Visitor, home: Home, owner: Session, agent: Session
) -> None:
    given = {
        "url": "http://127.0.0.1:9/hook",
        "description": HOSTILE,
        "events": ["email.sent", "email.received"],
    }
    made = await visitor.submit("/webhooks", "/webhooks", **given)
    [secret] = re.findall(r"<code>(whsec_[^<]+)</code>", made.text)
    page = await visitor.read("/webhooks")
    assert secret not in page
    assert "<script>alert" not in page
    [path] = re.findall(r'href="(/webhooks/[^"?]+)"', page)
    assert (await home.deliver()).accepted

    async def told() -> bool:
        return "email.received" in (await visitor.read(path)).partition("Deliveries")[2].partition("<form")[0]

    await until(told)
    await visitor.submit(path, f"{path}/turn")
    assert "It is turned off." in await visitor.read(path)
    [view] = (await owner.webhooks.list()).items
    assert (view.enabled, view.events) == (False, ["email.sent", "email.received"])
    await visitor.submit(path, path, **{**given, "events": ["email.failed"], "description": ""})
    [view] = (await owner.webhooks.list()).items
    assert (view.description, view.events) == ("", ["email.failed"])
    rotated = await visitor.submit(path, f"{path}/rotate")
    assert "whsec_" in rotated.text
    assert secret not in rotated.text
    wrong = await visitor.submit("/webhooks", "/webhooks", url="ftp://x", events="email.sent")
    assert (wrong.status_code, 'value="ftp://x"' in wrong.text) == (400, True)
    await visitor.submit(path, f"{path}/delete")
    assert (await owner.webhooks.list()).items == []


async def test_suppressions_of_an_agent(visitor: Visitor, agent: Session) -> None:
    await visitor.submit(
        "/suppressions", "/suppressions", agent=ASSISTANT, address="bob@example.org", reason=HOSTILE
    )
    page = await visitor.read(f"/suppressions?agent={ASSISTANT}")
    assert "bob@example.org" in page
    assert "[U+202E]" in page
    with pytest.raises(RecipientSuppressed):
        await send(agent)
    await visitor.submit(f"/suppressions?agent={ASSISTANT}", "/suppressions/lift")
    assert (await send(agent)).status
    assert "Nobody is suppressed" in await visitor.read("/suppressions")


async def test_contacts_one_by_one_and_many(visitor: Visitor, owner: Session) -> None:
    await visitor.submit("/contacts", "/contacts", address="ann@example.org", name=HOSTILE)
    page = await visitor.read("/contacts")
    assert "<script>alert" not in page
    assert "[U+202E]" in page
    lines = 'bob@example.org, Bob\r\n"Carl" carl@example.org\r\n\r\ndan@example.org'
    done = await visitor.submit("/contacts", "/contacts/import", lines=lines)
    assert "2 contacts added" in done.text
    assert "carl@example.org" in done.text.partition("not taken")[2]
    [batch] = re.findall(r'href="(/contacts\?batch=[^"]+)"', done.text)
    await visitor.submit(batch, "/contacts/undo")
    assert [item.address for item in (await owner.contacts.list(ContactQuery())).items] == ["ann@example.org"]
    one = "/contacts/one?address=ann@example.org"
    await visitor.submit(one, "/contacts/rename", name="Ann")
    assert "Ann" in await visitor.read(one)
    await visitor.submit(one, "/contacts/delete")
    assert (await visitor.get(one)).status_code == 404


async def test_templates_are_shown_filled_in_before_they_are_saved(visitor: Visitor, owner: Session) -> None:
    parts = {"name": HOSTILE, "subject": "Hi {{name}}", "text": "Dear {{name}},", "html": "<p>{{name}}</p>"}
    shown = await visitor.submit(
        "/templates/new", "/templates/new", **parts, data='{"name": "<b>Ann"}', do="preview"
    )
    assert "Dear &lt;b&gt;Ann," in shown.text
    assert (await owner.templates.list()).items == []
    wrong = await visitor.submit(
        "/templates/new", "/templates/new", **{**parts, "text": "{{#each}}"}, do="preview"
    )
    assert "What is wrong with it" in wrong.text
    assert (
        await visitor.submit("/templates/new", "/templates/new", **parts, data="{", do="preview")
    ).status_code == 400
    made = await visitor.submit("/templates/new", "/templates/new", **parts)
    path = made.headers["location"].partition("?")[0]
    page = await visitor.read(path)
    assert "<script>alert" not in page
    assert "Dear {{name}}," in page
    await visitor.submit(path, path, **{**parts, "name": "Plain", "html": ""})
    [view] = (await owner.templates.list()).items
    assert (view.name, (await owner.templates.get(view.id)).html) == ("Plain", None)
    await visitor.submit("/templates", "/templates/copy")
    assert len((await owner.templates.list()).items) == 2
    await visitor.submit(path, f"{path}/delete")
    assert (await visitor.get(path)).status_code == 404


async def test_figures_are_drawn(visitor: Visitor, home: Home, agent: Session) -> None:
    assert "<svg" not in await visitor.read("/figures?days=7")
    assert (await home.deliver()).accepted
    await send(agent)
    page = await visitor.read("/figures?days=7")
    assert page.count("<svg") >= 2
    assert "1 received" in page
    assert f"/agents/{ASSISTANT.replace('@', '%40')}" in page


async def test_looking_writes_nothing_to_the_audit_log(visitor: Visitor, home: Home, owner: Session) -> None:
    before = (await owner.audit.list(AuditQuery(limit=1))).items[0].number
    made = await owner.templates.create(CreateTemplateRequest(name="T", subject="s", text="t"))
    for path in (
        "/templates",
        f"/templates/{made.id}",
        "/webhooks",
        "/contacts",
        "/figures",
        "/settings",
        "/keys",
    ):
        await visitor.read(path)
    assert (await owner.audit.list(AuditQuery(limit=1))).items[0].number == before + 1
