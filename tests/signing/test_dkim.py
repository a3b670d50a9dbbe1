"""Signing, judged by dkimpy and by our own verifier; keys as published and as stored."""

# mypy: allow-untyped-calls

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.authentication.canonical import SignedMessage
from e2a_core.authentication.dkim import verify_dkim
from e2a_core.ids import Ids
from e2a_core.signing.dkim import (
    SIGNED_FIELDS,
    Algorithm,
    DkimKey,
    KeyDecryptionError,
    decrypt_key,
    encrypt_key,
    selector_for,
    sign,
)
from tests.authentication.helpers import SetClock, resolving

ALGORITHMS: tuple[Algorithm, ...] = ("rsa-sha256", "ed25519-sha256")
SECRET = b"0123456789abcdef0123456789abcdef"
MESSAGE = (
    b"From: Alice <alice@example.org>\r\nTo: bob@example.net,\r\n carol@example.net\r\nSubject: tea\r\n"
    b"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nAt  four. \r\n\r\n"
)


@cache
def key(algorithm: Algorithm = "rsa-sha256") -> DkimKey:
    return DkimKey.generate(algorithm)


def dkimpy_accepts(raw: bytes) -> bool:
    return bool(dkim.verify(raw, dnsfunc=lambda name, timeout=5: key().dns_record().encode()))


@pytest.mark.anyio
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_our_signature_passes_our_verifier(algorithm: Algorithm) -> None:
    raw = sign(MESSAGE, key(algorithm), "example.org", "e2a202607", SetClock()) + MESSAGE
    with resolving({"e2a202607._domainkey.example.org": {"TXT": [key(algorithm).dns_record()]}}) as resolver:
        [result] = await verify_dkim(SignedMessage.parse(raw), resolver, SetClock().now())
    assert (result.status, result.domain, result.selector) == ("pass", "example.org", "e2a202607")
    assert result.algorithm == algorithm


def test_our_signature_passes_dkimpy() -> None:
    assert dkimpy_accepts(sign(MESSAGE, key(), "example.org", "s", SetClock()) + MESSAGE)


@pytest.mark.parametrize("added", [b"From: x@evil.example\r\n", b"To: x@evil.example\r\n", b"Subject: x\r\n"])
def test_nobody_can_add_what_a_reader_would_be_shown(added: bytes) -> None:
    signature = sign(MESSAGE, key(), "example.org", "s", SetClock())
    assert not dkimpy_accepts(signature + added + MESSAGE)


@pytest.mark.parametrize("added", [b"Reply-To: r@example.org\r\n", b"Received: by relay\r\n", b"X-Id: 1\r\n"])
def test_a_relay_can_add_what_was_not_there(added: bytes) -> None:
    assert dkimpy_accepts(sign(MESSAGE, key(), "example.org", "s", SetClock()) + added + MESSAGE)


def test_a_field_known_to_be_rewritten_can_be_left_out() -> None:
    fields = [name for name in SIGNED_FIELDS if name != "Message-ID"]
    signature = sign(MESSAGE, key(), "example.org", "s", SetClock(), signed_fields=fields)
    assert dkimpy_accepts(signature + MESSAGE.replace(b"<1@example.org>", b"<2@relay.example>"))


def test_the_lines_of_a_signature_are_short() -> None:
    many = b"".join(b"References: <%d@example.org>\r\n" % n for n in range(40))
    signature = sign(many + MESSAGE, key(), "example.org", "e2a202607", SetClock())
    assert signature.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n")
    assert signature.endswith(b"\r\n")
    assert max(map(len, signature.split(b"\r\n"))) <= 78
    assert dkimpy_accepts(signature + many + MESSAGE)


def test_a_message_without_from_cannot_be_signed() -> None:
    with pytest.raises(ValueError, match="From"):
        sign(b"To: bob@example.net\r\n\r\n", key(), "example.org", "s", SetClock())


header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.just("\t"), max_size=40)
bodies = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"."]), max_size=40).map(b"".join)


@given(header_values, st.lists(header_values, max_size=3), bodies)
@settings(max_examples=100, deadline=None)
def test_whatever_is_signed_verifies(subject: str, references: list[str], body: bytes) -> None:
    header = "".join(f"References: {value}\r\n" for value in references)
    raw = f"From: a@example.org\r\n{header}Subject: {subject}\r\n\r\n".encode() + body + b"\r\n"
    assert dkimpy_accepts(sign(raw, key(), "example.org", "s", SetClock()) + raw)


def test_the_selector_is_the_month_in_utc() -> None:
    assert selector_for(datetime(2026, 7, 31, 23, 30, tzinfo=UTC)) == "e2a202607"
    assert selector_for(datetime(2026, 7, 31, 23, 30, tzinfo=timezone(-timedelta(hours=1)))) == "e2a202608"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_survive_being_written(algorithm: Algorithm) -> None:
    original = key(algorithm)
    assert DkimKey.from_der(original.to_der()).dns_record() == original.dns_record()
    assert DkimKey.from_pem(original.to_pem()).dns_record() == original.dns_record()
    assert original.algorithm == algorithm
    assert repr(original) == f"DkimKey({algorithm})"


def test_the_older_form_of_rsa_keys_is_read() -> None:
    der = key().private_key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    assert DkimKey.from_der(der).dns_record() == key().dns_record()


@pytest.mark.parametrize("data", [b"", b"junk", b"\x30\x03\x02\x01\x00"])
def test_what_is_no_key(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        DkimKey.from_der(data)


def test_records() -> None:
    assert key().dns_record().startswith("v=DKIM1; k=rsa; p=MIIB")
    record = key("ed25519-sha256").dns_record()
    assert record.startswith("v=DKIM1; k=ed25519; p=")
    assert len(base64.b64decode(record.rpartition("p=")[2])) == 32


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_stored_keys_open_with_any_of_the_secrets_and_only_for_their_domain(algorithm: Algorithm) -> None:
    blob = encrypt_key(key(algorithm), "example.org", SECRET, Ids())

    assert blob[0] == 1
    assert key(algorithm).to_der() not in blob
    opened = decrypt_key(blob, "example.org", [b"new secret", SECRET])
    assert opened.dns_record() == key(algorithm).dns_record()
    for domain, secrets in (("example.net", [SECRET]), ("example.org", [b"other"]), ("example.org", [])):
        with pytest.raises(KeyDecryptionError):
            decrypt_key(blob, domain, secrets)


def test_the_stored_form_is_fixed() -> None:
    # HKDF (RFC 5869) spelled out, independently of the code: another derivation would orphan stored keys.
    extracted = hmac.digest(bytes(32), SECRET, "sha256")
    derived = hmac.digest(extracted, b"e2a-dkim-key-encryption-v1\x01", "sha256")
    nonce = bytes(range(12))

    blob = encrypt_key(key(), "example.org", SECRET, Ids(lambda size: nonce[:size]))

    assert blob[1:13] == nonce
    assert AESGCM(derived).decrypt(nonce, blob[13:], b"example.org") == key().to_der()


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" + bytes(40), b"\x02" + bytes(40)])
def test_damaged_blobs(blob: bytes) -> None:
    with pytest.raises(KeyDecryptionError):
        decrypt_key(blob, "example.org", [SECRET])
