"""DKIM verification against third-party signatures, signatures made by dkimpy, and every reason to refuse one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

import anyio
import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.authentication.canonical import SignedMessage
from e2a_core.authentication.dkim import MAX_SIGNATURES, verify_dkim
from e2a_core.authentication.resolver import NameNotFound
from e2a_core.authentication.results import DkimResult
from tests.authentication.helpers import SetClock, crlf, resolving, vector
from tests.support.dns import SERVFAIL

pytestmark = pytest.mark.anyio

FOOTBALL = {
    "brisbane._domainkey.football.example.com": {
        "TXT": ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]
    },
    "test._domainkey.football.example.com": {"TXT": [vector("test.txt").strip()]},
}

# The two keys of RFC 8463, appendix A, over its message.
RFC_8463 = crlf(b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""")

MESSAGE = crlf(b"""\
Received: from a.example by b.example
From: Alice <alice@example.org>
To: bob@example.net
Subject: tea
\tat  four
Message-ID: <1@example.org>

Dear  Bob,\t
tea is at four. \n\n
""")


@cache
def rsa_key(bits: int = 2048) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=bits)


def public(key: RSAPrivateKey, form: str = "spki") -> str:
    formats = {
        "spki": serialization.PublicFormat.SubjectPublicKeyInfo,
        "pkcs1": serialization.PublicFormat.PKCS1,
    }
    der = key.public_key().public_bytes(serialization.Encoding.DER, formats[form])
    return base64.b64encode(der).decode()


def signed(message: bytes = MESSAGE, **options: Any) -> bytes:
    """The message with a signature dkimpy made for example.org, selector s1."""
    pem = rsa_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    domain = options.pop("domain", b"example.org")
    signature: bytes = dkim.sign(message, b"s1", domain, pem, **options)
    return signature + message


async def verify(
    raw: bytes, record: Any = None, zones: Mapping[str, Any] | None = None, clock: SetClock | None = None
) -> tuple[DkimResult, ...]:
    published = {"s1._domainkey.example.org": {"TXT": [record or f"v=DKIM1; p={public(rsa_key())}"]}}
    with resolving(published if zones is None else zones) as resolver:
        return await verify_dkim(SignedMessage.parse(raw), resolver, (clock or SetClock()).now())


def statuses(results: tuple[DkimResult, ...]) -> list[str]:
    return [result.status for result in results]


async def test_the_message_of_rfc_8463() -> None:
    results = await verify(RFC_8463, zones=FOOTBALL)

    assert statuses(results) == ["pass", "pass"]
    assert [(r.domain, r.selector, r.algorithm) for r in results] == [
        ("football.example.com", "brisbane", "ed25519-sha256"),
        ("football.example.com", "test", "rsa-sha256"),
    ]
    assert results[0].signature_prefix == "/gCrinpcQOoI"


async def test_the_message_of_rfc_8463_altered() -> None:
    assert statuses(await verify(RFC_8463.replace(b"hungry", b"angry"), zones=FOOTBALL)) == ["fail", "fail"]
    assert statuses(await verify(RFC_8463.replace(b"dinner", b"supper"), zones=FOOTBALL)) == ["fail", "fail"]


async def test_an_ed25519_signature_by_exim() -> None:
    zones = {"sed._domainkey.test.ex": {"TXT": [vector("eximtest.dns").strip()]}}
    assert statuses(await verify(crlf(vector("ed25519test2.msg")), zones=zones)) == ["pass"]


async def test_simple_signatures_with_white_space_at_line_ends() -> None:
    [ed25519, _] = await verify(crlf(vector("rfc6376.signed.msg")), zones=FOOTBALL)
    assert ed25519.status == "pass"


async def test_a_message_in_an_eight_bit_character_set_is_judged_like_any_other() -> None:
    results = await verify(crlf(vector("rfc6376.w1258.msg")), zones=FOOTBALL)
    assert all(result.status in {"pass", "fail"} for result in results)


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
async def test_signatures_by_dkimpy(header: bytes, body: bytes) -> None:
    raw = signed(canonicalize=(header, body))

    assert statuses(await verify(raw)) == ["pass"]
    assert statuses(await verify(raw + b"P.S.\r\n")) == ["fail"]
    assert statuses(await verify(raw.replace(b"Subject: tea", b"Subject: sea"))) == ["fail"]
    assert statuses(await verify(b"Received: by c.example\r\n" + raw)) == ["pass"]


@pytest.mark.parametrize("form", ["spki", "pkcs1"])
async def test_both_forms_of_rsa_keys(form: str) -> None:
    assert statuses(await verify(signed(), f"p={public(rsa_key(), form)}")) == ["pass"]


