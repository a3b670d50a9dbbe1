"""The signed statement about a message: the documented vectors, and every way it can be untrue."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.signing.auth_headers import (
    AuthClaim,
    AuthHeaderError,
    BodyHashMismatch,
    ExpiredAuthHeaders,
    MalformedAuthHeader,
    MissingAuthHeader,
    SignatureMismatch,
    body_hash,
    canonical_string,
    sign_headers,
    verify_auth_headers,
)

from . import vectors as v

CLAIM = AuthClaim(
    verified=True,
    sender="alice@example.org",
    entity_type="human",
    domain_check="spf=pass; dkim=none; dmarc=pass",
    timestamp="2026-06-26T12:00:00Z",
    message_id=v.MESSAGE_ID,
    body_hash=v.BODY_HASH,
)
DELEGATED = dataclasses.replace(
    CLAIM, entity_type="agent", delegation="agent=bot@agents.example.net;human=usr_1"
)
SIGNED_AT = datetime(2026, 6, 26, 12, tzinfo=UTC)


def verify(headers: dict[str, str], **changes: object) -> AuthClaim:
    arguments: dict[str, object] = {"now": SIGNED_AT, **changes}
    return verify_auth_headers(headers, [v.SECRET], **arguments)  # type: ignore[arg-type]


def test_body_hash_vector() -> None:
    assert len(v.RAW_MESSAGE) == 105
    assert body_hash(v.RAW_MESSAGE) == v.BODY_HASH
    assert body_hash(v.RAW_MESSAGE[:10], v.RAW_MESSAGE[10:]) == v.BODY_HASH


def test_signature_without_delegation() -> None:
    headers = sign_headers(CLAIM, v.SECRET)
    assert headers["X-E2A-Auth-Signature"] == v.AUTH_SIGNATURE
    assert list(headers) == [
        "X-E2A-Auth-Verified",
        "X-E2A-Auth-Sender",
        "X-E2A-Auth-Entity-Type",
        "X-E2A-Auth-Domain-Check",
        "X-E2A-Auth-Timestamp",
        "X-E2A-Auth-Message-Id",
        "X-E2A-Auth-Body-Hash",
        "X-E2A-Auth-Signature",
    ]
    assert b"\n\n" in canonical_string(CLAIM)


def test_signature_with_delegation() -> None:
    headers = sign_headers(DELEGATED, v.SECRET)
    assert headers["X-E2A-Auth-Signature"] == v.AUTH_SIGNATURE_DELEGATED
    assert headers["X-E2A-Auth-Delegation"] == DELEGATED.delegation
    assert len(headers) == 9


@pytest.mark.parametrize("claim", [CLAIM, DELEGATED, dataclasses.replace(CLAIM, verified=False)])
def test_what_is_signed_verifies(claim: AuthClaim) -> None:
    assert verify(sign_headers(claim, v.SECRET), raw_message=v.RAW_MESSAGE) == claim


def test_header_names_are_case_insensitive_and_others_ignored() -> None:
    headers = {name.lower(): value for name, value in sign_headers(CLAIM, v.SECRET).items()}
    assert verify({**headers, "Subject": "hi"}) == CLAIM


def test_any_known_secret_verifies() -> None:
    headers = sign_headers(CLAIM, v.OTHER_SECRET)
    assert verify_auth_headers(headers, [v.SECRET, v.OTHER_SECRET], now=SIGNED_AT) == CLAIM
    with pytest.raises(SignatureMismatch):
        verify_auth_headers(headers, [v.SECRET], now=SIGNED_AT)
    with pytest.raises(SignatureMismatch):
        verify_auth_headers(headers, [], now=SIGNED_AT)


@pytest.mark.parametrize("name", list(sign_headers(CLAIM, v.SECRET)))
def test_every_header_but_delegation_is_required(name: str) -> None:
    headers = sign_headers(CLAIM, v.SECRET)
    del headers[name]
    with pytest.raises(MissingAuthHeader, match=name):
        verify(headers)


def test_removing_the_delegation_breaks_the_signature() -> None:
    headers = sign_headers(DELEGATED, v.SECRET)
    del headers["X-E2A-Auth-Delegation"]
    with pytest.raises(SignatureMismatch):
        verify(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-E2A-Auth-Verified", "false"),
        ("X-E2A-Auth-Sender", "mallory@example.org"),
        ("X-E2A-Auth-Sender", "Alice@example.org"),
        ("X-E2A-Auth-Entity-Type", "agent"),
        ("X-E2A-Auth-Domain-Check", "spf=pass; dkim=pass; dmarc=pass"),
        ("X-E2A-Auth-Delegation", "agent=a;human=h"),
        ("X-E2A-Auth-Timestamp", "2026-06-26T12:00:01Z"),
        ("X-E2A-Auth-Message-Id", "msg_ffeeddccbbaa99887766554433221100"),
        ("X-E2A-Auth-Body-Hash", "0" * 64),
        ("X-E2A-Auth-Signature", "0" * 64),
    ],
)
def test_a_changed_field_breaks_the_signature(name: str, value: str) -> None:
    with pytest.raises(SignatureMismatch):
        verify({**sign_headers(CLAIM, v.SECRET), name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-E2A-Auth-Verified", "yes"),
        ("X-E2A-Auth-Timestamp", "2026-06-26"),
        ("X-E2A-Auth-Timestamp", "2026-06-26T12:00:00"),
        ("X-E2A-Auth-Timestamp", "2026-13-26T12:00:00Z"),
        ("X-E2A-Auth-Timestamp", ""),
        ("X-E2A-Auth-Signature", "abc"),
        ("X-E2A-Auth-Signature", v.AUTH_SIGNATURE.upper()),
        ("X-E2A-Auth-Sender", "alice@example.org\nhuman"),
        ("x-e2a-auth-verified", "true"),
    ],
)
def test_malformed_values_are_named_as_such(name: str, value: str) -> None:
    with pytest.raises(MalformedAuthHeader):
        verify({**sign_headers(CLAIM, v.SECRET), name: value})


@pytest.mark.parametrize(
    ("age", "accepted"),
    [(-31, False), (-30, True), (0, True), (300, True), (301, False), (10**9, False)],
)
def test_time_window(age: int, accepted: bool) -> None:
    headers = sign_headers(CLAIM, v.SECRET)
    now = SIGNED_AT + timedelta(seconds=age)
    if accepted:
        assert verify(headers, now=now) == CLAIM
    else:
        with pytest.raises(ExpiredAuthHeaders):
            verify(headers, now=now)


def test_the_window_is_the_callers_to_set() -> None:
    now = SIGNED_AT + timedelta(days=1)
    assert verify(sign_headers(CLAIM, v.SECRET), now=now, max_age=timedelta(days=2)) == CLAIM


def test_other_bytes_than_the_signed_ones() -> None:
    with pytest.raises(BodyHashMismatch):
        verify(sign_headers(CLAIM, v.SECRET), raw_message=v.RAW_MESSAGE + b"more\r\n")


@pytest.mark.parametrize("field", ["sender", "delegation", "message_id"])
def test_a_line_feed_cannot_be_signed(field: str) -> None:
    claim = dataclasses.replace(CLAIM, **{field: "a\nb"})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="control"):
        sign_headers(claim, v.SECRET)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*sign_headers(DELEGATED, v.SECRET), "x-e2a-auth-sender"]),
        st.one_of(st.text(max_size=80), st.sampled_from(["true", v.BODY_HASH, CLAIM.timestamp])),
    )
)
def test_nothing_but_the_typed_error_escapes(headers: dict[str, str]) -> None:
    with pytest.raises(AuthHeaderError):
        verify(headers)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_one_altered_character_is_refused(data: st.DataObject) -> None:
    headers = sign_headers(DELEGATED, v.SECRET)
    name = data.draw(st.sampled_from(list(headers)))
    at = data.draw(st.integers(0, len(headers[name]) - 1))
    replacement = data.draw(st.characters().filter(lambda char: char != headers[name][at]))
    headers[name] = headers[name][:at] + replacement + headers[name][at + 1 :]
    with pytest.raises(AuthHeaderError):
        verify(headers)
