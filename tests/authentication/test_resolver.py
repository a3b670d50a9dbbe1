from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from e2a_core.authentication import resolver as subject
from e2a_core.authentication.resolver import (
    Answer,
    DeadlineLookup,
    NameNotFound,
    NoData,
    PermanentFailure,
    Resolver,
    TemporaryFailure,
)
from e2a_core.clock import SystemClock
from tests.authentication.helpers import SetClock, resolving
from tests.support.dns import SERVFAIL, TIMEOUT, DnsServer

pytestmark = pytest.mark.anyio

ZONES: dict[str, Any] = {
    "example.org": {
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": ["2001:db8::1"],
        "MX": [(10, "mail.example.org"), (20, "backup.example.org")],
        "TXT": [("v=spf1 ", "-all"), b"caf\xc3\xa9"],
    },
    "1.2.0.192.in-addr.arpa": {"PTR": ["mail.example.org"]},
    "nullmx.example": {"MX": ["0 ."]},
    "alias.example": {"CNAME": ["example.org"]},
    "dangling.example": {"CNAME": ["gone.example"]},
    "loop.example": {"CNAME": ["loop.example"]},
    "silent.example": TIMEOUT,
    "broken.example": SERVFAIL,
}


async def test_every_type_in_its_shape() -> None:
    with resolving(ZONES) as resolver:
        assert set((await resolver.lookup("example.org", "A")).addresses) == {"192.0.2.1", "192.0.2.2"}
        assert (await resolver.lookup("example.org", "AAAA")).addresses == ("2001:db8::1",)
        exchanges = (await resolver.lookup("example.org", "MX")).exchanges
        assert set(exchanges) == {(10, "mail.example.org"), (20, "backup.example.org")}
        assert set((await resolver.lookup("example.org", "TXT")).texts) == {b"v=spf1 -all", b"caf\xc3\xa9"}
        assert (await resolver.lookup("1.2.0.192.in-addr.arpa", "PTR")).names == ("mail.example.org",)
        assert (await resolver.lookup("nullmx.example", "MX")).exchanges == ((0, ""),)
        assert len((await resolver.lookup("alias.example", "A")).addresses) == 2


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("missing.example", NameNotFound),
        ("dangling.example", NameNotFound),
        ("nullmx.example", NoData),
        ("example", NoData),
        ("broken.example", TemporaryFailure),
        ("loop.example", PermanentFailure),
        ("a..example", PermanentFailure),
        ("a" * 64 + ".example", PermanentFailure),
        (".".join(["a" * 60] * 5), PermanentFailure),
        ("", PermanentFailure),
    ],
)
async def test_failures_are_typed(name: str, failure: type[Exception]) -> None:
    with resolving(ZONES) as resolver, pytest.raises(failure):
        await resolver.lookup(name, "A")


