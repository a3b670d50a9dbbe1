"""Webhook signatures: the known answer, rotation, the replay window, and the published clients' verifier."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from e2a.v1.webhook_signature import verify_webhook_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.signing.webhook import e2a_signature, signature_is_valid, standard_webhook_headers

from . import vectors as v

NOW = datetime.fromtimestamp(v.WEBHOOK_TIME, UTC)
SECRET = "whsec_" + "0f" * 32


def test_vector() -> None:
    header = e2a_signature(v.WEBHOOK_BODY, [v.WEBHOOK_SECRET], v.WEBHOOK_TIME)
    assert header == f"t={v.WEBHOOK_TIME},v1={v.WEBHOOK_V1}"
    assert signature_is_valid(v.WEBHOOK_BODY, header, [v.WEBHOOK_SECRET], now=NOW)


def test_both_secrets_sign_during_a_rotation() -> None:
    header = e2a_signature(b"{}", ["whsec_new", "whsec_old"], v.WEBHOOK_TIME)
    assert header.count("v1=") == 2
    for secret in ("whsec_new", "whsec_old"):
        assert signature_is_valid(b"{}", header, [secret], now=NOW)
        assert verify_webhook_signature(b"{}", header, secret, now=v.WEBHOOK_TIME)
    assert not signature_is_valid(b"{}", header, ["whsec_other"], now=NOW)


def test_replay_window() -> None:
    header = e2a_signature(b"{}", [SECRET], v.WEBHOOK_TIME)
    for seconds, valid in ((-301, False), (-300, True), (300, True), (301, False)):
        at = NOW + timedelta(seconds=seconds)
        assert signature_is_valid(b"{}", header, [SECRET], now=at) is valid


def test_another_body_does_not_verify() -> None:
    header = e2a_signature(b"{}", [SECRET], v.WEBHOOK_TIME)
    assert not signature_is_valid(b"{ }", header, [SECRET], now=NOW)


@pytest.mark.parametrize(
    "header", ["", "t=1", "v1=00", f"t={v.WEBHOOK_TIME},t=1,v1={v.WEBHOOK_V1}", "t=nan,v1=0"]
)
def test_malformed_header(header: str) -> None:
    assert not signature_is_valid(v.WEBHOOK_BODY, header, [v.WEBHOOK_SECRET], now=NOW)


def test_standard_webhooks_signature_is_made_with_the_decoded_key() -> None:
    headers = standard_webhook_headers("evt_0", b"{}", [SECRET], v.WEBHOOK_TIME)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = hmac.new(key, f"evt_0.{v.WEBHOOK_TIME}.".encode() + b"{}", hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "evt_0",
        "webhook-timestamp": str(v.WEBHOOK_TIME),
        "webhook-signature": "v1," + base64.b64encode(expected).decode(),
    }


def test_standard_webhooks_lists_a_signature_for_each_secret() -> None:
    headers = standard_webhook_headers("evt_0", b"{}", [SECRET, "whsec_not-base64!"], v.WEBHOOK_TIME)
    assert [part[:3] for part in headers["webhook-signature"].split(" ")] == ["v1,", "v1,"]


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.text(max_size=200), st.from_regex(r"t=\d{1,20}(,v1=[0-9a-f]{60,66}){0,10}", fullmatch=True))
)
def test_no_header_raises_or_verifies(header: str) -> None:
    assert not signature_is_valid(b"{}", header, [SECRET], now=NOW)
