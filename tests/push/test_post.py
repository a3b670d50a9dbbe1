"""Posting to callbacks over real connections: what is refused, what is cut short, and who is believed to be who."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from e2a_core.clock import SystemClock
from e2a_core.core import Core, shared_resolver
from e2a_core.push.post import ANSWER_OCTETS, Answer, Poster
from e2a_core.push.targets import UnreachableTarget
from tests.support.certificates import tls_contexts
from tests.support.deployment import clock, core
from tests.support.dns import SERVFAIL, DnsServer
from tests.support.receiver import DROP, HANG, Receiver, receiving

__all__ = ["clock", "core"]

pytestmark = pytest.mark.anyio

NAME = "hooks.example.com"


@pytest.fixture
def database_kind() -> str:
    """Nothing is stored."""
    return "sqlite"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer({NAME: {"A": ["127.0.0.1"]}}, ttl=0) as server:
        yield server


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


def poster(core: Core, dns: DnsServer, *, loopback: bool = True, tls: ssl.SSLContext | None = None) -> Poster:
    settings = replace(core.settings, push_allow_loopback=loopback, dns_server=dns.address)
    resolver = shared_resolver(settings, SystemClock())
    return Poster(replace(core, settings=settings, resolver=resolver), tls=tls, seconds=2.0)


async def posted(sender: Poster, url: str, body: bytes = b"{}") -> Answer:
    async with sender.endpoint(url) as endpoint:
        return await endpoint.post(body, {"X-Test": "1"})


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(core: Core, dns: DnsServer, receiver: Receiver, status: int) -> None:
    receiver.status = status
    assert (await posted(poster(core, dns), receiver.url())).ok
    [got] = receiver.requests
    assert (got.headers["user-agent"], got.headers["x-test"]) == ("e2a-webhooks/1", "1")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(301, "http_3xx"), (307, "http_3xx"), (404, "http_4xx"), (410, "http_4xx"), (503, "http_5xx")],
)
async def test_everything_else_is_failure_and_no_redirect_is_followed(
    core: Core, dns: DnsServer, receiver: Receiver, status: int, reason: str
) -> None:
    receiver.status = status
    receiver.extra = {"location": receiver.url("/elsewhere")}
    answer = await posted(poster(core, dns), receiver.url())
    assert (answer.status, answer.reason, answer.error) == (status, reason, f"HTTP {status}")
    assert receiver.on("/elsewhere") == []


@pytest.mark.parametrize(
    "location", ["http://xn--/", "http://xn--a-ecp.ru/", "http://[", "http://a:99999/", "mailto:x", "//"]
)
async def test_where_a_redirect_leads_is_not_read(
    core: Core, dns: DnsServer, receiver: Receiver, location: str
) -> None:
    """What is no URL must not make a failure look like one of ours."""
    receiver.status = 301
    receiver.extra = {"location": location}
    answer = await posted(poster(core, dns), receiver.url())
    assert (answer.status, answer.reason) == (301, "http_3xx")


async def test_a_status_that_there_is_not_is_the_servers_fault(
    core: Core, dns: DnsServer, receiver: Receiver
) -> None:
    receiver.status = 999
    answer = await posted(poster(core, dns), receiver.url())
    assert (answer.status, answer.reason) == (999, "http_5xx")


HOSTS = (
    "a" * 70 + ".example",
    "a." * 130 + "example",
    'a"b.example',
    "a<b>.example",
    "a_b.example",
    "*.example",
)


@pytest.mark.parametrize(
    "host", [*HOSTS, "xn--.example", "xn--a-ecp.example", "\u24d4xample.com", "\xdf.example"]
)
async def test_a_strange_host_is_no_error_of_ours(core: Core, dns: DnsServer, host: str) -> None:
    answer = await posted(poster(core, dns), f"https://{host}/hook")
    assert (answer.status, answer.ok) == (None, False)


@pytest.mark.parametrize(("script", "reason"), [(HANG, "timeout"), (DROP, "connection_refused")])
async def test_an_endpoint_that_does_not_answer_is_given_up(
    core: Core, dns: DnsServer, receiver: Receiver, script: int, reason: str
) -> None:
    receiver.status = script
    answer = await posted(poster(core, dns), receiver.url())
    assert (answer.status, answer.reason) == (None, reason)


async def test_nobody_listening_is_told(core: Core, dns: DnsServer, receiver: Receiver) -> None:
    answer = await posted(poster(core, dns), "http://127.0.0.1:9/hook")
    assert (answer.status, answer.reason) == (None, "connection_refused")


async def test_little_of_a_large_answer_is_read(core: Core, dns: DnsServer, receiver: Receiver) -> None:
    receiver.answer = lambda _: b"x" * 10_000_000
    answer = await posted(poster(core, dns), receiver.url())
    assert (answer.ok, len(answer.body)) == (True, ANSWER_OCTETS)


async def test_a_name_that_comes_to_mean_this_machine_is_not_called(
    core: Core, dns: DnsServer, receiver: Receiver
) -> None:
    """The address is looked at for each connection, and the connection goes where was looked."""
    sender = poster(core, dns, loopback=False)
    dns.zones = {NAME: {"A": ["93.184.216.34"]}}
    await sender.check(sender.target(f"https://{NAME}/hook"))
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254"):
        dns.zones = {NAME: {"A": ["93.184.216.34", address]}}
        answer = await posted(sender, f"https://{NAME}:{receiver.port}/hook")
        assert (answer.status, answer.reason) == (None, "refused_address")
    assert receiver.requests == []


@pytest.mark.parametrize(
    "zones",
    [
        {NAME: {"AAAA": ["::1"]}},
        {NAME: {"A": ["8.8.8.8"], "AAAA": ["fd00::1"]}},
        {NAME: {"AAAA": ["64:ff9b::7f00:1"]}},
        {NAME: {"CNAME": ["inside.example"]}, "inside.example": {"A": ["192.168.0.1"]}},
        {NAME: SERVFAIL},
        {NAME: {"TXT": ["no address"]}},
        {"example.com": {}},
    ],
)
async def test_a_name_without_a_public_address_is_refused(core: Core, dns: DnsServer, zones: object) -> None:
    dns.zones = zones  # type: ignore[assignment]
    sender = poster(core, dns, loopback=False)
    with pytest.raises(UnreachableTarget):
        await sender.check(sender.target(f"https://{NAME}/"))


async def test_the_certificate_has_to_be_for_the_name(core: Core, dns: DnsServer, tmp_path: Path) -> None:
    dns.zones = {NAME: {"A": ["127.0.0.1"]}, "other.example.com": {"A": ["127.0.0.1"]}}
    server, client = tls_contexts(tmp_path, NAME)
    async with receiving(tls=server) as receiver:
        sender = poster(core, dns, tls=client)
        assert (await posted(sender, f"https://{NAME}:{receiver.port}/hook")).ok
        assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"
        for url in (f"https://other.example.com:{receiver.port}/", f"https://localhost:{receiver.port}/"):
            answer = await posted(sender, url)
            assert (answer.status, answer.reason) == (None, "tls_error"), url
        untrusting = await posted(poster(core, dns), f"https://{NAME}:{receiver.port}/hook")
        assert untrusting.reason == "tls_error"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("status", "waits"), [(429, True), (503, True), (200, False), (500, False), (302, False)]
)
async def test_only_a_busy_receiver_is_waited_for(
    core: Core, dns: DnsServer, receiver: Receiver, status: int, waits: bool
) -> None:
    receiver.status = status
    receiver.extra["Retry-After"] = "7"
    answer = await posted(poster(core, dns), receiver.url())
    assert answer.retry_after == (timedelta(seconds=7) if waits else None)
