from __future__ import annotations

import re
from email import policy
from email.parser import BytesParser
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.authentication.evidence import AuthenticationEvidence
from e2a_core.authentication.header import authentication_results
from e2a_core.authentication.results import ArcResult, DkimResult, DmarcResult, SpfResult

PASSED = AuthenticationEvidence(
    SpfResult("pass", "bounce.example.com"),
    (
        DkimResult("pass", "example.com", "s1", algorithm="rsa-sha256", signature_prefix="ab/d+fgh="),
        DkimResult("permerror"),
    ),
    DmarcResult("pass", "example.com", "reject", dkim_aligned=(True, False)),
    ArcResult("fail", ("list.example",)),
)


def test_a_full_field() -> None:
    assert authentication_results(PASSED, "mx.example.net") == (
        "mx.example.net;\r\n"
        " spf=pass smtp.mailfrom=bounce.example.com;\r\n"
        ' dkim=pass header.d=example.com header.s=s1 header.a=rsa-sha256\r\n  header.b="ab/d+fgh=";\r\n'
        " dkim=permerror;\r\n"
        " dmarc=pass header.from=example.com policy.dmarc=reject;\r\n"
        " arc=fail"
    )


def test_an_unsigned_message_from_the_null_sender() -> None:
    evidence = AuthenticationEvidence(
        SpfResult("none", "mx.example.com", identity="helo"), (), DmarcResult("none"), ArcResult("none")
    )
    assert authentication_results(evidence, "us") == (
        "us;\r\n spf=none smtp.helo=mx.example.com;\r\n dkim=none;\r\n dmarc=none"
    )


def unquoted(body: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', body)


@given(
    st.text(max_size=400),
    st.text(max_size=60),
    st.lists(st.tuples(st.text(max_size=300), st.text(max_size=300), st.text(max_size=40)), max_size=9),
)
@settings(max_examples=200, deadline=None)
def test_no_value_escapes_its_place(domain: str, authserv_id: str, signatures: list[tuple[str, ...]]) -> None:
    dkim: tuple[Any, ...] = tuple(
        DkimResult("pass", d, s, algorithm=b, signature_prefix=b) for d, s, b in signatures
    )
    evidence = AuthenticationEvidence(
        SpfResult("fail", domain),
        dkim,
        DmarcResult("fail", domain, dkim_aligned=(False,) * len(dkim)),
        ArcResult("none"),
    )

    body = authentication_results(evidence, authserv_id)

    assert body.isascii()
    assert body.replace("\r\n", "").isprintable()
    lines = body.split("\r\n")
    assert all(line.startswith(" ") and line.strip() for line in lines[1:])
    assert max(map(len, lines)) < 998
    methods = [part.split()[0] for part in unquoted(body).split(";")[1:]]
    assert methods == ["spf=fail", *(["dkim=pass"] * len(dkim) or ["dkim=none"]), "dmarc=fail"]
    raw = f"Authentication-Results: {body}\r\nX-Next: 1\r\n\r\n".encode()
    assert BytesParser(policy=policy.SMTP).parsebytes(raw).keys() == ["Authentication-Results", "X-Next"]
