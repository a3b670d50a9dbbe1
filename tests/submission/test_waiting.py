"""Waiting for the end of a submission that any process of the deployment may do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from e2a_core.clock import SystemClock, to_micros
from e2a_core.contract.principal import Principal
from e2a_core.contract.sending import SendResultView
from e2a_core.contract.states import Delivery
from e2a_core.core import Core
from e2a_core.messages.rows import MessageRow
from e2a_core.store.database import Database
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.open import open_database
from e2a_core.store.statement import Statement, first, sql
from e2a_core.submission import queries
from e2a_core.submission.conclusion import cancel_statements, conclude
from e2a_core.submission.outcome import FailureKind, RecipientOutcome, failed, succeeded
from e2a_core.submission.waiting import Waiting
from tests.support.deployment import SHARED, insert_message, make_agent

pytestmark = pytest.mark.anyio

AGENT = f"assistant@{SHARED}"
BOB, CAROL = "bob@example.org", "carol@example.org"
LONG, SHORT = 15.0, 0.3


@pytest.fixture
async def elsewhere(database: Database, database_url: str) -> AsyncIterator[Database]:
    """The same data as another process has it."""
    opened = await open_database(database_url, clock=SystemClock())
    yield opened
    await opened.close()


@pytest.fixture
async def waiting(core: Core) -> AsyncIterator[Waiting]:
    feed = EventFeed(core.db)
    await feed.start()
    yield Waiting(core, feed)
    await feed.close()


@pytest.fixture
async def row(core: Core, owner: Principal) -> MessageRow:
    """A message under submission to two recipients."""
    email = await make_agent(core, owner, AGENT)
    columns: dict[str, Any] = {"direction": "outbound", "delivery_status": "sending", "method": "smtp"}
    message_id = await insert_message(core, owner, email, **columns)
    await core.db.write([queries.insert_recipient(message_id, address, 1) for address in (BOB, CAROL)])
    stored = first(await core.db.read(sql("SELECT * FROM messages WHERE id = :id", id=message_id)))
    assert stored is not None
    return MessageRow.from_store(stored)


def accepted(row: MessageRow) -> SendResultView:
    return SendResultView(status="accepted", message_id=row.id, method=row.submission.method)


def ended(core: Core, row: MessageRow, outcomes: Sequence[RecipientOutcome]) -> list[Statement]:
    """What the worker writes when each recipient has one of `outcomes`."""
    now = to_micros(core.clock.now())
    end = conclude(core, row, outcomes, now)
    settled = queries.move_delivery(row.id, end.status, delivery_detail=end.detail)
    recipients = [
        queries.set_recipient(row.id, item.address, outcome=item.outcome.value, status=Delivery.SENT, now=now)
        for item in outcomes
    ]
    return [settled, *recipients, *end.events]


async def test_the_end_in_another_process_is_told(
    core: Core, waiting: Waiting, row: MessageRow, elsewhere: Database
) -> None:
    begun = time.monotonic()
    task = asyncio.create_task(waiting.settled(accepted(row), AGENT, LONG))
    await asyncio.sleep(SHORT)
    assert not task.done()
    await elsewhere.write(ended(core, row, succeeded([BOB, CAROL])))
    assert (await task).status == "sent"
    assert time.monotonic() - begun < LONG / 2


async def test_an_end_before_the_waiting_is_seen(core: Core, waiting: Waiting, row: MessageRow) -> None:
    await core.db.write(ended(core, row, succeeded([BOB, CAROL])))
    assert (await waiting.settled(accepted(row), AGENT, LONG)).status == "sent"


async def test_an_end_at_any_moment_is_seen(core: Core, waiting: Waiting, row: MessageRow) -> None:
    """The commit falls into every step of the beginning in turn; none may lose it."""
    for steps in range(12):
        await core.db.write([queries.set_delivery(row.id, delivery_status=Delivery.SENDING), _forget(row)])
        task = asyncio.create_task(waiting.settled(accepted(row), AGENT, LONG))
        for _ in range(steps):
            await asyncio.sleep(0)
        await core.db.write(ended(core, row, succeeded([BOB, CAROL])))
        async with asyncio.timeout(LONG / 3):
            assert (await task).status == "sent", steps


async def test_those_who_missed_it_are_named(core: Core, waiting: Waiting, row: MessageRow) -> None:
    task = asyncio.create_task(waiting.settled(accepted(row), AGENT, LONG))
    await asyncio.sleep(SHORT / 3)
    partial = [*succeeded([BOB]), *failed([CAROL], FailureKind.PERMANENT, "5.1.1 no such mailbox")]
    await core.db.write(ended(core, row, partial))
    result = await task
    assert (result.status, result.failed_recipients) == ("sent", [CAROL])


async def test_a_submission_that_is_called_off_has_failed(
    core: Core, waiting: Waiting, row: MessageRow
) -> None:
    task = asyncio.create_task(waiting.settled(accepted(row), AGENT, LONG))
    await asyncio.sleep(SHORT / 3)
    await core.db.write(cancel_statements(core, row, "called off", to_micros(core.clock.now())))
    result = await task
    assert (result.status, result.failed_recipients) == ("failed", None)


async def test_what_takes_longer_stays_accepted(core: Core, waiting: Waiting, row: MessageRow) -> None:
    assert await waiting.settled(accepted(row), AGENT, SHORT) == accepted(row)


async def test_the_log_is_followed_and_no_row_is_polled(
    core: Core, waiting: Waiting, row: MessageRow
) -> None:
    task = asyncio.create_task(waiting.settled(accepted(row), AGENT, 3 * SHORT))
    await asyncio.sleep(SHORT)
    await core.db.write([queries.set_delivery(row.id, delivery_status="sent")])
    await asyncio.sleep(SHORT)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


def _forget(row: MessageRow) -> Statement:
    return sql("DELETE FROM events WHERE message_id = :id", id=row.id)
