"""Figures over mail whose fate is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from e2a_core.clock import rfc3339, to_micros
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import Forbidden, InvalidFilter, InvalidRequest, NotFound
from e2a_core.local.metrics import Metrics
from e2a_core.messages.lifecycle import record
from e2a_core.messages.queries import by_id
from e2a_core.messages.rows import MessageRow
from tests.support.clock import ManualClock
from tests.support.deployment import account, agent_credential, insert_message, make_agent

pytestmark = pytest.mark.anyio

BOT = "bot@agents.localhost"
HELPER = "helper@agents.localhost"

ACCEPTED = "acceptance.outbound_api"
LEFT = "submission.upstream_accepted"
STAYED = "submission.local_loopback_accepted"


async def mail(core: Core, owner: Principal, *reasons: str, agent: str = BOT, method: str = "smtp") -> None:
    direction = "outbound" if ACCEPTED in reasons else "inbound"
    message_id = await insert_message(core, owner, agent, direction=direction, method=method)
    now = to_micros(core.clock.now())
    [stored] = await core.db.read(by_id(agent, message_id))
    row = MessageRow.from_store(stored)
    await core.db.write(
        [
            record(core.ids, row, reason, now, dedupe=f"{index}", recipient=None)
            for index, reason in enumerate(reasons)
        ]
    )


async def a_days_mail(core: Core, owner: Principal) -> None:
    await mail(core, owner, ACCEPTED, "submission.temporary_failure", "submission.temporary_failure", LEFT,
               "delivery.recipient_server_accepted", "complaint.recipient_reported")  # fmt: skip
    await mail(core, owner, ACCEPTED, LEFT, "delivery.permanent_bounce")
    await mail(core, owner, ACCEPTED, LEFT, STAYED, "delivery.recipient_server_accepted")
    await mail(core, owner, ACCEPTED, STAYED, method="loopback")
    await mail(core, owner, ACCEPTED, "suppression.recipient_blocked", "submission.cancelled")
    await mail(core, owner, "acceptance.inbound_smtp", "authentication.dmarc_temporary_error")
    await mail(core, owner, agent=HELPER)


async def test_figures_and_their_denominators(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    await make_agent(core, owner, HELPER)
    await a_days_mail(core, owner)
    core.clock.advance(seconds=1)  # type: ignore[attr-defined]
    view = await Metrics(core, agent_credential(owner, BOT)).of_agent(BOT)
    found = {key: value for key, value in view.summary.to_wire().items() if value}
    assert found == {
        "accepted": 5,
        "submitted": 4,
        "loopback": 1,
        "delivered": 2,
        "bounced_hard": 1,
        "complained": 1,
        "suppressed": 1,
        "send_failed": 1,
        "received": 1,
        "dmarc_error": 1,
    }
    assert view.rates.to_wire() == {
        "delivered_rate": 2 / 4,
        "suppression_block_rate": 1 / 4,
        "bounce_rate": 1 / 3,
        "complaint_rate": 1 / 2,
    }
    retried = next(item for item in view.counters or [] if item.reason_code == "submission.temporary_failure")
    assert (retried.messages, retried.observations, retried.retryable) == (1, 2, True)
    codes = [item.reason_code for item in view.counters or []]
    assert codes == sorted(codes)
    assert (view.messages_in_window, view.messages_with_lifecycle) == (6, 6)
    assert view.end - view.start == timedelta(days=30)


async def test_an_account_by_agent_and_by_day(core: Core, owner: Principal, clock: ManualClock) -> None:
    await make_agent(core, owner, BOT)
    await make_agent(core, owner, HELPER)
    await mail(core, owner, ACCEPTED, LEFT)
    clock.advance(days=2)
    await a_days_mail(core, owner)
    clock.advance(seconds=1)
    service = Metrics(core, owner)
    start = clock.now() - timedelta(days=3)
    view = await service.of_account(start=rfc3339(start), bucket="day", group_by="agent")
    assert [(item.agent_email, item.messages_in_window) for item in view.agents or []] == [
        (BOT, 7),
        (HELPER, 1),
    ]
    assert (view.messages_in_window, view.messages_with_lifecycle, view.agents_truncated) == (8, 7, False)
    days = view.buckets or []
    first = datetime(start.year, start.month, start.day, tzinfo=UTC)
    assert [item.day for item in days] == [first + timedelta(days=index) for index in range(4)]
    assert [item.summary.accepted for item in days] == [0, 1, 0, 5]
    assert days[0].rates.to_wire() == dict.fromkeys(days[0].rates.to_wire(), None)
    assert sum(item.summary.submitted for item in days) == view.summary.submitted == 5
    plain = await service.of_account()
    assert (plain.agents, plain.buckets, plain.webhooks.deliveries) == ([], [], 0)


async def test_an_empty_window(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    view = await Metrics(core, owner).of_agent(BOT, end="2026-01-01T00:00:00Z")
    assert (view.counters, view.messages_in_window) == ([], 0)
    assert set(view.rates.to_wire().values()) == {None}
    at_the_epoch = await Metrics(core, owner).of_agent(BOT, end="1970-01-01T00:00:00Z")
    assert at_the_epoch.end == datetime(1970, 1, 1, tzinfo=UTC)


async def test_who_may_ask_for_what(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    await make_agent(core, owner, HELPER)
    bound = Metrics(core, agent_credential(owner, BOT))
    with pytest.raises(Forbidden):
        await bound.of_account()
    with pytest.raises(Forbidden):
        await bound.of_agent(HELPER)
    with pytest.raises(NotFound):
        await Metrics(core, await account(core, "other@example.org")).of_agent(BOT)
    service = Metrics(core, owner)
    for window in (
        {"start": "lately"},
        {"start": "2026-01-02T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
        {"start": "2025-01-01T00:00:00Z", "end": "2025-06-01T00:00:00Z"},
        {"start": "0001-01-01T00:00:00+01:00", "end": "0001-01-02T00:00:00Z"},
        {"end": "0001-01-02T00:00:00Z"},
    ):
        with pytest.raises(InvalidFilter):
            await service.of_account(**window)
    with pytest.raises(InvalidRequest):
        await service.of_account(bucket="hour")
    with pytest.raises(InvalidRequest):
        await service.of_account(group_by="domain")
