from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.authentication.dmarc_record import (
    DmarcRecord,
    is_dmarc_record,
    parse_record,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"v=DMARC1", True),
        (b"v=DMARC1;", True),
        (b"v = DMARC1 ; p=none", True),
        (b"V=DMARC1; p=none", True),
        (b"v=dmarc1; p=none", False),
        (b"v=DMARC12; p=none", False),
        (b"v=DMARC1 p=none", False),
        (b"p=none; v=DMARC1", False),
        (b" v=DMARC1", False),
        (b"v=spf1 -all", False),
        (b"", False),
    ],
)
def test_the_version_comes_first_and_exactly(text: bytes, expected: bool) -> None:
    assert is_dmarc_record(text) is expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("p=reject", DmarcRecord("reject")),
        ("", None),
        ("rua=mailto:d@example.org", DmarcRecord("none")),
        ("sp=reject", None),
        ("np=reject; t=y", None),
        ("p=reject; p=none", DmarcRecord("reject")),
        ("p=reject; rua", DmarcRecord("reject")),
        ("p=reject;; sp=none", DmarcRecord("reject", subdomain_policy="none")),
        ("p=reject; rua=", DmarcRecord("reject")),
        ("p=reject; =x; 1x=2; a b", DmarcRecord("reject")),
        ("p=reject; sp none", DmarcRecord("reject")),
        ("garbage; p=quarantine; t=y", DmarcRecord("quarantine", testing=True)),
        ("p=reject; v=DMARC1; rua=mailto:d@example.org,", DmarcRecord("reject")),
        ("p=reject; adkim=s; adkim=r", DmarcRecord("reject", strict_dkim=True)),
        ("p", None),
        ("p reject; rua=mailto:d@example.org", DmarcRecord("none")),
        ("P=Reject; SP=None", DmarcRecord("reject", subdomain_policy="none")),
        ("p=none;sp=quarantine;np=reject", DmarcRecord("none", "quarantine", "reject")),
        ("p=none; aspf=s; adkim=s", DmarcRecord("none", strict_spf=True, strict_dkim=True)),
        ("p=none; aspf=r; adkim=x", DmarcRecord("none")),
        ("p=none; psd=y", DmarcRecord("none", psd="y")),
        ("p=none; psd=n; t=y", DmarcRecord("none", psd="n", testing=True)),
        ("p=none; psd=maybe; t=n", DmarcRecord("none")),
        ("p=quarantine; pct=10; rf=afrf; ri=1; fo=1; future=x", DmarcRecord("quarantine")),
        ("p=unheard-of", None),
        ("p=", None),
        ("p=unheard-of; rua=not a uri", None),
        ("p=unheard-of; sp=reject; rua=mailto:d@example.org!10m", DmarcRecord("none")),
        ("p=reject; sp=unheard-of; rua=bad, mailto:d@example.org", DmarcRecord("none")),
        ("p=reject; np=unheard-of", None),
    ],
)
def test_records(tags: str, expected: DmarcRecord | None) -> None:
    assert parse_record(f"v=DMARC1; {tags}".encode()) == expected


@pytest.mark.parametrize(
    ("subdomain", "exists", "expected"),
    [(False, True, "none"), (False, False, "none"), (True, True, "quarantine"), (True, False, "reject")],
)
def test_which_policy_is_meant(subdomain: bool, exists: bool, expected: str) -> None:
    record = DmarcRecord("none", "quarantine", "reject")
    assert record.policy_for(subdomain=subdomain, exists=exists) == expected


def test_a_policy_left_out_is_inherited() -> None:
    assert DmarcRecord("reject").policy_for(subdomain=True, exists=False) == "reject"
    assert DmarcRecord("reject", "none").policy_for(subdomain=True, exists=False) == "none"
    assert DmarcRecord("none", None, "reject").policy_for(subdomain=True, exists=True) == "none"


@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: b"v=DMARC1;" + text.encode()))
)
@settings(max_examples=300, deadline=None)
def test_no_record_is_too_strange(text: bytes) -> None:
    is_dmarc_record(text)
    record = parse_record(text)
    assert record is None or record.policy in {"none", "quarantine", "reject"}
