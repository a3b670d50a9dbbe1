"""The export holds everything and no secret; deletion leaves nothing."""

from __future__ import annotations

import base64
import json

import pytest
from e2a.v1.generated.models.user_export import UserExport as ClientExport

from e2a_core.accounts.credentials import authenticate, mint_key
from e2a_core.clock import to_micros
from e2a_core.contract.contacts import ImportContactsRequest
from e2a_core.contract.principal import Principal
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.core import Core
from e2a_core.errors import Forbidden, NotFound, SendInProgress, Unauthorized
from e2a_core.local.account import Account
from e2a_core.local.contacts import Contacts
from e2a_core.local.suppressions import Suppressions
from e2a_core.people.links import mint_link, redeem
from e2a_core.push.cursors import Place
from e2a_core.store.jobs import enqueue
from e2a_core.store.statement import first, sql
from e2a_core.subscriptions import queries as subscription_queries
from e2a_core.suppressions.queries import insert, insert_token
from e2a_core.webhooks import delivery_queries
from e2a_core.webhooks import queries as webhook_queries
from tests.support.clock import ManualClock
from tests.support.deployment import (
    account,
    agent_credential,
    insert_message,
    make_agent,
    register_domain,
)

pytestmark = pytest.mark.anyio

BOT = "bot@agents.localhost"
OTHER_BOT = "other@agents.localhost"
EXPIRY = 1_800_000_000_000_000


async def furnish(core: Core, owner: Principal, bot: str = BOT) -> str:
    """An account with something in every table; returns the plaintext of its key."""
    now = to_micros(core.clock.now())
    await make_agent(core, owner, bot)
    await register_domain(core, owner, f"{bot.partition('@')[0]}.example")
    key = await mint_key(core, owner.account_id, name="k")
    await insert_message(
        core,
        owner,
        bot,
        content=f"mail of {bot}".encode(),
        trace="Received: x\r\n",
        to_addresses='["a@example.org"]',
    )
    await insert_message(core, owner, bot, content=b"mail of several", deleted_at=now)
    held = await insert_message(
        core, owner, bot, direction="outbound", status="pending_review", draft='{"text": "T", "html": null}'
    )
    await Suppressions(core, owner).create_for_agent(
        bot, CreateAgentSuppressionRequest(address="ann@example.org")
    )
    await Contacts(core, owner).import_rows(
        ImportContactsRequest.model_validate({"contacts": [{"address": "c@example.org"}], "agent_email": bot})
    )
    await core.db.write(
        [
            insert(owner.account_id, "bob@example.org", "bounce", None, held, now),
            insert_token(f"digest of {bot}", owner.account_id, bot, "ann@example.org", now),
            enqueue(
                "hold_expiry",
                {"message_id": held},
                run_at=core.clock.now(),
                id=core.ids.job(),
                now=core.clock.now(),
            ),
        ]
    )
    await subscribe(core, owner, bot)
    await people(core, owner)
    return key.plaintext


async def people(core: Core, owner: Principal) -> None:
    """A reviewer with a session, and a link for another one."""
    link = await mint_link(core, owner.account_id, role="reviewer", email="rita@example.org", name="Rita")
    await redeem(core, link.partition("t=")[2], "Browser/1")
    await mint_link(core, owner.account_id)


async def subscribe(core: Core, owner: Principal, bot: str) -> None:
    """A webhook with a delivery, and a subscription of an MCP client, with the jobs of both."""
    now = core.clock.now()
    hook = {
        "id": core.ids.webhook(),
        "account_id": owner.account_id,
        "url": f"https://hooks.example/{bot}",
        "events": '["email.received"]',
        "filters": '{"labels": ["urgent"]}',
        "secret": f"sealed secret of {bot}",
        "previous_secret": f"sealed secret before of {bot}",
        "created_at": to_micros(now),
    }
    subscription = {
        "id": f"sub_{bot}",
        "account_id": owner.account_id,
        "principal": f"hash of {bot}",
        "scope": "agent",
        "url": "https://callback.example/",
        "filters": json.dumps({"name": "email.received", "agent_email": bot}),
        "controls": 1,
        "secret": f"sealed secret of {bot}",
        "expires_at": EXPIRY,
        "created_at": to_micros(now),
    }
    await core.db.write(
        [
            *webhook_queries.insert(hook, 50),
            delivery_queries.insert(
                core.ids.delivery(), str(hook["id"]), kind="test", type="email.received", now=1, body="{}"
            ),
            delivery_queries.wake(str(hook["id"]), ids=core.ids, now=now),
            subscription_queries.insert(subscription, Place(0, now)),
            subscription_queries.wake(str(subscription["id"]), ids=core.ids, now=now),
        ]
    )


