"""What the public client builds on: typed errors, pages, repeats, entity tags, and the older review routes."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from e2a.v1 import AsyncE2AClient
from e2a.v1.errors import (
    E2AAuthError,
    E2AConflictError,
    E2AError,
    E2AIdempotencyError,
    E2ANotFoundError,
    E2APermissionError,
    E2AValidationError,
)

from tests.client.conftest import Tenant
from tests.client.driving import Driver
from tests.support.serving import Served
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

HOLD_EVERYTHING = {
    "inbound": {"gate": {}, "scan": {}},
    "outbound": {"gate": {"policy": "allowlist", "action": "review"}, "scan": {}},
    "holds": {},
}


async def test_errors_arrive_as_their_types(served: Served, tenant: Tenant, driver: Driver) -> None:
    inbox = tenant.address("errors")
    await driver.agents.create({"email": inbox})

    async def refused(kind: type[E2AError], call: Any, code: str, status: int) -> E2AError:
        with pytest.raises(kind) as caught:
            await call
        assert (caught.value.code, caught.value.status) == (code, status)
        assert (caught.value.request_id or "").startswith("req_")
        return caught.value

    await refused(E2AConflictError, driver.agents.create({"email": inbox}), "agent_taken", 409)
    await refused(E2ANotFoundError, driver.agents.get("nobody@agents.example"), "not_found", 404)
    await refused(
        E2AValidationError, driver.agents.create({"email": "A_b@agents.example"}), "invalid_slug", 400
    )
    nobody = {"to": [], "subject": "s", "text": "t"}
    await refused(E2AValidationError, driver.messages.send(inbox, nobody), "invalid_request", 400)
    many = {"to": [f"p{number}@example.org" for number in range(51)], "subject": "s", "text": "t"}
    told = await refused(E2AValidationError, driver.messages.send(inbox, many), "too_many_recipients", 400)
    assert told.details == {"max_recipients": 50, "provided": 51}
    pager = driver.messages.list(inbox, limit=1)
    await refused(E2AValidationError, pager.page("not-a-cursor"), "invalid_cursor", 400)
    await driver.agents.create_suppression(inbox, {"address": "bob@example.org"})
    mail = {"to": ["bob@example.org"], "subject": "s", "text": "t"}
    await refused(E2AValidationError, driver.messages.send(inbox, mail), "recipient_suppressed", 422)
    bound = await driver.account.api_keys.create({"scope": "agent", "agent_email": inbox})
    async with AsyncE2AClient(bound.key, base_url=served.url) as agent:
        assert (await agent.account.get()).agent_email == inbox
        await refused(E2APermissionError, agent.agents.list().page(), "forbidden", 403)
    await driver.account.api_keys.delete(bound.id)
    async with AsyncE2AClient(bound.key, base_url=served.url) as agent:
        await refused(E2AAuthError, agent.account.get(), "unauthorized", 401)


async def test_pages_lead_through_the_whole_list(tenant: Tenant, driver: Driver) -> None:
    addresses = [tenant.address(f"page{number}") for number in range(5)]
    for address in addresses:
        await driver.agents.create({"email": address})
    newest_first = addresses[::-1]
    pager = driver.agents.list(limit=2)
    assert [item.email for item in await pager.to_list(limit=100)] == newest_first
    first = await pager.page()
    second = await pager.page(first.next_cursor)
    third = await pager.page(second.next_cursor)
    assert [len(page.items) for page in (first, second, third)] == [2, 2, 1]
    assert third.next_cursor is None
    with pytest.raises(E2AValidationError) as caught:
        await driver.agents.list(limit=2, deleted=True).page(first.next_cursor)
    assert caught.value.code == "invalid_cursor"


async def test_a_repeat_with_its_key_is_the_first_answer(tenant: Tenant, driver: Driver) -> None:
    inbox = tenant.address("repeat")
    await driver.agents.create({"email": inbox})
    mail = {"to": ["bob@example.org"], "subject": "Once", "text": "only"}
    first, second = [await driver.messages.send(inbox, mail, idempotency_key="the same") for _ in range(2)]
    assert first == second
    assert len(await driver.messages.list(inbox, direction="outbound").to_list(limit=10)) == 1
    with pytest.raises(E2AIdempotencyError) as caught:
        await driver.messages.send(inbox, {**mail, "text": "other"}, idempotency_key="the same")
    assert (caught.value.code, caught.value.status) == ("idempotency_key_reuse", 422)
    keys = [await driver.account.api_keys.create({"name": "k"}, idempotency_key="k1") for _ in range(2)]
    assert keys[0].key == keys[1].key
    with pytest.raises(E2AValidationError):
        await driver.messages.send(inbox, {**mail, "to": []}, idempotency_key="failed once")
    retried = await driver.messages.send(inbox, mail, idempotency_key="failed once")
    assert retried.message_id != first.message_id


async def test_repeats_at_the_same_time_send_once(tenant: Tenant, driver: Driver) -> None:
    inbox = tenant.address("race")
    await driver.agents.create({"email": inbox})
    mail = {"to": ["bob@example.org"], "subject": "Once", "text": "only"}
    results = await asyncio.gather(
        *(driver.messages.send(inbox, mail, idempotency_key="race") for _ in range(6)),
        return_exceptions=True,
    )
    refused = [item for item in results if isinstance(item, Exception)]
    assert {getattr(item, "code", item) for item in refused} <= {"idempotency_in_flight"}
    assert len({item.message_id for item in results if not isinstance(item, BaseException)}) == 1
    assert len(await driver.messages.list(inbox, direction="outbound").to_list(limit=10)) == 1


async def test_a_stale_entity_tag_changes_nothing(tenant: Tenant, driver: Driver) -> None:
    inbox = tenant.address("tags")
    await driver.agents.create({"email": inbox})
    await driver.contacts.create({"address": "bob@example.org", "display_name": "one"})
    _, tag = await driver.contacts.get_with_etag("bob@example.org")
    await driver.contacts.update("bob@example.org", {"display_name": "two"}, if_match=tag)
    with pytest.raises(E2AError) as caught:
        await driver.contacts.update("bob@example.org", {"display_name": "three"}, if_match=tag)
    assert (caught.value.code, caught.value.status) == ("precondition_failed", 412)
    assert (await driver.contacts.get("bob@example.org")).display_name == "two"
    await driver.contacts.set_outreach(inbox, "bob@example.org", {"stage": "one"})
    _, tag = await driver.contacts.get_outreach_with_etag(inbox, "bob@example.org")
    await driver.contacts.set_outreach(inbox, "bob@example.org", {"stage": "two"}, if_match=tag)
    with pytest.raises(E2AError) as caught:
        await driver.contacts.set_outreach(inbox, "bob@example.org", {"stage": "three"}, if_match=tag)
    assert caught.value.code == "precondition_failed"


async def test_the_deprecated_review_routes_still_decide(
    served: Served, tenant: Tenant, driver: Driver
) -> None:
    inbox = tenant.address("older")
    await driver.agents.create({"email": inbox})
    await driver.agents.replace_protection(inbox, HOLD_EVERYTHING)
    mail = {"to": ["bob@example.org"], "subject": "s", "text": "t"}
    held = [(await driver.messages.send(inbox, mail)).message_id for _ in range(2)]
    base = f"{served.url}/v1/agents/{inbox}/messages"
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {tenant.key}"}, timeout=PATIENCE_SECONDS
    ) as plain:
        approved = await plain.post(f"{base}/{held[0]}/approve", json={})
        assert (approved.status_code, approved.json()["status"]) == (202, "accepted")
        again = await plain.post(f"{base}/{held[0]}/approve", json={})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "message_not_pending")
        rejected = await plain.post(f"{base}/{held[1]}/reject", json={"reason": "no"})
        assert (rejected.status_code, rejected.json()["status"]) == (200, "review_rejected")
        elsewhere = await plain.post(
            f"{served.url}/v1/agents/{tenant.address('other')}/messages/{held[1]}/approve", json={}
        )
        assert elsewhere.status_code == 404
