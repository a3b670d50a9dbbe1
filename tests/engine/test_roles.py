"""Mailboxes that are no agent's: a domain's roles, and what is written to the sender of hold notices."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from e2a_core.accounts.credentials import mint_key
from e2a_core.agents.queries import AgentRow, insert_agent
from e2a_core.contract.agents import CreateAgentRequest, CreateDelegationRequest
from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.engine import Engine, Session
from e2a_core.errors import (
    DomainHasAgents,
    E2AError,
    Forbidden,
    InvalidRequest,
    InvalidSlug,
    NotFound,
    Unauthorized,
)
from e2a_core.store.statement import sql
from tests.engine.mailbox import inbox, send, settled, wait_for_mail
from tests.support.home import ASSISTANT, SHARED, EventLog, Home, stranger
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

POSTMASTER, ABUSE, NOTICES = (f"{local}@{SHARED}" for local in ("postmaster", "abuse", "hitl-noreply"))
DOMAIN = "corp.example"


async def rows(home: Home, text: str, **values: Any) -> list[dict[str, object]]:
    return [dict(row) for row in await home.local.core.db.read(sql(text, **values))]


async def made_before(home: Home, email: str, account_id: str | None = None) -> str:
    """An agent of a time when the address could be had; returns an agent key for it."""
    core = home.local.core
    [owner] = await rows(home, "SELECT account_id FROM agents WHERE email = :email", email=ASSISTANT)
    owner_id = account_id or str(owner["account_id"])
    domain = email.partition("@")[2]
    agent = AgentRow(email, owner_id, domain, domain, "", "{}", 1, None, True)
    await core.db.write([insert_agent(agent)])
    return (await mint_key(core, owner_id, scope="agent", agent_email=email)).plaintext


async def kept_before(home: Home, email: str, account_id: str) -> str:
    """The id of a message that such an agent received in its time."""
    message_id = home.local.core.ids.message()
    await home.local.core.db.write(
        [
            sql(
                "INSERT INTO messages (id, account_id, agent_email, direction, thread_id, created_at) "
                "VALUES (:id, :account, :email, 'inbound', 't', 1)",
                id=message_id,
                account=account_id,
                email=email,
            )
        ]
    )
    return message_id


async def registered(home: Home, domain: str, account_id: str) -> None:
    await home.local.core.db.write(
        [
            sql(
                "INSERT INTO domains (domain, account_id, created_at, verified_at) VALUES (:domain, :account, 1, 1)",
                domain=domain,
                account=account_id,
            )
        ]
    )


async def test_the_roles_reach_the_owner_and_no_agent(home: Home, owner: Session, agent: Session) -> None:
    before = (await owner.account.get()).usage.agents
    async with EventLog(agent) as log:
        for address in ("postmaster", f"Postmaster@{SHARED}", f"postmaster+x@{SHARED}", f"ABUSE@{SHARED}"):
            assert (await home.deliver(to=address)).accepted, address
        assert (await home.deliver(to=ASSISTANT)).accepted
        await log.wait("email.received")
        assert {event.data["agent_email"] for event in log.seen} == {ASSISTANT}
    assert (await wait_for_mail(owner, POSTMASTER, 3))[0].delivered_to == "postmaster"
    assert len(await inbox(owner, ABUSE)) == 1
    assert len(await inbox(agent)) == 1
    assert (await owner.account.get()).usage.agents == before, "nobody made these"
    for role in (POSTMASTER, ABUSE, f" {POSTMASTER.upper()} "):
        with pytest.raises(Forbidden):
            await inbox(agent, role)
        with pytest.raises(InvalidRequest):
            await owner.api_keys.create(CreateAPIKeyRequest(name="x", scope="agent", agent_email=role))
        with pytest.raises(InvalidRequest):
            await owner.agents.delegate(role, CreateDelegationRequest(human="ann@example.org"))
        with pytest.raises(InvalidRequest):
            await owner.agents.delete(role)
    assert (await owner.agents.delete(ABUSE, permanent=True)).messages_deleted == 1
    assert (await home.deliver(to=ABUSE)).accepted
    assert len(await inbox(owner, ABUSE)) == 1


async def test_many_first_mails_at_once_make_one_mailbox(home: Home, owner: Session) -> None:
    exchanges = await asyncio.gather(*(home.deliver(to=[POSTMASTER, ABUSE, NOTICES]) for _ in range(8)))
    assert all(item.accepted for item in exchanges)
    assert len(await inbox(owner, POSTMASTER)) == 8
    assert len(await inbox(owner, ABUSE)) == 8
    [stored] = await rows(home, "SELECT COUNT(*) AS n FROM messages WHERE account_id = 'usr_system'")
    assert stored["n"] == 8


async def test_an_agent_may_write_to_a_role_and_not_read_there(
    home: Home, owner: Session, agent: Session
) -> None:
    result = await send(agent, to=[POSTMASTER])
    await settled(agent, result.message_id)
    [received] = await wait_for_mail(owner, POSTMASTER)
    assert received.author_agent == ASSISTANT


async def test_a_role_made_before_as_an_agent_is_the_owner_s_now(
    home: Home, owner: Session, engine: Engine
) -> None:
    for email in (POSTMASTER, f"abuse+desk@{SHARED}"):
        key = await made_before(home, email)
        with pytest.raises(Unauthorized):
            await engine.session(key)
        assert (await home.deliver(to=email)).accepted
        assert len(await inbox(owner, email)) == 1
        with pytest.raises(Forbidden):
            await engine.home_session(agent_email=email.upper(), scope="agent")
        session = await engine.home_session(agent_email=email, scope="account")
        assert len(await inbox(session, email)) == 1
    # It is older than the first inbox, and yet not what a home acts as.
    assert (await home.local.home_session(scope="agent")).principal.agent_email == ASSISTANT


@pytest.mark.parametrize("kind", ["bounce", "reply"])
async def test_answers_to_notices_reach_nobody(home: Home, owner: Session, engine: Engine, kind: str) -> None:
    before = {item.email for item in (await owner.agents.list()).items}
    sender = "" if kind == "bounce" else "boss@example.org"
    for address in (NOTICES, NOTICES.upper(), f"hitl-noreply+x@{SHARED}", f'"hitl-noreply"@{SHARED}'):
        assert (await home.deliver(to=address, mail_from=sender, text="/v1/approve?t=secret")).accepted
    stored = await rows(home, "SELECT agent_email, account_id, deleted_at FROM messages")
    assert len(stored) == 4, "a 250 is a committed message"
    assert {row["account_id"] for row in stored} == {"usr_system"}
    assert all(row["deleted_at"] for row in stored), "its time runs out at once"
    [mailbox] = {str(row["agent_email"]) for row in stored}
    assert {item.email for item in (await owner.agents.list()).items} == before
    for email in (NOTICES, mailbox, mailbox.lower(), f"hitl-noreply+x@{SHARED}"):
        for scope in ("agent", "account"):
            with pytest.raises(NotFound):
                await home.local.home_session(agent_email=email, scope=scope)
        for attempt in (
            owner.agents.get(email),
            inbox(owner, email, deleted=True),
            owner.agents.restore(email),
            owner.agents.delete(email, permanent=True),
            owner.api_keys.create(CreateAPIKeyRequest(name="x", scope="agent", agent_email=email)),
        ):
            with pytest.raises(NotFound):
                await attempt
        with pytest.raises(E2AError):
            await owner.agents.create(CreateAgentRequest(email=email))
    keys = await rows(home, "SELECT id FROM api_keys WHERE account_id = 'usr_system'")
    assert keys == []


async def test_the_mail_nobody_reads_is_not_kept(home: Home) -> None:
    assert (await home.deliver(to=NOTICES)).accepted
    await home.advance(days=home.local.core.settings.trash_retention_days + 1)

    async def gone() -> bool:
        return not await rows(home, "SELECT id FROM messages")

    await until(gone)


async def test_an_inbox_that_took_the_notice_sender_s_address_before_gets_and_reads_nothing(
    home: Home, owner: Session, engine: Engine
) -> None:
    foreign = await engine.session(await stranger(home, f"foreigner@{SHARED}"))
    key = await made_before(home, NOTICES, foreign.principal.account_id)
    async with EventLog(foreign) as log:
        assert (await home.deliver(to=NOTICES)).accepted
        assert (await home.deliver(to=f"foreigner@{SHARED}")).accepted
        await log.wait("email.received")
        assert {event.data["agent_email"] for event in log.seen} == {f"foreigner@{SHARED}"}
    with pytest.raises(Unauthorized):
        await engine.session(key)
    with pytest.raises(NotFound):
        await inbox(foreign, NOTICES)
    old = await kept_before(home, NOTICES, foreign.principal.account_id)
    with pytest.raises(NotFound):
        await foreign.reviews.get(old)
    exported = (await foreign.account.export()).model_dump_json()
    assert old not in exported
    assert NOTICES not in exported
    assert [item.email for item in (await foreign.agents.list()).items] == [f"foreigner@{SHARED}"]


@pytest.mark.parametrize(
    "local", ["hitl-noreply", "HITL-noreply+x", "Admin", "webmaster", "postmaster", "ssladmin"]
)
async def test_reserved_names_cannot_be_registered(home: Home, owner: Session, local: str) -> None:
    await registered(home, DOMAIN, owner.principal.account_id)
    for domain in (DOMAIN, DOMAIN.upper()):
        with pytest.raises(InvalidSlug) as refusal:
            await owner.agents.create(CreateAgentRequest(email=f"{local}@{domain}"))
        assert refusal.value.fields[0][0] == "body.email"
    with pytest.raises(InvalidSlug):
        await owner.agents.create(CreateAgentRequest(email=f"{local}@{SHARED}"))
    await owner.agents.create(CreateAgentRequest(email=f"sales@{SHARED}"))
    await owner.agents.create(CreateAgentRequest(email=f"info@{DOMAIN}"))


async def test_roles_go_with_their_domain_and_keep_nobody_from_deleting_it(
    home: Home, owner: Session
) -> None:
    await registered(home, DOMAIN, owner.principal.account_id)
    await owner.agents.create(CreateAgentRequest(email=f"bot@{DOMAIN}"))
    for local in ("postmaster", "abuse", "hitl-noreply"):
        assert (await home.deliver(to=f"{local}@{DOMAIN}")).accepted
    with pytest.raises(DomainHasAgents):
        await owner.domains.delete(DOMAIN)
    assert len(await inbox(owner, f"abuse@{DOMAIN}")) == 1, "nothing is lost while the domain stays"
    await owner.agents.delete(f"bot@{DOMAIN}", permanent=True)
    assert (await owner.domains.delete(DOMAIN)).deleted
    left = await rows(home, "SELECT email FROM agents WHERE domain = :domain", domain=DOMAIN)
    assert left == []
    refused = await home.deliver(to=[f"postmaster@{DOMAIN}", f"hitl-noreply@{DOMAIN}"])
    assert [reply.code for reply in refused.recipients.values()] == [550, 550]


async def test_an_account_with_a_domain_and_roles_can_be_deleted(home: Home, engine: Engine) -> None:
    foreign = await engine.session(await stranger(home, f"foreigner@{SHARED}"))
    await registered(home, DOMAIN, foreign.principal.account_id)
    for local in ("postmaster", "hitl-noreply"):
        assert (await home.deliver(to=f"{local}@{DOMAIN}")).accepted
    assert (await foreign.account.delete()).deleted
    assert await rows(home, "SELECT domain FROM domains WHERE domain = :domain", domain=DOMAIN) == []
