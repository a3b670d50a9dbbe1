"""MCP Events where another deployment is acted on: what it has in its log, and plainly not offered what it has not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.remote import watching
from e2a_core.remote.engine import RemoteEngine, open_remote_engine
from e2a_core.settings import Settings
from tests.support.home import ASSISTANT, Home
from tests.support.july import July
from tests.support.listening import listening

from .raw_events import over_http
from .relay import Listener, Relay, mcp_listening

pytestmark = pytest.mark.anyio

DELIVERY = {"mode": "webhook", "url": "https://example.org/hook", "secret": "whsec_" + "a" * 43 + "="}
UNSUPPORTED = (-32014, "Unsupported", "deliveryMode")


@asynccontextmanager
async def in_july(home: Home, scope: str = "agent") -> AsyncIterator[tuple[RemoteEngine, Listener, str]]:
    """`/mcp` before a deployment as it was in July, and a key of the scope for it."""
    async with home.listening() as upstream, httpx.AsyncClient(timeout=30) as http:
        owner = await home.local.session(home.account_key)
        bound = {"scope": "agent", "agent_email": ASSISTANT} if scope == "agent" else {}
        key = (await owner.api_keys.create(CreateAPIKeyRequest.model_validate(bound))).key
        july = July(upstream, http)
        async with listening(july.app) as url:
            settings: Settings = replace(home.local.core.settings, api_url=url, api_key=key)
            engine = await open_remote_engine(settings)
            try:
                async with mcp_listening(engine, settings) as found:
                    yield engine, found, key
            finally:
                await engine.close()
        assert july.refused == []


@pytest.mark.remote_only("a home of one's own posts events")
@pytest.mark.parametrize("method", ["events/subscribe", "events/unsubscribe"])
async def test_no_event_is_posted_to_a_callback(relay: Relay, method: str) -> None:
    box = await relay.inbox()
    async with over_http(relay.base, box.key) as raw:
        listed = (await raw.result("events/list"))["events"]
        assert {tuple(event["delivery"]) for event in listed} == {("poll", "push")}
        code, name, data = await raw.error(method, name="email.received", delivery=DELIVERY)
    assert (code, name, data["feature"]) == UNSUPPORTED


@pytest.mark.remote_only("a home of one's own has positions")
async def test_streams_hear_of_events_between_looks(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 1000.0)
    monkeypatch.setattr(watching, "HEARD_SECONDS", 1000.0)
    box = await relay.inbox()
    async with box.client() as client, over_http(relay.base, box.key) as raw:
        letter = {"to": ["ann@example.org"], "subject": "s", "text": "t"}
        async with raw.stream(name="email.sent") as sends, raw.stream() as arrivals:
            for stream in (sends, arrivals):
                assert (await stream.next())[0] == "active"
            for _ in range(2):
                sent: Any = await client.call_tool("send_message", letter | {"subject": str(_)})
                arrived = await box.deliver()
                for stream, wanted in (
                    (sends, sent.structured_content["message_id"]),
                    (arrivals, arrived),
                ):
                    kind, event = await stream.next()
                    assert (kind, event["data"]["message_id"]) == ("event", wanted)


async def test_an_older_deployment_tells_an_account_of_its_log(home: Home) -> None:
    arguments = {"agent_email": ASSISTANT}
    async with in_july(home, "account") as (_, mcp, key), over_http(mcp.base, key) as raw:
        assert len((await raw.result("events/list"))["events"]) == 10
        before = (await raw.poll(arguments=arguments))["cursor"]
        assert (await home.deliver(subject="one")).accepted
        found = await raw.poll(arguments=arguments, cursor=before)
        assert [event["data"]["subject"] for event in found["events"]] == ["one"]
        assert (await raw.poll(arguments=arguments, cursor=found["cursor"]))["events"] == []
        async with raw.stream(arguments=arguments, cursor=found["cursor"]) as stream:
            assert (await stream.next())[0] == "active"
            assert (await home.deliver(subject="two")).accepted
            assert (await stream.next())[1]["data"]["subject"] == "two"
        async with mcp.client(key) as client:
            for given, subjects in (
                ({}, ["two", "one"]),
                ({"limit": 1}, ["two"]),
                ({"event_id": found["events"][0]["eventId"]}, ["one"]),
                ({"event_name": "email.sent"}, []),
            ):
                result: Any = await client.call_tool("get_recent_events", {"email": ASSISTANT, **given})
                told = result.structured_content["events"]
                assert [event["data"]["subject"] for event in told] == subjects


async def test_an_older_deployment_tells_the_inbox_of_an_account_that_is_limited_to_it(home: Home) -> None:
    async with in_july(home, "account") as (engine, _, _key):
        session = await engine.home_session(agent_email=ASSISTANT)
        async with session.occurrences.follow("email.received", {}) as following:
            assert (await home.deliver(subject="one")).accepted
            [event] = (await following.page(limit=9, wait_seconds=20)).items
        assert [event.id] == [item.id for item in await session.occurrences.recent(None, {}, limit=9)]


async def test_an_older_deployment_tells_an_agent_of_no_log(home: Home) -> None:
    async with in_july(home) as (_, mcp, key), over_http(mcp.base, key) as raw, mcp.client(key) as client:
        assert (await raw.result("events/list"))["events"] == []
        for method in ("events/poll", "events/stream"):
            code, name, data = await raw.error(method, name="email.received")
            assert (code, name, data["feature"]) == UNSUPPORTED
        result: Any = await client.call_tool("get_recent_events", {})
        assert result.structured_content["code"] == "not_implemented"


async def test_a_quiet_cursor_stays_young_and_an_old_one_is_truncated(home: Home) -> None:
    async with home.listening() as url:
        engine = RemoteEngine(url, home.agent_key, clock=home.clock, ids=home.local.core.ids)
        session = await engine.session(home.agent_key)
        follow = session.occurrences.follow
        async with follow("email.received", {}) as following:
            began = cursor = following.cursor
        for _ in range(4):
            home.clock.advance(days=10)
            async with follow("email.received", {}, cursor=cursor) as following:
                assert not following.truncated
                cursor = (await following.page(limit=1)).cursor
        async with follow("email.received", {}, cursor=began) as following:
            assert following.truncated
        await engine.close()
