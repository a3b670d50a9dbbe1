"""Verifies DKIM signatures (RFC 6376, RFC 8301, RFC 8463): one result per signature, in header order."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime

from e2a_core.authentication.canonical import HeaderField, SignedMessage, TagListError, parse_tags
from e2a_core.authentication.keys import KeyRecord
from e2a_core.authentication.names import is_below, normalize_domain, printable
from e2a_core.authentication.resolver import Lookup
from e2a_core.authentication.results import DkimResult, DkimStatus
from e2a_core.authentication.signature import (
    Refused,
    check_signature,
    require_tags,
    signed_names,
    signing_domain,
)

__all__ = ["MAX_SIGNATURES", "verify_dkim"]

MAX_SIGNATURES = 8
"""Signatures verified per message: each costs a DNS query and a public-key operation, and the sender adds them."""
CLOCK_SKEW_SECONDS = 300
"""Time after x= for which a signature is still accepted, because clocks differ."""
SIGNATURE_PREFIX_CHARACTERS = 12
"""Characters of b= to report; RFC 6008, section 4 asks for at least eight to distinguish signatures."""

_SIGNATURE_FIELD = b"dkim-signature"
_ONCE = frozenset(
    {
        *(b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id"),
        *(b"in-reply-to", b"references", b"mime-version", b"content-type", b"content-transfer-encoding"),
    }
)
"""Fields that occur once (RFC 5322, section 3.6; RFC 2045, section 3); of several, readers show the first."""


async def verify_dkim(message: SignedMessage, resolver: Lookup, now: datetime) -> tuple[DkimResult, ...]:
    """One result per DKIM-Signature field, up to `MAX_SIGNATURES`; one more result represents all further fields.

    Errors in a signature, in its key or in DNS become a status; they are not raised.
    """
    fields = message.named(_SIGNATURE_FIELD)
    if not fields:
        return ()
    checks = [_verify(item, message, resolver, now) for item in fields[:MAX_SIGNATURES]]
    results = [await checks[0]] if len(checks) == 1 else await asyncio.gather(*checks)
    if len(fields) > MAX_SIGNATURES:
        count = len(fields) - MAX_SIGNATURES
        results.append(
            DkimResult("policy", detail=f"{count} more not examined, the limit is {MAX_SIGNATURES}")
        )
    return tuple(results)


async def _verify(item: HeaderField, message: SignedMessage, resolver: Lookup, now: datetime) -> DkimResult:
    try:
        tags = parse_tags(item.value)
    except TagListError as error:
        return DkimResult("permerror", detail=str(error))
    try:
        _check_tags(tags, message, now)
        key = await check_signature(item, tags, message, resolver)
        _check_key_flags(tags, key)
    except Refused as refusal:
        return _result(tags, refusal.status, refusal.detail)
    passed = _result(tags, "pass", "the domain is testing DKIM (t=y)" if key.testing else None)
    return replace(passed, signed=frozenset(name.decode("utf-8", "replace") for name in signed_names(tags)))


def _check_tags(tags: dict[str, str], message: SignedMessage, now: datetime) -> None:
    """Check the tags of a signature apart from its cryptography (sections 3.5 and 6.1.1). Raises `Refused`."""
    require_tags(tags, "a", "b", "bh", "d", "h", "s", "v")
    if not message.well_formed:
        raise Refused("policy", "a line of the header section is no field")
    if tags["v"] != "1":
        raise Refused("permerror", "v= is not 1")
    if "l" in tags:
        # Anyone could append to the signed part of the body (section 8.2).
        raise Refused("policy", f"l={tags['l']} leaves the rest of the body unsigned")
    if "dns/txt" not in [method.strip() for method in tags.get("q", "dns/txt").split(":")]:
        raise Refused("permerror", "q= does not offer dns/txt")
    signed, expires = _seconds(tags, "t"), _seconds(tags, "x")
    if expires is not None and signed is not None and expires < signed:
        raise Refused("permerror", "x= is before t=")
    if expires is not None and expires + CLOCK_SKEW_SECONDS < now.timestamp():
        raise Refused("permerror", f"signature expired, x={expires}")
    if not is_below(_identity_domain(tags), signing_domain(tags)):
        raise Refused("permerror", "i= is not within d=")
    covered = Counter(signed_names(tags))
    if not covered[b"from"]:
        raise Refused("permerror", "From is not signed")
    for name in sorted(_ONCE.intersection(covered)):
        # Readers show the topmost field, which would be an unsigned one (section 8.15).
        if len(message.named(name)) > covered[name]:
            raise Refused("policy", f"a second {name.decode()} field is not signed")


def _check_key_flags(tags: dict[str, str], key: KeyRecord) -> None:
    if key.exact_identity and _identity_domain(tags) != signing_domain(tags):
        raise Refused("permerror", "i= is below d=, which the key does not allow")


def _identity_domain(tags: dict[str, str]) -> str:
    if "i" not in tags:
        return signing_domain(tags)
    _, _, domain = tags["i"].rpartition("@")
    return normalize_domain(domain) or ""


def _seconds(tags: dict[str, str], name: str) -> int | None:
    """The instant in t= or x=, in seconds since the Unix epoch."""
    text = tags.get(name)
    if text is None:
        return None
    # Section 3.5 requires up to twelve digits; int() also accepts signs and underscores.
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise Refused("permerror", f"{name}= is not a time")
    return int(text)


def _result(tags: dict[str, str], status: DkimStatus, detail: str | None) -> DkimResult:
    signature = "".join(tags.get("b", "").split())
    return DkimResult(
        status=status,
        domain=normalize_domain(tags.get("d", "")),
        selector=printable(tags["s"], 253) if tags.get("s") else None,
        detail=printable(detail) if detail else None,
        algorithm=printable(tags["a"], 40) if tags.get("a") else None,
        identity=printable(tags["i"], 320) if tags.get("i") else None,
        signature_prefix=printable(signature[:SIGNATURE_PREFIX_CHARACTERS]) or None,
    )
