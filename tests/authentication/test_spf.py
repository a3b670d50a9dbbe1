"""SPF against the openspf.org suite for RFC 7208, asked over a real DNS server, and the rules around it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2a_core.authentication.resolver import Resolver
from e2a_core.authentication.spf import SpfVerdicts, evaluate_spf
from e2a_core.clock import SystemClock
from tests.authentication.helpers import resolving
from tests.support.dns import SERVFAIL, DnsServer

pytestmark = pytest.mark.anyio

SUITE = Path(__file__).parent / "data" / "rfc7208-tests.yml"


@cache
def scenarios() -> list[dict[str, Any]]:
    return [s for s in yaml.safe_load_all(SUITE.read_text(encoding="utf-8")) if s]


def zone(records: list[Any]) -> dict[str, Any] | str:
    """One name of the suite in our server's terms; what the suite leaves unanswered we answer with SERVFAIL.

    The suite's convention: an SPF record stands for a TXT record unless the name has TXT records of its own.
    """
    gathered: dict[str, list[Any]] = {}
    silent = False
    for record in records:
        if record == "TIMEOUT":
            silent = True
            continue
        for rdtype, value in record.items():
            gathered.setdefault(rdtype, []).append(tuple(value) if isinstance(value, list) else value)
    if "TXT" not in gathered and "SPF" in gathered:
        gathered["TXT"] = gathered["SPF"]
    gathered.pop("SPF", None)
    answers: dict[str, Any] = {}
    for rdtype, values in gathered.items():
        if "TIMEOUT" in values:
            answers[rdtype] = SERVFAIL
        elif values != ["NONE"]:
            answers[rdtype] = values
    if silent:
        for rdtype in ("A", "AAAA", "MX", "PTR", "TXT"):
            answers.setdefault(rdtype, SERVFAIL)
    return answers


def cases() -> Iterator[Any]:
    for number, scenario in enumerate(scenarios()):
        for name, case in scenario["tests"].items():
            yield pytest.param(number, case, id=name)


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with DnsServer({}) as running:
        yield running


def verdicts(case: dict[str, Any]) -> set[str]:
    result = case["result"]
    return set(result) if isinstance(result, list) else {result}


@pytest.mark.parametrize(("number", "case"), list(cases()))
async def test_the_openspf_suite(server: DnsServer, number: int, case: dict[str, Any]) -> None:
    server.zones = {name: zone(records) for name, records in scenarios()[number]["zonedata"].items()}
    resolver = Resolver(server.address, SystemClock())

    result = await evaluate_spf(case["host"], case["mailfrom"], case["helo"], resolver, SpfVerdicts())

    assert result.status in verdicts(case), result.detail


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        ("v=spf1 a:x." + "a" * 3000 + "! -all", "domain-spec is longer"),
        ("v=spf1 x=%%" + "." * 3000 + " -all", "domain-spec is longer"),
        ("v=spf1 redirect=" + "%{" * 1500, "domain-spec is longer"),
        ("v=spf1 a/" + "1" * 5000, "record is longer"),
        ("v=spf1 " + "ip4:192.0.2.1 " * 4000, "record is longer"),
        ("v=spf1 a:x." + "a" * 50_000 + "! -all", "record is longer"),
    ],
)
async def test_records_made_to_be_slow_are_permanent_errors(record: str, detail: str) -> None:
    with resolving({"example.org": {"TXT": [record]}}) as resolver:
        started = time.process_time()
        result = await evaluate_spf("192.0.2.1", "a@example.org", "mail.example.org", resolver, SpfVerdicts())
        elapsed = time.process_time() - started
    assert result.status == "permerror"
    assert detail in str(result.detail)
    assert elapsed < 1


async def test_the_limits_of_lookups() -> None:
    chain = {f"i{n}.example": {"TXT": [f"v=spf1 include:i{n + 1}.example ?all"]} for n in range(12)}
    voids = {"example.org": {"TXT": ["v=spf1 a:n1.example a:n2.example a:n3.example ip4:192.0.2.1 -all"]}}
    with resolving(chain | voids) as resolver:
        too_many = await evaluate_spf("192.0.2.1", "a@i0.example", "h.example", resolver, SpfVerdicts())
        too_void = await evaluate_spf("192.0.2.1", "a@example.org", "h.example", resolver, SpfVerdicts())
    assert (too_many.status, too_void.status) == ("permerror", "permerror")
    assert "more than 2 void lookups" in str(too_void.detail)


async def test_octets_that_are_no_text_do_no_harm() -> None:
    zones = {"example.org": {"TXT": ["v=spf1 exists:%{l}.%{h}.example.net -all"]}}
    with resolving(zones) as resolver:
        result = await evaluate_spf("192.0.2.1", "a\udcff@example.org", "h\udcff", resolver, SpfVerdicts())
    assert result.status == "fail"
