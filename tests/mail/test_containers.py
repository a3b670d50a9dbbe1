"""S/MIME, OpenPGP and winmail.dat: what is inside is read, and what cannot be read says what it is."""

from __future__ import annotations

import datetime
import zlib
from base64 import encodebytes

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from e2a_core.mail.containers import Contents, opened
from e2a_core.mail.parse import ParsedMessage, parse_message
from tests.mail.winmail import attribute, properties, winmail

ENTITY = b"Content-Type: text/plain; charset=utf-8\r\n\r\nSee clause 12.\r\n"


def certificate() -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ann")])
    start = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(7).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=900))
    )
    return builder.sign(key, hashes.SHA256()), key


def signed(encoding: serialization.Encoding) -> bytes:
    cert, key = certificate()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(ENTITY).add_signer(cert, key, hashes.SHA256())
    return builder.sign(encoding, [pkcs7.PKCS7Options.Binary])


def enveloped() -> bytes:
    cert, _ = certificate()
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(ENTITY).add_recipient(cert)
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x84]) + size.to_bytes(4, "big")
    return bytes([tag]) + length + content


def indefinite(tag: int, *content: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(content) + b"\0\0"


SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
DATA = bytes.fromhex("06092a864886f70d010701")
COMPRESSED = bytes.fromhex("060b2a864886f70d0109100109")


def streamed() -> bytes:
    """As OpenSSL and Outlook write it: lengths are indefinite, the content comes in pieces (X.690 section 8.7)."""
    pieces = [der(4, ENTITY[start : start + 7]) for start in range(0, len(ENTITY), 7)]
    content = indefinite(0x30, DATA, indefinite(0xA0, indefinite(0x24, *pieces)))
    algorithms = der(0x31, der(0x30, bytes.fromhex("0609608648016503040201")))
    return indefinite(
        0x30, SIGNED_DATA, indefinite(0xA0, indefinite(0x30, der(2, b"\1"), algorithms, content))
    )


def compressed() -> bytes:
    content = der(0x30, DATA + der(0xA0, der(4, zlib.compress(ENTITY))))
    algorithm = der(0x30, bytes.fromhex("060b2a864886f70d0109100308"))
    return der(0x30, COMPRESSED + der(0xA0, der(0x30, der(2, b"\0") + algorithm + content)))


def read(content_type: str, data: bytes, *, filename: str = "") -> ParsedMessage:
    disposition = f"Content-Disposition: attachment; filename={filename}\n" if filename else ""
    head = f"From: a@example.org\nContent-Type: {content_type}\n{disposition}Content-Transfer-Encoding: base64\n\n"
    return parse_message(head.encode() + encodebytes(data))


@pytest.mark.parametrize(
    ("content_type", "filename", "make"),
    [
        (
            "application/pkcs7-mime; smime-type=signed-data",
            "smime.p7m",
            lambda: signed(serialization.Encoding.DER),
        ),
        ("application/x-pkcs7-mime", "", lambda: signed(serialization.Encoding.DER)),
        ("application/octet-stream", "smime.p7m", lambda: signed(serialization.Encoding.DER)),
        ("application/pkcs7-mime", "", lambda: signed(serialization.Encoding.PEM)),
        ("application/pkcs7-mime; smime-type=signed-data", "smime.p7m", streamed),
        ("application/pkcs7-mime; smime-type=compressed-data", "smime.p7z", compressed),
    ],
)
def test_a_letter_in_a_signature_is_read(content_type: str, filename: str, make) -> None:  # type: ignore[no-untyped-def]
    parsed = read(content_type, make(), filename=filename)
    assert parsed.text.strip() == "See clause 12."
    assert any("S/MIME" in note and "not checked" in note for note in parsed.notes)
    assert len(parsed.attachments) == 1


def test_encrypted_mail_says_so() -> None:
    parsed = read("application/pkcs7-mime; smime-type=enveloped-data", enveloped(), filename="smime.p7m")
    assert any("encrypted with S/MIME" in note for note in parsed.notes)
    armoured = "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n"
    inline = parse_message(f"From: a@example.org\n\n{armoured}".encode())
    whole = parse_message(
        b"From: a@example.org\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n"
        b"Content-Type: application/pgp-encrypted\n\nVersion: 1\n--b\n"
        b"Content-Type: application/octet-stream\n\nx\n--b--\n"
    )
    assert all(any("OpenPGP" in note for note in parsed.notes) for parsed in (inline, whole))


@pytest.mark.parametrize(
    "octets", [b"", b"0", b"0\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80" * 200_000, b"\x24\x80" * 99]
)
def test_damaged_signatures_hold_nothing(octets: bytes) -> None:
    assert opened("application/pkcs7-mime", "", lambda: octets) == Contents()
    whole = bytes.fromhex("3080") + SIGNED_DATA + bytes.fromhex("a0803080") + octets
    assert opened("application/pkcs7-mime", "", lambda: whole) == Contents()


LONG_NAME = properties(
    (0x001F, 0x3707, "Grundriß 2026.pdf\0".encode("utf-16-le")),
    (0x001F, 0x370E, "application/pdf\0".encode("utf-16-le")),
)
FILES = [
    attribute(2, 0x00069002, b"\0" * 14),
    attribute(2, 0x00018010, b"GRUNDR~1.PDF\0"),
    attribute(2, 0x0006800F, b"%PDF-1.4"),
    attribute(2, 0x00069005, LONG_NAME),
    attribute(2, 0x00069002, b"\0" * 14),
    attribute(2, 0x00018010, b"notes.txt\0"),
    attribute(2, 0x0006800F, b"buy milk"),
]
BODY = attribute(1, 0x0002800C, b"The plan is attached.\0")


@pytest.mark.parametrize(
    "content_type", ["application/ms-tnef", "application/vnd.ms-tnef", "application/octet-stream"]
)
def test_winmail_lists_its_files_and_gives_its_letter(content_type: str) -> None:
    parsed = read(content_type, winmail(BODY, *FILES), filename="winmail.dat")
    assert parsed.text.strip() == "The plan is attached."
    assert [item.filename for item in parsed.attachments] == ["winmail.dat", "Grundriß 2026.pdf", "notes.txt"]
    assert parsed.attachments[1].content_type == "application/pdf"
    assert any("winmail.dat" in note for note in parsed.notes)


def test_the_text_of_winmail_does_not_repeat_the_text_beside_it() -> None:
    data = encodebytes(winmail(BODY, *FILES)).decode()
    raw = (
        "From: a@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nThe plan.\n"
        f"--b\nContent-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\n{data}\n--b--\n"
    )
    assert parse_message(raw.encode()).full_text.strip() == "The plan."


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_cut_winmail_does_not_raise(length: int) -> None:
    read("application/ms-tnef", winmail(BODY, *FILES)[:length])
