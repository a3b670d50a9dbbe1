"""The caps of a plan on mail: who is refused what once they are reached, and when there is room again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from e2a_core.contract.domains import RegisterDomainRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.reviews import ApproveRequest, RejectRequest
from e2a_core.contract.sending import ForwardRequest, ReplyRequest, SendOptions
from e2a_core.errors import LimitExceeded
from tests.engine.mailbox import HELPER, arrived, make_helper, protect, send, settled
from tests.support.home import ASSISTANT, SHARED, Home, stranger

pytestmark = pytest.mark.anyio

FOREIGNER = f"foreigner@{SHARED}"


async def refused(sending: Callable[[], Awaitable[object]], resource: str, limit: int, current: int) -> None:
    with pytest.raises(LimitExceeded) as refusal:
        await sending()
    assert refusal.value.status == 402
    details = refusal.value.details or {}
    assert {name: details[name] for name in ("resource", "limit", "current")} == {
        "resource": resource,
        "limit": limit,
        "current": current,
    }


@pytest.mark.settings(max_messages_month="3")
async def test_messages_of_a_month(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    await home.deliver(subject="hello")
    parent = (await arrived(agent)).id
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    held = await send(agent)
    await protect(owner)
    await send(agent)
    options = SendOptions()
    for sending in (
        lambda: send(agent),
        lambda: send(owner, email=HELPER),
        lambda: agent.messages.reply(ASSISTANT, parent, ReplyRequest(text="t"), options),
        lambda: agent.messages.forward(
            ASSISTANT, parent, ForwardRequest(to=["b@example.org"], text=""), options
        ),
        lambda: agent.agents.test(ASSISTANT),
    ):
        await refused(sending, "messages_month", 3, 3)
    assert (await home.deliver()).recipients[ASSISTANT].code == 552
    assert (await owner.reviews.approve(held.message_id, ApproveRequest())).status == "accepted"
    assert (await owner.account.get()).limits.max_messages_month == 3

    other = await home.local.session(await stranger(home, FOREIGNER))
    await send(other, email=FOREIGNER)
    home.clock.advance(days=31)
    await send(agent)


@pytest.mark.settings(max_storage_bytes="5000")
async def test_octets_stored(home: Home, owner: Session, agent: Session) -> None:
    first = await send(agent, text="x" * 5000)
    await settled(agent, first.message_id)
    used = (await owner.account.get()).usage.storage_bytes
    await refused(lambda: send(agent), "storage_bytes", 5000, used)
    exchange = await home.deliver()
    assert (exchange.recipients[ASSISTANT].code, exchange.recipients[ASSISTANT].enhanced) == (552, "5.2.2")
    await agent.messages.delete(ASSISTANT, first.message_id)
    await refused(lambda: send(agent), "storage_bytes", 5000, used)
    await owner.messages.delete(ASSISTANT, first.message_id, permanent=True)
    home.clock.advance(minutes=2)
    await send(agent)


async def test_without_a_limit_the_plan_tells_what_a_runaway_client_may_do(owner: Session) -> None:
    limits = (await owner.account.get()).limits
    assert (limits.max_messages_month, limits.max_storage_bytes) == (1_000_000_000, 2**50)


@pytest.mark.settings(max_storage_bytes="20000")
async def test_held_drafts_count_against_the_storage(home: Home, owner: Session, agent: Session) -> None:
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    file = {"filename": "a.bin", "content_type": "application/octet-stream", "data": "QUFB" * 4000}
    held = await send(agent, attachments=[file])
    assert 16_000 < (await owner.account.get()).usage.storage_bytes < 17_000
    another = await send(agent, attachments=[file], subject="Another")
    with pytest.raises(LimitExceeded):
        await send(agent, subject="A third")
    for item in (held, another):
        await owner.reviews.reject(item.message_id, RejectRequest())
    assert (await owner.account.get()).usage.storage_bytes == 0


@pytest.mark.settings(max_agents="2", max_domains="1")
async def test_inboxes_and_domains_are_capped(owner: Session) -> None:
    await make_helper(owner)
    await refused(lambda: make_helper(owner, f"third@{SHARED}"), "agents", 2, 2)
    await owner.domains.register(RegisterDomainRequest(domain="one.example.com"))
    await refused(
        lambda: owner.domains.register(RegisterDomainRequest(domain="two.example.com")), "domains", 1, 1
    )
    limits = (await owner.account.get()).limits
    assert (limits.max_agents, limits.max_domains) == (2, 1)
