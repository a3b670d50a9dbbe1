"""Verifications of callbacks are few at once and few in a minute: of a caller, of a host, and of the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from e2a_core.contract.engine import Session
from e2a_core.errors import CallbackFailed, RateLimited
from e2a_core.subscriptions import limits
from e2a_core.subscriptions.limits import (
    AT_ONCE,
    AT_ONCE_OF_CALLER,
    MINUTE_SECONDS,
    PER_CALLER,
    PER_HOST,
    PER_PROCESS,
    VerificationLimits,
)
from tests.engine.test_event_subscriptions import asked, echo, rows
from tests.support.home import ASSISTANT, Home, MovableClock
from tests.support.receiver import HANG, Receiver, receiving
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("what a deployment sends by itself")]


class Stopwatch(MovableClock):
    """Its monotonic time stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        opened.answer = echo
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.05)


@pytest.mark.parametrize(
    ("most", "caller", "host", "who"),
    [
        (PER_CALLER, "ann", "{}.example", "this caller"),
        (PER_HOST, "{}", "one.example", "this host"),
        (PER_PROCESS, "{}", "{}.example", "this server"),
    ],
    ids=["caller", "host", "process"],
)
def test_in_a_minute(stopwatch: Stopwatch, most: int, caller: str, host: str, who: str) -> None:
    counted = VerificationLimits(stopwatch)
    for number in range(most):
        stopwatch.seconds = number / most
        counted.count(caller.format(number), host.format(number))
    for _ in range(3):  # what is refused does not count
        with pytest.raises(RateLimited, match=who) as raised:
            counted.count(caller.format("x"), host.format("x"))
        assert raised.value.retry_after_seconds == MINUTE_SECONDS
    stopwatch.seconds = MINUTE_SECONDS
    counted.count(caller.format("x"), host.format("x"))
    with pytest.raises(RateLimited):
        counted.count(caller.format("x"), host.format("x"))


def test_one_that_is_refused_leaves_room_to_others(stopwatch: Stopwatch) -> None:
    counted = VerificationLimits(stopwatch)
    for number in range(PER_CALLER):
        counted.count("ann", f"{number}.example")
    for number in range(PER_HOST):
        with pytest.raises(RateLimited):
            counted.count("ann", "one.example")
        counted.count(f"bob{number}", "one.example")


async def test_the_places_of_those_who_left_are_forgotten(stopwatch: Stopwatch) -> None:
    counted = VerificationLimits(stopwatch)
    for number in range(5 * PER_PROCESS):
        stopwatch.seconds = number * 2 * MINUTE_SECONDS / PER_PROCESS
        counted.count(f"{number}", f"{number}.example")
        async with counted.place(f"{number}"):
            pass
    assert len(counted._places_of) <= 1


@pytest.mark.usefixtures("impatient")
async def test_a_caller_has_few_at_once_and_so_has_the_process(stopwatch: Stopwatch) -> None:
    counted = VerificationLimits(stopwatch)
    async with AsyncExitStack() as held:
        for number in range(AT_ONCE):
            await held.enter_async_context(counted.place(f"{number // AT_ONCE_OF_CALLER}"))
        with pytest.raises(RateLimited, match="this caller") as raised:
            await held.enter_async_context(counted.place("0"))
        assert raised.value.retry_after_seconds == 1
        with pytest.raises(RateLimited, match="too many callbacks are"):
            await held.enter_async_context(counted.place("another"))
    async with counted.place("0"), counted.place("another"):
        pass


async def test_who_waits_gets_the_place_that_becomes_free(stopwatch: Stopwatch) -> None:
    counted = VerificationLimits(stopwatch)
    under_way = most = 0

    async def verify() -> None:
        nonlocal under_way, most
        async with counted.place("ann"):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    await asyncio.gather(*(verify() for _ in range(20)))
    assert most == AT_ONCE_OF_CALLER


@pytest.mark.usefixtures("impatient")
async def test_callbacks_that_hang_keep_only_their_caller_waiting(home: Home, receiver: Receiver) -> None:
    agent = (await home.local.session(home.agent_key)).event_subscriptions
    owner = (await home.local.session(home.account_key)).event_subscriptions
    receiver.then([HANG] * AT_ONCE_OF_CALLER)
    hanging = [
        asyncio.create_task(agent.subscribe(asked(receiver, url=receiver.url(f"/{number}"))))
        for number in range(AT_ONCE_OF_CALLER)
    ]
    await until(lambda: len(receiver.requests) == AT_ONCE_OF_CALLER)
    with pytest.raises(RateLimited):
        await agent.subscribe(asked(receiver))
    assert len(receiver.requests) == AT_ONCE_OF_CALLER
    assert not await rows(home)
    await owner.subscribe(asked(receiver, arguments={"agent_email": ASSISTANT}))
    for task in hanging:
        task.cancel()
    await asyncio.wait(hanging)
    await agent.subscribe(asked(receiver))
    assert len(await rows(home)) == 2


async def test_a_caller_that_tries_too_often_is_told_when_to_come_again(
    home: Home, receiver: Receiver
) -> None:
    agent: Session = await home.local.session(home.agent_key)
    receiver.status = 404
    for number in range(PER_CALLER):
        with pytest.raises(CallbackFailed):
            await agent.event_subscriptions.subscribe(asked(receiver, url=receiver.url(f"/{number}")))
    with pytest.raises(RateLimited) as raised:
        await agent.event_subscriptions.subscribe(asked(receiver))
    assert 0 < (raised.value.retry_after_seconds or 0) <= MINUTE_SECONDS + 1
    assert len(receiver.requests) == PER_CALLER
