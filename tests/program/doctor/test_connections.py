"""What `e2a doctor` makes of certificates, the upstream relay, the clock and signatures."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from e2a_core.clock import SystemClock, to_micros
from e2a_core.domains.queries import DkimKeyRow, DomainRow
from e2a_core.ids import Ids
from e2a_core.settings import Settings, load_settings
from e2a_core.signing.dkim import DkimKey, encrypt_key, sign
from e2a_mcp.program.dkimpy import objection
from e2a_mcp.program.doctor.clocks import check_clock
from e2a_mcp.program.doctor.finding import Cause, Finding
from e2a_mcp.program.doctor.relay import check_relay
from e2a_mcp.program.doctor.signature import check_signatures
from e2a_mcp.program.doctor.store import StoredDomain, StoreFacts
from e2a_mcp.program.doctor.tls import check_tls
from tests.authentication.helpers import SetClock
from tests.support.smtp_sink import SmtpSink

HOST = "mx.example.com"
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECRET = "one-secret-of-the-tests-and-of-nothing-else"


def settings(folder: Path, **given: str) -> Settings:
    named = {f"E2A_{name.upper()}": value for name, value in given.items()}
    return load_settings({"E2A_HOME": str(folder), "E2A_SMTP_DOMAIN": HOST, **named})


def certificate(
    folder: Path, *, since: timedelta, until: timedelta, name: str = HOST, issuer: str = ""
) -> dict[str, str]:
    """Writes a certificate and its key; returns the settings that name them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "subject")])
    signer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]) if issuer else subject
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + since)
        .not_valid_after(NOW + until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return {"smtp_tls_cert": str(folder / "cert.pem"), "smtp_tls_key": str(folder / "key.pem")}


DAY = timedelta(days=1)
CERTIFICATES = [
    ({"since": -DAY, "until": 80 * DAY}, "ok", "in 80 days"),
    ({"since": -DAY, "until": 80 * DAY, "name": "*.example.com"}, "ok", "expires"),
    ({"since": -2 * DAY, "until": 4 * DAY}, "ok", "in 4 days"),  # lives six days, as some do
    ({"since": -4 * DAY, "until": 2 * DAY - timedelta(hours=1)}, "expires_soon", "in 1 days"),
    ({"since": -80 * DAY, "until": 10 * DAY}, "expires_soon", "in 10 days"),
    ({"since": -90 * DAY, "until": timedelta(0)}, "expired", "2026-07-01"),
    ({"since": -90 * DAY, "until": -DAY}, "expired", "2026-06-30"),
    ({"since": DAY, "until": 90 * DAY}, "not_yet_valid", "2026-07-02"),
    ({"since": -DAY, "until": 80 * DAY, "name": "www.example.com"}, "name_mismatch", "www.example.com"),
    ({"since": -DAY, "until": 80 * DAY, "name": "*.com"}, "name_mismatch", HOST),
    ({"since": -DAY, "until": 80 * DAY, "issuer": "Some Authority"}, "chain_incomplete", "issuer"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("made", "code", "words"), CERTIFICATES)
async def test_a_certificate_and_its_end(
    tmp_path: Path, made: dict[str, timedelta], code: str, words: str
) -> None:
    files = certificate(tmp_path, **made)  # type: ignore[arg-type]
    [finding] = await check_tls(settings(tmp_path, **files), SetClock(NOW), {})
    assert (finding.id, finding.reason_code) == ("tls.certificate", code)
    assert words in finding.detail
    assert finding.fix or code == "ok"


@pytest.mark.anyio
async def test_files_that_are_no_pair(tmp_path: Path) -> None:
    files = certificate(tmp_path, since=-DAY, until=80 * DAY)
    (tmp_path / "other").mkdir()
    other = certificate(tmp_path / "other", since=-DAY, until=80 * DAY)
    [finding] = await check_tls(
        settings(tmp_path, **{**files, "smtp_tls_key": other["smtp_tls_key"]}), SetClock(NOW), {}
    )
    assert finding.reason_code == "key_mismatch"
    for content in (b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "cert.pem").write_bytes(content)
        [finding] = await check_tls(settings(tmp_path, **files), SetClock(NOW), {})
        assert (finding.reason_code, finding.cause) == ("not_readable", Cause.CONFIG)
    [finding] = await check_tls(settings(tmp_path), SetClock(NOW), {})
    assert (finding.status, finding.reason_code) == ("skip", "not_configured")


async def relayed(folder: Path, sink: SmtpSink, **given: str) -> dict[str, Finding]:
    found = await check_relay(
        settings(folder, outbound_smtp_host=sink.host, outbound_smtp_port=str(sink.port), **given)
    )
    return {finding.id: finding for finding in found}


CREDENTIALS = {"outbound_smtp_username": "e2a", "outbound_smtp_password": "right"}


@pytest.mark.anyio
async def test_a_relay_that_takes_the_credentials_and_gets_no_mail(tmp_path: Path) -> None:
    async with SmtpSink(tls="starttls", credentials=("e2a", "right")) as sink:
        found = await relayed(tmp_path, sink, **CREDENTIALS, outbound_smtp_require_tls="on")
        assert {id: finding.reason_code for id, finding in found.items()} == {
            "relay.connection": "ok",
            "relay.auth": "ok",
        }
        assert not sink.messages
        assert not [command for command in sink.commands if command.startswith(("MAIL", "RCPT", "DATA"))]


@pytest.mark.anyio
async def test_a_relay_that_refuses_the_credentials(tmp_path: Path) -> None:
    async with SmtpSink(tls="starttls", credentials=("e2a", "other")) as sink:
        found = await relayed(tmp_path, sink, **CREDENTIALS)
    assert found["relay.connection"].reason_code == "ok"
    refused = found["relay.auth"]
    assert (refused.reason_code, refused.cause) == ("auth_refused", Cause.AUTH)
    assert "E2A_OUTBOUND_SMTP_PASSWORD" in refused.fix
    assert "right" not in refused.detail + str(refused.evidence)


@pytest.mark.anyio
async def test_a_relay_without_what_the_settings_want(tmp_path: Path) -> None:
    async with SmtpSink() as sink:
        found = await relayed(tmp_path, sink, outbound_smtp_require_tls="on")
        assert (found["relay.connection"].reason_code, found["relay.connection"].cause) == (
            "tls_not_offered",
            Cause.CONFIG,
        )
        found = await relayed(tmp_path, sink, **CREDENTIALS)
        assert (found["relay.auth"].reason_code, found["relay.auth"].cause) == (
            "auth_not_offered",
            Cause.CONFIG,
        )
        found = await relayed(tmp_path, sink)
        assert (found["relay.connection"].reason_code, found["relay.auth"].status) == ("ok", "skip")


@pytest.mark.anyio
async def test_a_relay_that_is_not_there_or_hangs_up(tmp_path: Path) -> None:
    async with SmtpSink() as sink:
        sink.script.drop = "connect"
        found = await relayed(tmp_path, sink)
        assert (found["relay.connection"].reason_code, found["relay.connection"].cause) == (
            "connection_failed",
            Cause.TRANSIENT,
        )
    found = await relayed(tmp_path, sink)
    assert found["relay.connection"].reason_code == "connection_failed"
    assert "25" in found["relay.connection"].fix


@pytest.mark.anyio
async def test_the_sandbox_is_no_fault(tmp_path: Path) -> None:
    [finding] = await check_relay(settings(tmp_path))
    assert (finding.status, finding.reason_code) == ("skip", "sandbox")


CLOCKS = [
    # How far the store's latest entry and a server's clock are from ours, in seconds.
    (None, None, "pass", "ok"),
    (-3600, None, "pass", "ok"),
    (5, None, "pass", "ok"),
    (60, None, "warn", "clock_behind"),
    (3600, None, "fail", "clock_behind"),
    (None, -3600, "fail", "clock_ahead"),
    (None, 3600, "fail", "clock_behind"),
    (None, 20, "pass", "ok"),
    (None, -120, "warn", "clock_ahead"),
    (600, -1, "fail", "clock_behind"),
]


@pytest.mark.parametrize(("store", "server", "status", "code"), CLOCKS)
def test_a_clock_that_others_contradict(
    store: int | None, server: int | None, status: str, code: str
) -> None:
    newest = 0 if store is None else to_micros(NOW + timedelta(seconds=store))
    ahead_of = {} if server is None else {"https://e2a.example": -timedelta(seconds=server)}
    finding = check_clock(SetClock(NOW), newest, ahead_of)
    assert (finding.status, finding.reason_code) == (status, code)
    assert bool(finding.fix) == (status != "pass")


def stored(key: DkimKey, secret: str = SECRET, **changes: str) -> StoreFacts:
    blob = encrypt_key(key, "mail.example.com", secret.encode(), Ids())
    record = changes.get("record", key.dns_record())
    row = DkimKeyRow("mail.example.com", "e2a202607", key.algorithm, blob, record, 0)
    return StoreFacts([StoredDomain(DomainRow("mail.example.com", None, "", 0, 0, None), [row])])


@pytest.mark.anyio
async def test_dkimpy_judges_what_each_key_signs(tmp_path: Path) -> None:
    key, home = DkimKey.generate(), settings(tmp_path, hmac_secret=SECRET)
    [finding] = await check_signatures(home, stored(key), SystemClock())
    assert (finding.reason_code, finding.target) == ("ok", "mail.example.com")
    [finding] = await check_signatures(home, None, SystemClock())
    assert (finding.reason_code, finding.target) == ("ok", "signature.invalid")
    [finding] = await check_signatures(home, stored(key, "another secret, 32 octets or more"), SystemClock())
    assert finding.reason_code == "key_undecryptable"
    other = DkimKey.generate().dns_record()
    [finding] = await check_signatures(home, stored(key, record=other), SystemClock())
    assert finding.reason_code == "signature_invalid"


def test_dkimpy_objects_to_what_was_changed() -> None:
    key = DkimKey.generate()
    message = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: tea\r\n\r\nAt four.\r\n"
    signed = sign(message, key, "example.org", "s", SystemClock()) + message
    records = {"s._domainkey.example.org": key.dns_record()}
    assert objection(signed, records) == ""
    assert objection(signed.replace(b"four", b"five"), records)
    assert objection(signed.replace(b"tea", b"pie"), records)
    assert objection(message, records) == "there is no signature"
    assert objection(signed, {})
    assert objection(signed, {"s._domainkey.example.org": "v=DKIM1; p=" + base64.b64encode(b"x").decode()})
    assert objection(b"DKIM-Signature: v=1; nothing\r\n" + message, records)
