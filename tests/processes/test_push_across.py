"""Two replicas on one PostgreSQL: mail that one takes is pushed to everybody who asked the other, on each channel."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from tests.mcp.raw_events import Stream, over_http
from tests.processes.serving import Correspondent, Server, beside, environment
from tests.processes.test_event_callbacks import SECRET, arrived, echo
from tests.processes.test_websockets import connect, key_of, servers, subject
from tests.support.dns import DnsServer
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until

__all__ = ["servers"]

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.apart,
    pytest.mark.parametrize("database_kind", ["postgresql"]),
]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        opened.answer = echo
        yield opened


async def account_key_of(environ: dict[str, str]) -> str:
    async with beside(environ) as engine:
        owner = await engine.home_session(scope="account")
        return (await owner.api_keys.create(CreateAPIKeyRequest(name="owner"))).key


async def make_webhook(http: str, key: str, url: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=http, headers=headers) as client:
        made = await client.post("/v1/webhooks", json={"url": url, "events": ["email.received"]})
        assert made.is_success, made.text


def webhook_events(receiver: Receiver, path: str) -> dict[str, str]:
    """Subject -> event id of what a webhook got."""
    bodies = [json.loads(item.body) for item in receiver.on(path)]
    return {body["data"]["subject"]: body["id"] for body in bodies}


def callback_events(receiver: Receiver, path: str) -> dict[str, str]:
    """Subject -> event id of what the callback of a subscription got."""
    return {body["data"]["subject"]: body["eventId"] for body in arrived(receiver, path)}


@dataclass(frozen=True)
class Replica:
    """One of the servers; the keys are those of the deployment."""

    name: str
    http: str
    smtp: tuple[str, int]
    key: str
    account_key: str

    async def receive(self, message_id: str) -> None:
        await Correspondent(lambda: self.smtp).send(message_id)


@pytest.fixture
async def replicas(
    tmp_path: Path, database_url: str, dns: DnsServer, servers: list[Server]
) -> tuple[Replica, Replica]:
    shared = {
        "database_url": database_url,
        "hmac_secret": "one secret of all replicas, of enough octets",
        "push_allow_loopback": "true",
    }
    environs = {name: environment(tmp_path / name, dns, **shared) for name in "ab"}
    keys = await key_of(environs["a"]), await account_key_of(environs["a"])
    servers += [Server(environ) for environ in environs.values()]
    first, second = [
        Replica(name, (await server.leading())["http"], await server.smtp(), *keys)
        for name, server in zip(environs, servers, strict=True)
    ]
    return first, second


async def test_mail_at_one_replica_is_pushed_to_who_asked_the_other(
    replicas: tuple[Replica, Replica], receiver: Receiver
) -> None:
    for here, there in (replicas, replicas[::-1]):
        webhook, callback = f"/webhook-{here.name}", f"/callback-{here.name}"
        await make_webhook(here.http, here.account_key, receiver.url(webhook))
        async with (
            over_http(here.http, here.key) as raw,
            connect(here.http, here.key, observe=True) as observer,
            raw.stream() as stream,
        ):
            delivery = {"mode": "webhook", "url": receiver.url(callback), "secret": SECRET}
            await raw.result("events/subscribe", name="email.received", delivery=delivery)
            assert (await stream.next())[0] == "active"
            message_id = f"<through-{there.name}@example.org>"
            await there.receive(message_id)
            wanted = f"number {message_id}"
            assert await subject(observer) == wanted
            event = await next_event(stream)
        assert event["data"]["subject"] == wanted
        for got, path in ((webhook_events, webhook), (callback_events, callback)):
            found = await until(partial(got, receiver, path))
            assert found == {wanted: event["eventId"]}


async def next_event(stream: Stream) -> dict[str, Any]:
    kind, told = await stream.next()
    while kind == "heartbeat":
        kind, told = await stream.next()
    assert kind == "event"
    return told