async def test_an_unsigned_message_has_no_results() -> None:
    assert await verify(MESSAGE) == ()


async def test_results_come_in_the_order_of_the_header() -> None:
    raw = signed(signed(domain=b"first.example"), domain=b"second.example")
    assert [result.domain for result in await verify(raw)] == ["second.example", "first.example"]


async def test_signatures_beyond_the_limit_are_not_examined() -> None:
    raw = signed()
    one = raw.removesuffix(MESSAGE)
    results = await verify(one * (MAX_SIGNATURES + 20) + MESSAGE)

    assert statuses(results) == ["pass"] * MAX_SIGNATURES + ["policy"]
    assert results[-1].detail == "20 more not examined, the limit is 8"


async def test_a_body_length_is_refused_by_policy_and_named() -> None:
    [result] = await verify(signed(length=True))
    assert (result.status, result.domain) == ("policy", "example.org")
    assert "l=" in str(result.detail)


async def test_short_keys_are_refused() -> None:
    weak = (
        "p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANmBe10IgY+u7h3enWTukkqtUD5PR52T"
        "b/mPfjC0QJTocVBq6Za/PlzfV+Py92VaCak19F4WrbVTK5Gg5tW220MCAwEAAQ=="
    )
    [result] = await verify(signed(), weak)
    assert (result.status, result.detail) == ("policy", "512-bit RSA key")


async def test_sha1_is_refused_before_its_key_is_asked_for() -> None:
    [result] = await verify(signed().replace(b"a=rsa-sha256", b"a=rsa-sha1"), zones={})
    assert (result.status, result.detail) == ("policy", "rsa-sha1 is refused")


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        (b"v=1;", b"v=2;", "v= is not 1"),
        (b"v=1;", b"", "v= is missing"),
        (b"a=rsa-sha256;", b"", "a= is missing"),
        (b"a=rsa-sha256", b"a=rsa-md5", "unknown algorithm in a="),
        (b"d=example.org;", b"", "d= is missing"),
        (b"d=example.org;", b"d=exa mple.org;", "d= is not a domain name"),
        (b"s=s1;", b"s=;", "s= is missing"),
        (b"s=s1;", b"s=s 1;", "s= is not a selector"),
        (b"q=dns/txt", b"q=http", "q= does not offer dns/txt"),
        (b"i=@example.org", b"i=@example.net", "i= is not within d="),
        (b"i=@example.org", b"i=@badexample.org", "i= is not within d="),
        (b"c=relaxed/simple", b"c=relaxed/nowsp", "c= or bh= cannot be read"),
        (b"bh=", b"bh=*", "c= or bh= cannot be read"),
        (b"; b=", b"; b=?", "b= is not base64"),
        (b" t=", b" x=1; t=", "x= is before t="),
        (b" t=", b" x=never; t=", "x= is not a time"),
        (b"; t=", b"; t=+", "t= is not a time"),
        (b" : from", b"", "From is not signed"),
        (b"v=1;", b"v=1; v=1;", "tag v= appears twice"),
    ],
)
async def test_signatures_that_break_the_rules(old: bytes, new: bytes, detail: str) -> None:
    signature, _, rest = signed(include_headers=[b"to", b"from"]).partition(b"\r\nReceived:")
    raw = signature.replace(b"\r\n", b"") + b"\r\nReceived:" + rest
    assert old in raw
    [result] = await verify(raw.replace(old, new, 1))
    assert (result.status, result.detail) == ("permerror", detail)


async def test_an_expired_signature() -> None:
    clock = SetClock()
    expiry = int(clock.now().timestamp())
    raw = signed().replace(b"; t=", b"; y=").replace(b" t=", b" y=").replace(b"v=1;", b"v=1; x=%d;" % expiry)
    assert (await verify(raw, clock=clock))[0].detail == "signature does not verify"
    clock.advance(301)
    [result] = await verify(raw, clock=clock)
    assert (result.status, result.detail) == ("permerror", f"signature expired, x={expiry}")


@pytest.mark.parametrize(
    "added",
    [b"From: Mallory <mallory@evil.example>", b"Subject: Pay at once", b"to: you@example.org"],
)
async def test_a_field_added_above_the_signed_one(added: bytes) -> None:
    covered = [b"from", b"subject", b"to"]
    raw = added + b"\r\n" + signed(include_headers=covered)
    [result] = await verify(raw)
    name = added.partition(b":")[0].lower().decode()
    assert (result.status, result.detail) == ("policy", f"a second {name} field is not signed")


async def test_what_may_occur_often_may_be_added() -> None:
    raw = b"Received: by relay\r\nX-Tag: 1\r\n" + signed(include_headers=[b"from", b"subject"])
    [result] = await verify(raw)
    assert result.status == "pass"


