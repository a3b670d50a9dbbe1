"""Certificates: the one in the files, the one that is served, and that of the public URL."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiosmtplib
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from e2a_core.clock import Clock, rfc3339
from e2a_core.settings import Settings
from e2a_mcp.program.doctor.finding import Cause, Finding, fail, passed, quoted, skip, warn
from e2a_mcp.program.doctor.limits import NETWORK_SECONDS
from e2a_mcp.program.doctor.ports import Run

__all__ = ["check_tls"]

SOON = timedelta(days=14)
"""Renewal usually comes 30 days before the end; if it has not by now, something keeps it from coming."""
SHARE_LEFT = 3
"""Of a certificate that lives shorter, the last third is soon."""
RENEW = "renew it, and restart e2a serve, which reads it at start"


async def check_tls(settings: Settings, clock: Clock, run: Run) -> list[Finding]:
    """All certificates that the settings speak of."""
    now = clock.now()
    in_files, chain = _in_files(settings, now)
    served = await _served(run, chain[0]) if chain else []
    return [*in_files, *served, *await _public(settings, now)]


def _in_files(settings: Settings, now: datetime) -> tuple[list[Finding], list[x509.Certificate]]:
    id, path, key_path = "tls.certificate", settings.smtp_tls_cert, settings.smtp_tls_key
    if path is None or key_path is None:
        return [_no_certificate(settings)], []
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as problem:
        fix = (
            "name readable PEM files in E2A_SMTP_TLS_CERT and E2A_SMTP_TLS_KEY; the key must have no password"
        )
        return [
            fail(id, "not_readable", f"cannot be used: {quoted(str(problem))}", fix, target=str(path))
        ], []
    if _public_octets(key.public_key()) != _public_octets(chain[0].public_key()):
        detail = f"does not belong to the key in {key_path}"
        fix = "name a certificate and its own key in E2A_SMTP_TLS_CERT and E2A_SMTP_TLS_KEY"
        return [fail(id, "key_mismatch", detail, fix, target=str(path))], []
    return [_judged(path, chain, settings.hostname, now)], chain


def _no_certificate(settings: Settings) -> Finding:
    detail, fix = "there is none, so mail comes in unencrypted", "set E2A_SMTP_TLS_CERT and E2A_SMTP_TLS_KEY"
    if settings.production:
        return warn("tls.certificate", "not_configured", detail, fix)
    return skip("tls.certificate", "not_configured", detail, fix=fix)


def _judged(path: Path, chain: Sequence[x509.Certificate], host: str, now: datetime) -> Finding:
    id, place, leaf = "tls.certificate", str(path), chain[0]
    if (trouble := _dates(id, place, leaf, now)) is not None:
        return trouble
    names = _names(leaf)
    if not any(_covers(name, host) for name in names):
        shown = ", ".join(map(quoted, names)) or "no host"
        fix = f"get one for {host}, or set E2A_SMTP_DOMAIN to a name it has"
        return warn(id, "name_mismatch", f"is for {shown}, not for {host}", fix, target=place)
    if len(chain) == 1 and leaf.issuer != leaf.subject:
        fix = "name the file with the whole chain (fullchain.pem)"
        return warn(id, "chain_incomplete", "has no certificate of its issuer", fix, target=place)
    return passed(id, _lasts(leaf, now), target=place, not_after=rfc3339(leaf.not_valid_after_utc))


def _dates(id: str, place: str, leaf: x509.Certificate, now: datetime) -> Finding | None:
    since, until = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now >= until:
        return fail(
            id, "expired", f"expired on {until:%Y-%m-%d}", RENEW, target=place, not_after=rfc3339(until)
        )
    if now < since:
        fix = "correct the clock of this machine, or wait"
        return fail(id, "not_yet_valid", f"begins on {since:%Y-%m-%d}", fix, target=place)
    if until - now < min(SOON, (until - since) / SHARE_LEFT):
        return warn(id, "expires_soon", _lasts(leaf, now), RENEW, target=place, not_after=rfc3339(until))
    return None


def _lasts(leaf: x509.Certificate, now: datetime) -> str:
    until = leaf.not_valid_after_utc
    return f"expires on {until:%Y-%m-%d}, in {(until - now).days} days"


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


def _covers(name: str, host: str) -> bool:
    """RFC 9525 section 6.3: a wildcard stands for one label."""
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return host == name


def _public_octets(key: object) -> bytes:
    if not hasattr(key, "public_bytes"):
        return b""
    octets: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return octets


async def _served(run: Run, leaf: x509.Certificate) -> list[Finding]:
    """Whether the running listener has the certificate of the files, which it reads at start."""
    host, _, port = str(run.get("smtp", "")).rpartition(":")
    if not port.isdecimal():
        return []
    place = f"{host}:{port}"
    try:
        octets = await _starttls(host.strip("[]"), int(port))
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        # Whether it listens at all is told by another check.
        return []
    if octets == leaf.public_bytes(serialization.Encoding.DER):
        return [passed("tls.served", "is the one in the files", target=place)]
    detail = "is not the one in the files, which are read at start"
    return [warn("tls.served", "certificate_stale", detail, "restart e2a serve", target=place)]


async def _starttls(host: str, port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    smtp = aiosmtplib.SMTP(
        hostname=host, port=port, timeout=NETWORK_SECONDS, start_tls=False, tls_context=context
    )
    async with asyncio.timeout(NETWORK_SECONDS):
        await smtp.connect()
        try:
            await smtp.starttls()
            peer: ssl.SSLObject = smtp.get_transport_info("ssl_object")
            return peer.getpeercert(binary_form=True) or b""
        finally:
            smtp.close()


async def _public(settings: Settings, now: datetime) -> list[Finding]:
    url = urlsplit(settings.public_url)
    if url.scheme != "https" or not url.hostname:
        return []
    id, place, port = "tls.public_url", settings.public_url, url.port or 443
    try:
        octets = await _peer_certificate(url.hostname, port)
    except ssl.SSLCertVerificationError as problem:
        fix = f"give the web server in front a certificate for {url.hostname} that browsers accept, with its chain"
        detail = f"browsers refuse it: {quoted(problem.verify_message)}"
        return [fail(id, "certificate_invalid", detail, fix, target=place)]
    except (OSError, TimeoutError) as problem:
        detail = f"no TLS connection: {quoted(str(problem) or 'no answer')}"
        fix = f"see that the web server in front listens on {url.hostname}:{port}"
        return [fail(id, "connection_failed", detail, fix, cause=Cause.TRANSIENT, target=place)]
    leaf = x509.load_der_x509_certificate(octets)
    trouble = _dates(id, place, leaf, now)
    return [trouble or passed(id, _lasts(leaf, now), target=place)]


async def _peer_certificate(host: str, port: int) -> bytes:
    async with asyncio.timeout(NETWORK_SECONDS):
        _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
        peer: ssl.SSLObject = writer.get_extra_info("ssl_object")
        octets = peer.getpeercert(binary_form=True) or b""
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return octets
