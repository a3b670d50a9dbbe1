"""Watching another deployment: its WebSocket says when to look, and nothing is lost while there is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from e2a_core.contract.reviews import RejectRequest
from e2a_core.http.listener import HttpListener
from e2a_core.http.websocket import WEBSOCKET_PATH
from e2a_core.ids import Ids
from e2a_core.remote import doorbell, watching
from e2a_core.remote.engine import RemoteEngine
from e2a_core.settings import ListenAddress
from e2a_mcp.program.home import home_application
from tests.engine.mailbox import protect, send
from tests.http.test_websocket import connected, silent
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio

NEVER = 1000.0


@asynccontextmanager
async def remote(url: str, home: Home) -> AsyncIterator[RemoteEngine]:
    engine = RemoteEngine(url, home.agent_key, clock=home.clock, ids=Ids())
    try:
        yield engine
    finally:
        await engine.close()


async def test_mail_is_heard_of_between_looks_and_the_listener_stays(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", NEVER)
    monkeypatch.setattr(watching, "HEARD_SECONDS", NEVER)
    async with home.listening() as url, connected(url, home.agent_key) as listener, asyncio.timeout(60):
        async with remote(url, home) as engine:
            session = await engine.session(home.agent_key)
            assert session.told == frozenset({"email.received"})
            async with session.watch() as first, session.watch(emails=[ASSISTANT]) as second:
                for subject in ("one", "two"):
                    await home.deliver(subject=subject)
                    for events in (first, second):
                        event = await anext(events)
                        assert (event.type, event.data["subject"]) == ("email.received", subject)
                    assert json.loads(await listener.recv())["data"]["subject"] == subject
        assert await silent(listener)
        assert listener.close_code is None
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("doorbell")]


async def test_what_came_while_the_deployment_was_away_is_told_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(watching, "HEARD_SECONDS", NEVER)
    monkeypatch.setattr(doorbell, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(doorbell, "LONGEST_PAUSE_SECONDS", 0.05)
    application = home_application(home.local)
    listener = HttpListener(application, ListenAddress("127.0.0.1", 0), sockets=WEBSOCKET_PATH)
    await listener.start()
    address = ListenAddress("127.0.0.1", urlsplit(listener.url).port or 0)
    async with asyncio.timeout(60), remote(listener.url, home) as engine:
        session = await engine.session(home.agent_key)
        async with session.watch() as events:
            await home.deliver(subject="before")
            assert (await anext(events)).data["subject"] == "before"
            await listener.stop(1)
            await home.deliver(subject="meanwhile")
            again = HttpListener(home_application(home.local), address, sockets=WEBSOCKET_PATH)
            await again.start()
            assert (await anext(events)).data["subject"] == "meanwhile"
            await home.deliver(subject="after")
            assert (await anext(events)).data["subject"] == "after"
        await again.stop(1)


async def test_what_becomes_of_sent_mail_is_heard_of_between_looks(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", NEVER)
    monkeypatch.setattr(watching, "HEARD_SECONDS", NEVER)
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    owner = await home.local.session(home.account_key)
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    async with home.listening() as url, asyncio.timeout(60), remote(url, home) as engine:
        session = await engine.session(home.agent_key)
        held = await send(session, to=["bob@example.org"])
        async with session.outcomes(ASSISTANT, held.message_id) as occasions:
            await anext(occasions)  # the connection
            assert (await session.messages.get(ASSISTANT, held.message_id)).review_status == "pending_review"
            await owner.reviews.reject(held.message_id, RejectRequest(reason="no"))
            await anext(occasions)
            assert (await session.messages.get(ASSISTANT, held.message_id)).review_status == "review_rejected"


async def test_arrivals_are_not_looked_for_when_mail_is_sent(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", NEVER)
    monkeypatch.setattr(watching, "HEARD_SECONDS", NEVER)
    async with home.listening() as url, asyncio.timeout(60), remote(url, home) as engine:
        session = await engine.session(home.agent_key)
        bells = session._bells
        async with (
            bells.bell([ASSISTANT], ["email.received"]) as arrivals,
            bells.bell([ASSISTANT], ["email.sent"]) as sends,
        ):
            await sends.rung.wait()
            arrivals.rung.clear()
            sends.rung.clear()
            assert sends.reliable
            await send(session, to=["bob@example.org"])
            await sends.rung.wait()
            assert not arrivals.rung.is_set()
            await home.deliver()
            await arrivals.rung.wait()