async def test_a_silent_server_is_given_up_in_time() -> None:
    with resolving(ZONES, timeout=0.3) as resolver:
        started = time.monotonic()
        with pytest.raises(TemporaryFailure):
            await resolver.lookup("silent.example", "A")
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("server", ["127.0.0.1", "localhost:53", "127.0.0.1:dns", ":53"])
def test_a_server_is_an_address_and_a_port(server: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Resolver(server, SystemClock())


async def test_an_unreachable_server_is_temporary() -> None:
    with DnsServer({}) as server:
        address = server.address
    with pytest.raises(TemporaryFailure):
        await Resolver(address, SystemClock(), timeout=0.3).lookup("example.org", "A")


async def test_an_answer_too_large_for_a_datagram_comes_over_tcp() -> None:
    text = "x" * 4000
    with resolving({"big.example": {"TXT": [text]}}) as resolver:
        assert (await resolver.lookup("big.example", "TXT")).texts == (text.encode(),)


async def test_positive_and_negative_answers_are_cached_until_their_capped_ttl() -> None:
    clock = SetClock()
    with DnsServer(ZONES, ttl=86400) as server:
        resolver = Resolver(server.address, clock)
        assert resolver.cached("example.org", "AAAA") is None
        for _ in range(2):
            await resolver.lookup("example.org", "AAAA")
            with pytest.raises(NameNotFound):
                await resolver.lookup("missing.example", "A")
        assert server.queries["example.org", "AAAA"] == server.queries["missing.example", "A"] == 1
        with pytest.raises(NameNotFound):
            resolver.cached("missing.example", "A")

        clock.advance(subject.MAX_NEGATIVE_TTL_SECONDS)
        assert resolver.cached("missing.example", "A") is None
        assert resolver.cached("example.org", "AAAA") == Answer(addresses=("2001:db8::1",))
        clock.advance(subject.MAX_POSITIVE_TTL_SECONDS)
        assert resolver.cached("example.org", "AAAA") is None


async def test_a_zero_ttl_and_a_temporary_failure_are_not_cached() -> None:
    with DnsServer(ZONES, ttl=0) as server:
        resolver = Resolver(server.address, SetClock())
        for _ in range(2):
            await resolver.lookup("example.org", "A")
            with pytest.raises(TemporaryFailure):
                await resolver.lookup("broken.example", "A")
        assert server.queries["example.org", "A"] == 2
        assert server.queries["broken.example", "A"] == 2


async def test_a_huge_answer_is_cut_and_not_kept() -> None:
    zones = {"huge.example": {"A": [f"10.0.{n // 250}.{n % 250}" for n in range(600)], "TXT": ["x" * 5000]}}
    with resolving(zones) as resolver:
        assert len((await resolver.lookup("huge.example", "A")).addresses) == subject.MAX_RECORDS
        assert await resolver.lookup("huge.example", "TXT") == Answer(texts=(b"x" * 5000,))
        assert resolver.cached("huge.example", "TXT") is None


async def test_fresh_asks_again_and_renews_the_cache() -> None:
    with DnsServer({}) as server:
        resolver = Resolver(server.address, SystemClock())
        with pytest.raises(NameNotFound):
            await resolver.lookup("new.example", "TXT")
        server.zones = {"new.example": {"TXT": ["here"]}}
        with pytest.raises(NameNotFound):
            await resolver.lookup("new.example", "TXT")
        assert (await resolver.lookup("new.example", "TXT", fresh=True)).texts == (b"here",)
        assert resolver.cached("new.example", "TXT") == Answer(texts=(b"here",))


async def test_concurrent_questions_share_a_query_and_one_may_give_up() -> None:
    with DnsServer(ZONES) as server:
        resolver = Resolver(server.address, SystemClock())
        waiters = [asyncio.create_task(resolver.lookup("example.org", "A")) for _ in range(10)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        answers = await asyncio.gather(*waiters[1:])
        assert len(set(answers)) == 1
        assert server.queries["example.org", "A"] == 1


async def test_the_cache_is_bounded_and_drops_the_least_recently_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject, "MAX_CACHED_ANSWERS", 2)
    with resolving(
        {name: {"A": ["192.0.2.1"]} for name in ("a.example", "b.example", "c.example")}
    ) as resolver:
        await resolver.lookup("a.example", "A")
        await resolver.lookup("b.example", "A")
        assert resolver.cached("a.example", "A")
        await resolver.lookup("c.example", "A")
        assert resolver.cached("a.example", "A")
        assert resolver.cached("b.example", "A") is None


async def test_after_the_deadline_only_what_is_cached_is_known() -> None:
    clock = SetClock()
    with resolving(ZONES, clock) as resolver:
        await resolver.lookup("example.org", "AAAA")
        bounded = DeadlineLookup(resolver, clock, clock.monotonic())
        assert (await bounded.lookup("example.org", "AAAA")).addresses
        with pytest.raises(TemporaryFailure):
            await bounded.lookup("example.org", "MX")
        await resolver.aclose()


async def test_a_closed_resolver_abandons_its_queries() -> None:
    with resolving(ZONES) as resolver:
        waiter = asyncio.create_task(resolver.lookup("silent.example", "A"))
        await asyncio.sleep(0)
        await resolver.aclose()
        with pytest.raises(asyncio.CancelledError):
            await waiter
