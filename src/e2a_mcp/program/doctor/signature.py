"""A message signed with the key of each domain, as outgoing mail is, and verified by dkimpy."""

from __future__ import annotations

import asyncio

from e2a_core.clock import Clock
from e2a_core.domains.queries import DkimKeyRow
from e2a_core.settings import Settings
from e2a_core.signing.dkim import DkimKey, KeyDecryptionError, decrypt_key, selector_for, sign
from e2a_core.signing.secrets import Secrets
from e2a_mcp.program.dkimpy import objection
from e2a_mcp.program.doctor.finding import Finding, fail, passed, quoted
from e2a_mcp.program.doctor.limits import MAX_DOMAINS
from e2a_mcp.program.doctor.store import StoreFacts

__all__ = ["check_signatures"]

TRIAL_DOMAIN = "signature.invalid"
_MESSAGE = (
    b"From: Doctor <doctor@%s>\r\nTo: you@example.com\r\nSubject: =?utf-8?q?A_trial?=\r\n"
    b"Date: Thu, 01 Jan 2026 12:00:00 +0000\r\nMessage-ID: <trial@%s>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nNobody gets this.  \r\n\r\n"
)


async def check_signatures(
    settings: Settings, facts: StoreFacts | None, clock: Clock, only: str = ""
) -> list[Finding]:
    """The key that signs for each domain; a new key that is thrown away if no domain has one."""
    signing = [
        key
        for stored in (facts.domains if facts else ())
        if only in ("", stored.row.domain)
        and (key := next((key for key in stored.keys if key.retired_at is None), None))
    ]
    return await asyncio.to_thread(_all, settings, signing[:MAX_DOMAINS], clock)


def _all(settings: Settings, keys: list[DkimKeyRow], clock: Clock) -> list[Finding]:
    if not keys:
        return [_trial(clock)]
    secrets = _secrets(settings)
    return [_stored(key, secrets, clock) for key in keys]


def _trial(clock: Clock) -> Finding:
    key = DkimKey.generate()
    refused = _refusal(key, key.dns_record(), TRIAL_DOMAIN, selector_for(clock.now()), clock)
    return _verdict(refused, "a new key", TRIAL_DOMAIN)


def _stored(row: DkimKeyRow, secrets: Secrets | None, clock: Clock) -> Finding:
    try:
        if secrets is None:
            raise KeyDecryptionError("the signing secret is missing")
        key = decrypt_key(row.private_key, row.domain, secrets)
    except KeyDecryptionError as problem:
        return fail(
            "signature.dkim",
            "key_undecryptable",
            f"mail is sent unsigned: {problem}",
            "restore the signing secret that the home was made with, "
            f"or e2a domains rotate-key {row.domain}, and publish the new record",
            target=row.domain,
        )
    return _verdict(
        _refusal(key, row.public_key, row.domain, row.selector, clock), f"the key {row.selector}", row.domain
    )


def _verdict(refused: str, key: str, domain: str) -> Finding:
    if refused:
        return fail(
            "signature.dkim",
            "signature_invalid",
            f"dkimpy does not accept what {key} signs: {quoted(refused)}",
            f"e2a domains rotate-key {domain}, and publish the new record; if it stays, report it",
            target=domain,
        )
    return passed("signature.dkim", f"dkimpy verified what {key} signed", target=domain)


def _refusal(key: DkimKey, record: str, domain: str, selector: str, clock: Clock) -> str:
    message = _MESSAGE % (domain.encode(), domain.encode())
    signed = sign(message, key, domain, selector, clock) + message
    return objection(signed, {f"{selector}._domainkey.{domain}": record})


def _secrets(settings: Settings) -> Secrets | None:
    """The secrets of the settings or the home, which is not touched."""
    if settings.hmac_secret:
        return Secrets.parse(settings.hmac_secret)
    try:
        text = (settings.home / "secret").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return Secrets((text.encode(),)) if text else None