async def test_the_document(core: Core, owner: Principal, clock: ManualClock) -> None:
    key = await furnish(core, owner)
    other = await account(core, "other@example.org")
    await furnish(core, other, OTHER_BOT)
    document = (await Account(core, owner).export()).to_wire()
    parsed = ClientExport.from_json(json.dumps(document))
    assert parsed is not None
    assert (parsed.schema_version, parsed.user.email) == ("4", "owner@example.org")
    [agent] = parsed.agents
    assert (agent.email, agent.inbound_7d, agent.pending_count, agent.inbound_policy) == (BOT, 2, 1, "open")
    [domain] = parsed.domains
    assert (domain.domain, domain.verified) == ("bot.example", True)
    assert [item.key_prefix for item in parsed.api_keys] == [key[: len(parsed.api_keys[0].key_prefix)]]
    first, trashed, held = document["messages"]
    assert base64.b64decode(first["raw_message"]) == b"Received: x\r\nmail of " + BOT.encode()
    assert (first["to"], first["expires_at"], first["envelope_from"]) == (["a@example.org"], None, None)
    assert "deleted_at" in trashed
    assert (held["text"], "raw_message" in held) == ("T", False)
    assert {(item.address, item.agent_email, item.source) for item in parsed.suppressions} == {
        ("bob@example.org", None, "bounce"),
        ("ann@example.org", BOT, "manual"),
    }
    assert [item["address"] for item in document["contacts"]] == ["c@example.org"]
    assert [item["agent_email"] for item in document["engagements"]] == [BOT]
    [webhook] = document["webhooks"]
    assert (webhook["url"], webhook["events"], webhook["filters"], webhook["enabled"]) == (
        f"https://hooks.example/{BOT}",
        ["email.received"],
        {"labels": ["urgent"]},
        True,
    )
    [subscription] = document["event_subscriptions"]
    assert (subscription["url"], subscription["filters"]["agent_email"], subscription["expires_at"]) == (
        "https://callback.example/",
        BOT,
        "2027-01-15T08:00:00Z",
    )
    [person] = document["people"]
    assert (person["email"], person["name"], person["role"]) == ("rita@example.org", "Rita", "reviewer")
    [session] = document["sessions"]
    assert (session["person_id"], session["user_agent"]) == (person["id"], "Browser/1")
    text = json.dumps(document)
    for secret in ("token_hash", key, "digest of", "key_hash", OTHER_BOT, "secret", "hash of"):
        assert secret not in text


async def rows_by_table(core: Core) -> dict[str, int]:
    tables = [
        "accounts", "domains", "agents", "api_keys", "messages", "raw_messages", "message_search", "events", "jobs",
        "idempotency", "suppressions", "agent_suppressions", "unsubscribe_tokens", "contacts", "engagements",
        "import_batches", "message_labels", "lifecycle", "protection_events", "templates", "delegations",
        "webhooks", "webhook_deliveries", "event_subscriptions",
        "people", "sign_in_links", "sessions",
        "passkeys", "sign_in_attempts", "identities", "audit_log", "audit_heads", "audit_open",
    ]  # fmt: skip
    found = {}
    for table in tables:
        row = first(await core.db.read(sql(f"SELECT COUNT(*) AS n FROM {table}")))
        found[table] = int(row["n"]) if row else -1
    return found


async def test_deletion_leaves_nothing(core: Core, owner: Principal) -> None:
    other = await account(core, "other@example.org")
    await furnish(core, other, OTHER_BOT)
    before = await rows_by_table(core)
    key = await furnish(core, owner)
    await core.db.write([sql("DELETE FROM accounts WHERE email = 'nobody'")])
    receipt = await Account(core, owner).delete()
    assert receipt.to_wire() == {
        "deleted": True,
        "user_deleted": True,
        "messages_deleted": 3,
        "agents_deleted": 1,
        "domains_deleted": 1,
        "api_keys_deleted": 1,
        "agent_suppressions_deleted": 1,
        "agent_unsubscribe_tokens_deleted": 1,
        "sessions_deleted": 1,
        "usage_events_deleted": 0,
        "usage_summaries_deleted": 0,
    }
    after = await rows_by_table(core)
    assert after == {**before, "accounts": before["accounts"] - 1}
    with pytest.raises(Unauthorized):
        await authenticate(core, key)
    with pytest.raises(NotFound):
        await Account(core, owner).delete()
    # What both had been sent is still the other's.
    shared = await core.db.read(sql("SELECT data FROM raw_messages"))
    assert b"mail of several" in {bytes(row["data"]) for row in shared}


async def test_an_account_that_is_sending_stays(core: Core, owner: Principal, clock: ManualClock) -> None:
    await furnish(core, owner)
    now = to_micros(clock.now())
    await insert_message(core, owner, BOT, direction="outbound", delivery_status="sending", claimed_at=now)
    before = await rows_by_table(core)
    with pytest.raises(SendInProgress):
        await Account(core, owner).delete()
    assert await rows_by_table(core) == before
    clock.advance(minutes=11)
    assert (await Account(core, owner).delete()).user_deleted


async def test_only_the_account_itself(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    bound = Account(core, agent_credential(owner, BOT))
    for call in (bound.export(), bound.delete()):
        with pytest.raises(Forbidden):
            await call
