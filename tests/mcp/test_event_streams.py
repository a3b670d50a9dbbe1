"""MCP Events: `events/stream` over HTTP in both eras, over stdio, and what ends it.

The names in `sep-9999-...` are those of the checks in the scenario `events-push` of the conformance suite.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.server.lowlevel.server import Server

from e2a_core.contract.engine import Session
from e2a_core.errors import StoreUnavailable
from e2a_mcp.events import add_events
from tests.support.dns import DnsServer
from tests.support.home import ASSISTANT, Keys, environment_of, open_home_for_test

from .conftest import SAME_CODE
from .raw_events import SUBSCRIPTION, Wire, envelope, notification, over_http, over_memory
from .relay import Inbox, Relay

pytestmark = pytest.mark.anyio

CHECKS = {
    "sep-9999-stream-implemented": "test_a_stream_tells_of_mail_in_both_eras",
    "sep-9999-stream-error-before-open": "test_a_stream_that_cannot_begin_is_an_error",
    "sep-9999-stream-active-confirmation": "test_a_stream_tells_of_mail_in_both_eras",
    "sep-9999-stream-subscription-id-meta": "test_a_stream_tells_of_mail_in_both_eras",
    "sep-9999-stream-event-notification": "test_a_stream_tells_of_mail_in_both_eras",
    "sep-9999-stream-error-is-recoverable": "test_what_passes_is_told_and_the_stream_goes_on",
    "sep-9999-stream-terminated-ends-subscription": "test_a_revoked_credential_ends_the_stream",
    "sep-9999-stream-gap-resends-active": "test_a_gap_is_told_when_the_stream_begins",
    "sep-9999-stream-heartbeat-required": "test_the_heartbeat_is_a_message_and_carries_the_position",
    "sep-9999-stream-heartbeat-carries-cursor": "test_the_heartbeat_is_a_message_and_carries_the_position",
    "sep-9999-stream-heartbeat-interval": "test_the_heartbeat_is_a_message_and_carries_the_position",
    "sep-9999-stream-heartbeat-not-sse-comment": "test_the_heartbeat_is_a_message_and_carries_the_position",
    "sep-9999-stream-final-result-shape": "test_a_revoked_credential_ends_the_stream",
    "sep-9999-stream-final-result-timing": "test_a_revoked_credential_ends_the_stream",
    "sep-9999-stream-cancel-stops-delivery": "test_a_cancelled_stream_is_silent",
    "sep-9999-stream-exempt-from-concurrency-cap": "test_many_streams_are_open_together",
    "sep-9999-stream-carries-only-event-notifications": "test_a_stream_tells_of_mail_in_both_eras",
}


def test_every_check_has_its_test() -> None:
    assert set(CHECKS.values()) <= set(globals())


@asynccontextmanager
async def wired(sessions: Any, *, heartbeat: float = 10.0, recheck: float = 30.0) -> AsyncIterator[Wire]:
    server: Server[Any] = Server("events")
    add_events(
        server, sessions, dialect="auto", streams=True, recheck_seconds=recheck, heartbeat_seconds=heartbeat
    )
    async with over_memory(server) as wire:
        yield wire


def of_key(box: Inbox) -> Any:
    async def sessions(context: object) -> Session:
        return await box.relay.engine.session(box.key)

    return sessions


@pytest.mark.each_store
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("id", [7, "seven"])
async def test_a_stream_tells_of_mail_in_both_eras(
    relay: Relay, box: Inbox, old: bool, id: int | str
) -> None:
    async with over_http(relay.base, box.key) as raw:
        if old:
            await raw.handshake()
        before = (await raw.poll())["cursor"]
        earlier = await box.deliver()
        async with raw.stream(id, cursor=before) as stream:
            kind, active = await stream.next()
            assert (kind, active["truncated"]) == ("active", False)
            kind, first = await stream.next()
            assert (kind, first["data"]["message_id"]) == ("event", earlier)
            later = await box.deliver()
            kind, second = await stream.next()
            assert (kind, second["data"]["message_id"]) == ("event", later)
            for params in (active, first, second):
                assert params["_meta"] == {SUBSCRIPTION: id}
        # Who goes on at the cursor of an event gets what came after it.
        [rest] = (await raw.poll(cursor=first["cursor"]))["events"]
        assert rest["data"]["message_id"] == later
        assert (await raw.poll(cursor=second["cursor"]))["events"] == []


@pytest.mark.each_store
async def test_a_stream_without_a_cursor_begins_now(relay: Relay, box: Inbox) -> None:
    await box.deliver()
    async with (
        over_http(relay.base, box.key) as raw,
        raw.stream(arguments={"subject_contains": "b"}) as stream,
    ):
        assert (await stream.next())[0] == "active"
        await box.deliver(subject="a")
        wanted = await box.deliver(subject="b")
        assert (await stream.next())[1]["data"]["message_id"] == wanted


async def test_a_stream_that_cannot_begin_is_an_error(relay: Relay, box: Inbox) -> None:
    async with over_http(relay.base, box.key) as raw:
        assert (await raw.error("events/stream", name="email.opened"))[0] == -32011
        assert (await raw.error("events/stream", name="email.sent", arguments={"x": 1}))[0] == -32602
        raw.http.headers["Accept"] = "application/json"
        request = raw._request(1, "events/stream", {"name": "email.received"})
        request["headers"].pop("Accept")
        answer = (await raw.http.post(**request)).json()
        assert answer["error"]["code"] == -32014
        assert answer["error"]["data"] == {"feature": "deliveryMode", "value": "push"}


async def test_many_streams_are_open_together(relay: Relay, box: Inbox) -> None:
    """The fifty-first of a credential is refused, and there is room again once one has ended."""
    async with wired(of_key(box)) as wire:
        for id in range(50):
            await wire.send("events/stream", id, name="email.received")
            assert (await wire.next())[0] == "active"
        await wire.send("events/stream", 50, name="email.received")
        error = (await wire.message())["error"]
        assert (error["code"], error["data"]) == (-32013, {"limit": "subscriptions", "max": 50})
        await wire.send("notifications/cancelled", requestId=0)
        await wire.send("events/stream", 51, name="email.sent")
        while "error" in (message := await wire.message()):
            await wire.send("events/stream", 51, name="email.sent")
        assert notification(message)[0] == "active"


@pytest.mark.each_store
async def test_the_heartbeat_is_a_message_and_carries_the_position(relay: Relay, box: Inbox) -> None:
    async with wired(of_key(box), heartbeat=0.05) as wire:
        await wire.send("events/stream", 1, name="email.received")
        assert (await wire.next())[0] == "active"
        kind, beat = await wire.next()
        assert kind == "heartbeat"
        await box.deliver()
        async with over_http(relay.base, box.key) as raw:
            assert len((await raw.poll(cursor=beat["cursor"]))["events"]) == 1


@pytest.mark.slow
async def test_over_http_the_stream_is_never_silent_for_long(relay: Relay, box: Inbox) -> None:
    async with over_http(relay.base, box.key) as raw, raw.stream() as stream:
        kinds = [(await stream.next())[0] for _ in range(3)]
        assert kinds == ["active", "heartbeat", "heartbeat"]
        assert stream.comments == []


@pytest.mark.each_store
async def test_a_cancelled_stream_is_silent(relay: Relay, box: Inbox) -> None:
    async with wired(of_key(box)) as wire:
        await wire.send("events/stream", 1, name="email.received")
        assert (await wire.next())[0] == "active"
        await wire.send("notifications/cancelled", requestId=1)
        await wire.send("events/poll", 2, name="email.received")
        seen = []
        while (message := await wire.message()).get("id") != 2:
            seen.append(message)
        await box.deliver()
        await wire.send("events/poll", 3, name="email.received", cursor=message["result"]["cursor"])
        while (message := await wire.message()).get("id") != 3:
            seen.append(message)
        assert len(message["result"]["events"]) == 1
        assert not [message for message in seen if "method" in message]


@pytest.mark.each_store
async def test_a_revoked_credential_ends_the_stream(relay: Relay, box: Inbox) -> None:
    async with wired(of_key(box), recheck=0.05) as wire:
        await wire.send("events/stream", 1, name="email.received")
        assert (await wire.next())[0] == "active"
        await box.revoke()
        while (told := await wire.next())[0] == "heartbeat":
            pass
        assert (told[0], told[1]["error"]["message"]) == ("terminated", "Forbidden")
        last = await wire.message()
        assert last["id"] == 1
        assert set(last["result"]["_meta"]) <= {"io.modelcontextprotocol/serverInfo"}


@pytest.mark.each_store
async def test_a_deleted_inbox_ends_the_stream(relay: Relay, box: Inbox) -> None:
    async with wired(of_key(box), recheck=0.05) as wire:
        await wire.send("events/stream", 1, name="email.received")
        assert (await wire.next())[0] == "active"
        await box.trash()
        kind = "heartbeat"
        while kind == "heartbeat":
            kind, _ = await wire.next()
        assert kind == "terminated"


@pytest.mark.each_store
async def test_what_passes_is_told_and_the_stream_goes_on(relay: Relay, box: Inbox) -> None:
    """A database that is away for a moment: what came meanwhile is told, once."""
    answers = iter([None, None, StoreUnavailable("away")])

    async def sessions(context: object) -> Session:
        if problem := next(answers, None):
            raise problem
        return await relay.engine.session(box.key)

    async with wired(sessions, recheck=0.1, heartbeat=0.5) as wire:
        await wire.send("events/stream", 1, name="email.received")
        assert (await wire.next())[0] == "active"
        while (await wire.next())[0] != "error":
            pass
        sent = [await box.deliver(), await box.deliver()]
        got: list[str] = []
        while len(got) < len(sent):
            kind, params = await wire.next()
            assert kind in {"heartbeat", "event"}
            got += [params["data"]["message_id"]] if kind == "event" else []
        assert got == sent


@pytest.mark.each_store
async def test_a_gap_is_told_when_the_stream_begins(relay: Relay, box: Inbox) -> None:
    async with over_http(relay.base, box.key) as raw:
        cursor = (await raw.poll())["cursor"]
        await box.deliver()
        async with raw.stream(cursor=cursor, maxAgeMs=0) as stream:
            kind, active = await stream.next()
            assert (kind, active["truncated"]) == ("active", True)
            wanted = await box.deliver()
            # What came before the stream is too old by now.
            assert (await stream.next())[1]["data"]["message_id"] == wanted


async def test_a_stream_over_stdio_and_its_end(tmp_path: Path, dns: DnsServer, keys: Keys) -> None:
    async with open_home_for_test(tmp_path, "", dns, keys) as home:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "e2a_mcp"),
            env={**os.environ, **SAME_CODE, **environment_of(tmp_path, "", dns)},
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=2**20,
        )
        assert process.stdin is not None
        assert process.stdout is not None

        async def send(method: str, id: int | None = None, **params: Any) -> None:
            message = {"jsonrpc": "2.0", "method": method, "params": {**params, "_meta": envelope({})}}
            assert process.stdin is not None
            process.stdin.write(json.dumps(message if id is None else {**message, "id": id}).encode() + b"\n")

        with anyio.fail_after(60):
            await send("events/stream", 1, name="email.received")
            kind, _ = notification(json.loads(await process.stdout.readline()))
            assert kind == "active"
            assert (await home.deliver(to=ASSISTANT, subject="hi")).accepted
            kind, event = notification(json.loads(await process.stdout.readline()))
            assert (kind, event["data"]["subject"]) == ("event", "hi")
            await send("notifications/cancelled", requestId=1)
            await send("events/list", 2)
            while (answer := json.loads(await process.stdout.readline())).get("id") != 2:
                assert answer["id"] == 1
            assert len(answer["result"]["events"]) == 10
            process.stdin.close()
            await process.wait()
