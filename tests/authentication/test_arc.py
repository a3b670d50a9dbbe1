"""ARC chains: a set dkimpy's authors sealed, chains of our own making, and every way to break one."""

# mypy: allow-untyped-calls

from __future__ import annotations

import base64
import hashlib
from functools import cache

import anyio
import dkim
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.authentication.arc import MAX_SETS, evaluate_arc
from e2a_core.authentication.canonical import HeaderField, SignedMessage
from e2a_core.authentication.results import ArcResult
from tests.authentication.helpers import crlf, resolving, vector
from tests.authentication.test_dkim import Unanswered
from tests.support.dns import SERVFAIL

pytestmark = pytest.mark.anyio

# One set over test.message, as dkimpy's own test suite expects it.
SEALED_BY_DKIMPY = crlf(
    b"""\
ARC-Seal: i=1; cv=none; a=rsa-sha256; d=example.com; s=test; t=12345;
 b=iSKjTQ93xUC6gt4yutHrOf0F/qb4E5voEeuucd66VhM4n/7ifBMMHqYwncgz9sefduM6C
 UthuUSzqE2YamkGXQgKPIG9t4ZCOrx1OXGE34WF9ZeI/E0csrN+wK7sq/RjgN3z4qxLPMsp
 lW+BUUHCNuCIvxcZ55Ky6evIb/Saj2o=
ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed;
 d=example.com; s=test; t=12345; h=message-id : date : from : to :
 subject : from; bh=wE7NXSkgnx9PGiavN4OZhJztvkqPDlemV3OGuEnLwNo=;
 b=a0f6qc3k9eECTSR155A0TQS+LjqPFWfI/brQBA83EUz00SNxj1wmWykvs1hhBVeM0r1kE
 Qc6CKbzRYaBNSiFj4q8JBpRIujLz1qLyGmPuAI6ddu/Z/1hQxgpVcp/odmI1UMV2R+d+yQ7
 tUp3EQxF/GYNt22rV4rNmDmANZVqJ90=
ARC-Authentication-Results: i=1; lists.example.org;
 arc=none;
 spf=pass smtp.mfrom=jqd@d1.example;
 dkim=pass header.i=@d1.example;
 dmarc=pass
"""
    + vector("test.message")
)
DKIMPY_ZONES = {"test._domainkey.example.com": {"TXT": [vector("test.txt").strip()]}}

MESSAGE = b"From: alice@example.org\r\nSubject: tea\r\n\r\nAt four.\r\n"