@pytest.mark.parametrize(
    ("record", "status", "detail"),
    [
        ("v=DKIM1; k=rsa; h=sha1:sha256; s=email:other; n=hi; p={p}", "pass", None),
        ("v=DKIM1; t=y; p={p}", "pass", "the domain is testing DKIM (t=y)"),
        ("v=DKIM1; p=", "permerror", "key has been revoked"),
        ("v=DKIM2; p={p}", "permerror", "key record is of an unknown version"),
        ("p={p}; v=DKIM1", "permerror", "key record is of an unknown version"),
        ("v=DKIM1; k=ed25519; p={p}", "permerror", "key is not for rsa"),
        ("v=DKIM1; h=sha1; p={p}", "permerror", "key does not allow sha256"),
        ("v=DKIM1; s=tlsrpt; p={p}", "permerror", "key is not for email"),
        ("v=DKIM1; p=AAAA", "permerror", "key cannot be read"),
        ("v=DKIM1; p=*", "permerror", "key cannot be read"),
        ("v=DKIM1; p={p}; p={p}", "permerror", "key record is tag p= appears twice"),
        ("v=spf1 -all", "permerror", "no key record"),
    ],
)
async def test_key_records(record: str, status: str, detail: str | None) -> None:
    [result] = await verify(signed(), record.format(p=public(rsa_key())))
    assert (result.status, result.detail) == (status, detail)


async def test_where_keys_are_not() -> None:
    name, key = "s1._domainkey.example.org", f"v=DKIM1; p={public(rsa_key())}"
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "permerror"),
        ({name: {"A": ["192.0.2.1"]}}, "permerror"),
        ({name: SERVFAIL}, "temperror"),
        ({name: {"TXT": [key, key + ";"]}}, "permerror"),
        ({name: {"TXT": ["v=spf1 -all", key]}}, "pass"),
    ]
    for zones, status in cases:
        assert statuses(await verify(signed(), zones=zones)) == [status]


async def test_a_key_may_insist_on_the_exact_domain() -> None:
    record = f"v=DKIM1; t=s; p={public(rsa_key())}"
    assert statuses(await verify(signed(), record)) == ["pass"]
    [result] = await verify(signed(identity=b"@sub.example.org"), record)
    assert (result.status, result.detail) == ("permerror", "i= is below d=, which the key does not allow")
    assert statuses(await verify(signed(identity=b"@sub.example.org"))) == ["pass"]


async def test_a_hostile_domain_is_not_repeated() -> None:
    [result] = await verify(crlf(vector("test.message.baddomain")), zones={})
    assert (result.status, result.domain) == ("permerror", None)


async def test_an_ed25519_key_of_a_wrong_size() -> None:
    raw = signed().replace(b"a=rsa-sha256", b"a=ed25519-sha256")
    [result] = await verify(raw, "k=ed25519; p=" + base64.b64encode(bytes(31)).decode())
    assert (result.status, result.detail) == ("permerror", "key cannot be read")
    good = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    [result] = await verify(raw, "k=ed25519; p=" + base64.b64encode(good).decode())
    assert (result.status, result.detail) == ("fail", "signature does not verify")


tag_lists = st.lists(
    st.tuples(
        st.sampled_from(["v", "a", "b", "bh", "c", "d", "h", "i", "l", "q", "s", "t", "x", "z"]),
        st.one_of(
            st.sampled_from(
                ["1", "rsa-sha256", "ed25519-sha256", "relaxed/relaxed", "example.org", "from", "AAAA"]
            ),
            st.text(max_size=20),
        ),
    ),
    max_size=14,
)


class Unanswered:
    """A DNS in which nothing exists."""

    def cached(self, name: str, rdtype: Any) -> None:
        return None

    async def lookup(self, name: str, rdtype: Any) -> Any:
        raise NameNotFound(name)


@given(tag_lists)
@settings(max_examples=200, deadline=None)
def test_no_tag_list_is_too_strange(tags: list[tuple[str, str]]) -> None:
    field = "; ".join(f"{name}={value}" for name, value in tags).replace("\r", "").replace("\n", "")
    raw = f"DKIM-Signature: {field}\r\nFrom: a@example.org\r\n\r\nbody\r\n".encode("utf-8", "replace")

    async def run() -> tuple[DkimResult, ...]:
        return await verify_dkim(SignedMessage.parse(raw), Unanswered(), SetClock().now())

    [result] = anyio.run(run)
    assert result.status in {"fail", "policy", "permerror", "temperror"}
    assert (result.detail or "").isascii()
