"""The whole of authentication over real DNS: verdicts together, the deadline, and what happens to hostile input."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.authentication.evaluate import Authenticator
from e2a_core.authentication.evidence import AuthenticationEvidence
from e2a_core.authentication.resolver import Answer, Resolver
from e2a_core.authentication.spf import SpfVerdicts, evaluate_spf
from e2a_core.clock import SystemClock
from e2a_core.signing.dkim import DkimKey, sign
from tests.authentication.helpers import SetClock, resolving
from tests.authentication.test_dkim import Unanswered
from tests.support.dns import TIMEOUT, DnsServer

pytestmark = pytest.mark.anyio

KEY = DkimKey.generate("ed25519-sha256")
ZONES: dict[str, Any] = {
    "example.org": {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all"]},
    "s1._domainkey.example.org": {"TXT": [KEY.dns_record()]},
    "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject"]},
}
PLAIN = b"From: alice@example.org\r\nTo: bob@example.net\r\nSubject: tea\r\n\r\nAt four.\r\n"
SIGNED = sign(PLAIN, KEY, "example.org", "s1", SystemClock()) + PLAIN
ENVELOPE: dict[str, Any] = {
    "ip": "192.0.2.7",
    "mail_from": "alice@example.org",
    "helo": "mail.example.org",
    "author_domain": "example.org",
}


async def authenticate(raw: bytes, zones: dict[str, Any] = ZONES, **envelope: Any) -> AuthenticationEvidence:
    with resolving(zones) as resolver:
        return await Authenticator(resolver, SystemClock(), "mx.test").evaluate(
            raw=raw, **ENVELOPE | envelope
        )


async def test_everything_passes() -> None:
    evidence = await authenticate(SIGNED)
    assert evidence.domain_check == "spf=pass; dkim=pass; dmarc=pass"
    assert evidence.verified_domain == "example.org"
    assert evidence.aligned_by == ["spf", "dkim"]
    assert evidence.arc.status == "none"


async def test_a_forged_author_is_not_verified_by_somebody_elses_pass() -> None:
    evidence = await authenticate(SIGNED, author_domain="victim.example")
    assert evidence.domain_check == "spf=pass; dkim=pass; dmarc=none"
    assert not evidence.verified


async def test_a_forwarded_message_is_verified_by_its_signature() -> None:
    evidence = await authenticate(SIGNED, ip="198.51.100.1")
    assert evidence.domain_check == "spf=fail; dkim=pass; dmarc=pass"
    assert evidence.aligned_by == ["dkim"]


async def test_an_unsigned_forgery_fails() -> None:
    evidence = await authenticate(PLAIN, ip="198.51.100.1")
    assert evidence.domain_check == "spf=fail; dkim=none; dmarc=fail"
    assert evidence.to_json()["dmarc"]["policy"] == "reject"


async def test_our_header_field() -> None:
    with resolving(ZONES) as resolver:
        subject = Authenticator(resolver, SystemClock(), "mx.test")
        header = subject.header(await subject.evaluate(raw=SIGNED, **ENVELOPE))
    assert header.startswith(
        "mx.test;\r\n spf=pass smtp.mailfrom=example.org;\r\n dkim=pass header.d=example.org"
    )


async def test_a_dns_that_never_answers_is_a_temporary_error_at_the_deadline() -> None:
    zones = dict.fromkeys((*ZONES, "_dmarc.org"), TIMEOUT)
    with DnsServer(zones) as server:
        resolver = Resolver(server.address, SystemClock(), timeout=30)
        started = time.monotonic()
        evidence = await Authenticator(resolver, SystemClock(), "mx.test", deadline_seconds=0.4).evaluate(
            raw=SIGNED, **ENVELOPE
        )
        elapsed = time.monotonic() - started
        await resolver.aclose()
    assert evidence.domain_check == "spf=temperror; dkim=temperror; dmarc=temperror"
    assert evidence.dkim[0].domain == "example.org"
    assert not evidence.verified
    assert 0.3 < elapsed < 3


async def test_what_was_found_before_the_deadline_counts() -> None:
    zones = ZONES | {"example.org": TIMEOUT}
    with DnsServer(zones) as server:
        resolver = Resolver(server.address, SystemClock(), timeout=30)
        await resolver.lookup("_dmarc.example.org", "TXT")
        evidence = await Authenticator(resolver, SystemClock(), "mx.test", deadline_seconds=0.4).evaluate(
            raw=SIGNED, **ENVELOPE
        )
        await resolver.aclose()
    assert evidence.spf.status == "temperror"
    assert evidence.dkim[0].status == "pass"


async def test_a_warm_cache_asks_nothing() -> None:
    with DnsServer(ZONES) as server:
        subject = Authenticator(Resolver(server.address, SystemClock()), SystemClock(), "mx.test")
        first = await subject.evaluate(raw=SIGNED, **ENVELOPE)
        asked = sum(server.queries.values())
        assert await subject.evaluate(raw=SIGNED, **ENVELOPE) == first
        assert sum(server.queries.values()) == asked


async def test_a_fault_in_one_mechanism_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Unanswered):
        async def lookup(self, name: str, rdtype: Any) -> Any:
            if "_domainkey" in name:
                raise ZeroDivisionError
            return await super().lookup(name, rdtype)

    evidence = await Authenticator(Faulty(), SystemClock(), "mx.test").evaluate(raw=SIGNED, **ENVELOPE)

    assert evidence.domain_check == "spf=none; dkim=temperror; dmarc=none"
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("ip", "mail_from", "helo", "status", "domain"),
    [
        ("192.0.2.7", "alice@Example.ORG.", "x", "pass", "example.org"),
        ("::ffff:192.0.2.7", "alice@example.org", "x", "pass", "example.org"),
        ("2001:db8::1", "alice@example.org", "x", "fail", "example.org"),
        ("192.0.2.7", "", "example.org", "pass", "example.org"),
        ("192.0.2.7", "", "[192.0.2.7]", "none", None),
        ("192.0.2.7", "", "localhost", "none", None),
        ("192.0.2.7", "", None, "none", None),
        ("192.0.2.7", "alice", "example.org", "permerror", None),
        ("192.0.2.7", "alice@", "example.org", "permerror", None),
        ("192.0.2.7", "alice@[192.0.2.7]", "example.org", "none", None),
        ("192.0.2.7", '"a@b"@example.org', "x", "pass", "example.org"),
        (None, "alice@example.org", "x", "none", "example.org"),
        ("not an address", "alice@example.org", "x", "none", "example.org"),
        ("list", "alice@example.org", "x", "none", "example.org"),
        ("192.0.2.7", "alice@missing.example", "x", "none", "missing.example"),
    ],
)
async def test_identities_of_spf(
    ip: str | None, mail_from: str, helo: str | None, status: str, domain: str | None
) -> None:
    with resolving(ZONES) as resolver:
        result = await evaluate_spf(ip, mail_from, helo, resolver, SpfVerdicts())
    assert (result.status, result.domain) == (status, domain)
    assert result.identity == ("mailfrom" if mail_from else "helo")


@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.text(max_size=60),
    st.binary(max_size=300),
    st.text(max_size=60),
    st.text(max_size=120),
)
@settings(max_examples=200, deadline=None)
def test_no_message_is_too_strange(
    ip: str, mail_from: str, helo: str, raw: bytes, author: str, policy: str
) -> None:
    class Echo(Unanswered):
        """Everybody publishes the same strange text."""

        def cached(self, name: str, rdtype: Any) -> Any:
            text = ("v=DMARC1; " if name.startswith("_dmarc") else "v=spf1 ") + policy
            return Answer(texts=(text.encode(),)) if rdtype == "TXT" else None

    async def run() -> AuthenticationEvidence:
        return await Authenticator(Echo(), SetClock(), "mx.test").evaluate(
            ip=ip if len(ip) % 2 else "192.0.2.1",
            mail_from=mail_from + "@example.org",
            helo=helo,
            raw=raw,
            author_domain=author,
        )

    evidence = anyio.run(run)
    assert "internal error" not in {evidence.spf.detail, evidence.dmarc.detail, evidence.arc.detail}
    assert not evidence.dkim
    evidence.to_json()