@cache
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def record() -> str:
    der = (
        key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return f"v=DKIM1; p={base64.b64encode(der).decode()}"


def sign(octets: bytes) -> bytes:
    return base64.b64encode(key().sign(octets, padding.PKCS1v15(), hashes.SHA256()))


def sealed(raw: bytes, hop: int, claim: str | None = None, domain: str = "") -> bytes:
    """`raw` with one more ARC set, made from the text of RFC 8617 and dkimpy's canonical forms alone."""
    domain = domain or f"hop{hop}.example"
    relaxed = dkim.canonicalization.Relaxed
    headers, body = dkim.rfc822_parse(raw)
    body_hash = base64.b64encode(hashlib.sha256(relaxed.canonicalize_body(body)).digest())
    ams = b"i=%d; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=a; h=from:subject; bh=%s; b=" % (
        hop,
        domain.encode(),
        body_hash,
    )
    chosen = [next(h for h in headers if h[0].lower() == name) for name in (b"from", b"subject")]
    octets = b"".join(n + b":" + v for n, v in relaxed.canonicalize_headers(chosen))
    ams += sign(octets + b"arc-message-signature:" + ams)
    aar = b"i=%d; mx.%s; spf=pass" % (hop, domain.encode())
    seal = b"i=%d; a=rsa-sha256; cv=%s; d=%s; s=a; b=" % (
        hop,
        (claim or ("none" if hop == 1 else "pass")).encode(),
        domain.encode(),
    )
    order = [b"arc-authentication-results", b"arc-message-signature", b"arc-seal"]
    older = [h for h in headers if h[0].lower() in order]
    # Every hop prepends its set, so the header from the bottom up is the chain from the first hop on.
    chain = list(reversed(older))
    chain.sort(key=lambda h: (int(h[1].split(b"i=")[1].split(b";")[0]), order.index(h[0].lower())))
    chain += [(b"ARC-Authentication-Results", b" " + aar), (b"ARC-Message-Signature", b" " + ams)]
    octets = b"".join(n + b":" + v for n, v in relaxed.canonicalize_headers(chain))
    seal += sign(octets + b"arc-seal:" + seal)
    return b"ARC-Seal: %s\r\nARC-Message-Signature: %s\r\nARC-Authentication-Results: %s\r\n%s" % (
        seal,
        ams,
        aar,
        raw,
    )


def chain(hops: int) -> bytes:
    raw = MESSAGE
    for hop in range(1, hops + 1):
        raw = sealed(raw, hop)
    return raw


async def verdict(raw: bytes, zones: object = None) -> ArcResult:
    published = {f"a._domainkey.hop{hop}.example": {"TXT": [record()]} for hop in range(1, 20)}
    with resolving(published if zones is None else zones) as resolver:  # type: ignore[arg-type]
        return await evaluate_arc(SignedMessage.parse(raw), resolver)


async def test_a_message_without_arc() -> None:
    assert await verdict(MESSAGE) == ArcResult("none")


async def test_the_set_of_dkimpy() -> None:
    assert await verdict(SEALED_BY_DKIMPY, DKIMPY_ZONES) == ArcResult("pass", ("example.com",))
    altered = SEALED_BY_DKIMPY.replace(b"dmarc=pass\r\nAuth", b"dmarc=fail\r\nAuth")
    assert altered != SEALED_BY_DKIMPY
    assert (await verdict(altered, DKIMPY_ZONES)).status == "fail"


async def test_chains_pass_here_and_in_dkimpy() -> None:
    for hops in (1, 2, 4):
        raw = chain(hops)
        assert dkim.arc_verify(raw, dnsfunc=lambda name, timeout=5: record())[0] == b"pass"
        assert await verdict(raw) == ArcResult("pass", tuple(f"hop{n}.example" for n in range(1, hops + 1)))


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        (b"At four", b"At five", "body hash does not match"),
        (b"Subject: tea", b"Subject: sea", "signature does not verify"),
        (b"i=2; mx.hop2.example; spf=pass", b"i=2; mx.hop2.example; spf=fail", "signature does not verify"),
        (b"i=1; mx.hop1.example; spf=pass", b"i=1; mx.hop1.example; spf=fail", "signature does not verify"),
        (b"ARC-Authentication-Results: i=1", b"X-Gone: i=1", "an ARC set is incomplete"),
        (b"ARC-Authentication-Results: i=1", b"ARC-Authentication-Results: i=3", "an ARC set is incomplete"),
        (
            b"ARC-Authentication-Results: i=1",
            b"ARC-Authentication-Results: i=2",
            "an ARC set has a field twice",
        ),
        (
            b"ARC-Authentication-Results: i=1",
            b"ARC-Authentication-Results: i=0x1",
            "an ARC field has no instance",
        ),
        (
            b"ARC-Authentication-Results: i=1;",
            b"ARC-Authentication-Results: none;",
            "an ARC field is not a list",
        ),
        (b"cv=pass", b"cv=fail", "seal 2 says cv=fail"),
        (b"cv=none", b"cv=pass", "seal 1 says cv=pass"),
        (b"cv=pass;", b"", "cv= is missing"),
        (b"cv=pass;", b"cv=pass; h=from;", "seal 2 has h="),
        (b"h=from:subject", b"h=from:arc-seal", "the message signature signs a seal"),
    ],
)
async def test_broken_chains_fail(old: bytes, new: bytes, detail: str) -> None:
    raw = chain(2)
    assert old in raw
    result = await verdict(raw.replace(old, new, 1))
    assert result.status == "fail"
    assert str(result.detail).startswith(detail)


async def test_a_sealer_that_vouches_for_a_broken_chain_does_not_mend_it() -> None:
    raw = sealed(chain(1).replace(b"spf=pass", b"spf=fail"), 2)
    assert (await verdict(raw)).status == "fail"


async def test_dns_trouble_is_no_verdict() -> None:
    zones = {f"a._domainkey.hop{hop}.example": SERVFAIL for hop in (1, 2)}
    assert (await verdict(chain(2), zones)).status == "temperror"


async def test_chains_beyond_the_limit_are_not_examined() -> None:
    result = await verdict(chain(MAX_SETS + 1))
    assert (result.status, result.detail) == ("fail", "11 ARC sets, the limit is 10")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]),
            st.lists(
                st.tuples(
                    st.sampled_from(["i", "cv", "a", "d", "s", "b", "bh", "h", "c"]),
                    st.one_of(
                        st.sampled_from(["1", "2", "none", "pass", "rsa-sha256", "e.example", "AAAA"]),
                        st.text(max_size=12),
                    ),
                ),
                max_size=9,
            ),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=200, deadline=None)
def test_no_chain_is_too_strange(fields: list[tuple[str, list[tuple[str, str]]]]) -> None:
    message = SignedMessage.parse(MESSAGE)
    headers = [
        HeaderField(
            name.lower().encode(),
            (name + ":" + ";".join(f"{tag}={value}" for tag, value in tags)).encode("utf-8", "replace"),
        )
        for name, tags in fields
    ]

    async def run() -> ArcResult:
        return await evaluate_arc(SignedMessage([*headers, *message.fields], message.body), Unanswered())

    assert anyio.run(run).status == "fail"
