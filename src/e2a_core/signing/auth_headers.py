"""Signs and verifies the nine `X-E2A-Auth-*` headers, this deployment's statement about who sent a message.

The signature covers eight fields joined by LF: verified, sender, entity type, domain check, delegation (empty if
there is none), timestamp, message id, and the SHA-256 of the raw message. Because it covers both the id and the
bytes, captured headers cannot be used for another message.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from e2a_core.clock import parse_rfc3339
from e2a_core.signing.mac import hmac_sha256, matches_any

__all__ = [
    "AuthClaim",
    "AuthHeaderError",
    "BodyHashMismatch",
    "ExpiredAuthHeaders",
    "MalformedAuthHeader",
    "MissingAuthHeader",
    "SignatureMismatch",
    "body_hash",
    "canonical_string",
    "sign_headers",
    "verify_auth_headers",
]

_PREFIX = "X-E2A-Auth-"
_VERIFIED = _PREFIX + "Verified"
_SENDER = _PREFIX + "Sender"
_ENTITY_TYPE = _PREFIX + "Entity-Type"
_DOMAIN_CHECK = _PREFIX + "Domain-Check"
_DELEGATION = _PREFIX + "Delegation"
_TIMESTAMP = _PREFIX + "Timestamp"
_MESSAGE_ID = _PREFIX + "Message-Id"
_BODY_HASH = _PREFIX + "Body-Hash"
_SIGNATURE = _PREFIX + "Signature"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_AGE = timedelta(minutes=5)
_LEEWAY = timedelta(seconds=30)
"""A generous bound for the difference between two clocks synchronised by NTP."""


@dataclass(frozen=True, slots=True)
class AuthClaim:
    """The statement that the headers make about one message.

    `timestamp` is RFC 3339 in UTC with whole seconds; `body_hash` is 64 lower-case hex digits; `delegation` is
    `agent=<id>;human=<id>` or "".
    """

    verified: bool
    sender: str
    entity_type: str
    domain_check: str
    timestamp: str
    message_id: str
    body_hash: str
    delegation: str = ""


class AuthHeaderError(Exception):
    """The headers cannot be trusted."""


class MissingAuthHeader(AuthHeaderError):
    """A required header is absent."""


class MalformedAuthHeader(AuthHeaderError):
    """A header has an invalid value or is present twice."""


class ExpiredAuthHeaders(AuthHeaderError):
    """The headers were signed too long ago or are dated in the future."""


class SignatureMismatch(AuthHeaderError):
    """The signature was not made over these fields with any of the secrets."""


class BodyHashMismatch(AuthHeaderError):
    """The signature is valid but covers a different message."""


def body_hash(*chunks: bytes) -> str:
    """SHA-256 in lower-case hex of the raw message: header section and body."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def canonical_string(claim: AuthClaim) -> bytes:
    """The octets that the signature covers.

    Raises ValueError if a field holds a control character, with which two claims could share one string.
    """
    fields = (
        "true" if claim.verified else "false",
        claim.sender,
        claim.entity_type,
        claim.domain_check,
        claim.delegation,
        claim.timestamp,
        claim.message_id,
        claim.body_hash,
    )
    if _CONTROL.search("".join(fields)):
        raise ValueError("a signed field contains a control character")
    return "\n".join(fields).encode("utf-8", "surrogateescape")


def sign_headers(claim: AuthClaim, secret: bytes) -> dict[str, str]:
    """The signed headers for `claim` in their documented order, without Delegation if the claim has none."""
    signature = hmac_sha256(secret, canonical_string(claim)).hex()
    headers = {
        _VERIFIED: "true" if claim.verified else "false",
        _SENDER: claim.sender,
        _ENTITY_TYPE: claim.entity_type,
        _DOMAIN_CHECK: claim.domain_check,
        _DELEGATION: claim.delegation,
        _TIMESTAMP: claim.timestamp,
        _MESSAGE_ID: claim.message_id,
        _BODY_HASH: claim.body_hash,
        _SIGNATURE: signature,
    }
    if not claim.delegation:
        del headers[_DELEGATION]
    return headers


def verify_auth_headers(
    headers: Mapping[str, str],
    secrets: Sequence[bytes],
    *,
    raw_message: bytes | None = None,
    now: datetime,
    max_age: timedelta = _MAX_AGE,
    leeway: timedelta = _LEEWAY,
) -> AuthClaim:
    """Verify `headers` and return their claim.

    Matches header names in any case and ignores unrelated headers. `now` must be timezone-aware. Pass `raw_message` if
    available; without it the caller must compare the body hash. Raises a subclass of `AuthHeaderError`.
    """
    found = _collect(headers)
    signature = _required(found, _SIGNATURE)
    claim = _read_claim(found)
    signed_at = _parse_timestamp(claim.timestamp)
    age = now - signed_at
    if age > max_age:
        raise ExpiredAuthHeaders(f"the headers were signed more than {max_age.total_seconds():g} s ago")
    if age < -leeway:
        raise ExpiredAuthHeaders("the headers are dated in the future")
    if not matches_any(secrets, _signed_octets(claim), _parse_signature(signature)):
        raise SignatureMismatch("the signature does not match the fields under any known secret")
    if raw_message is not None and not hmac.compare_digest(
        body_hash(raw_message).encode(), claim.body_hash.encode("utf-8", "surrogateescape")
    ):
        raise BodyHashMismatch("the signed body hash does not match this message")
    return claim


def _collect(headers: Mapping[str, str]) -> dict[str, str]:
    """The X-E2A-Auth headers by lower-case name. Raises MalformedAuthHeader if a name repeats in any case."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        if not key.startswith(_PREFIX.lower()):
            continue
        if key in found:
            raise MalformedAuthHeader(f"{name} is present more than once")
        found[key] = value
    return found


def _required(found: Mapping[str, str], name: str) -> str:
    try:
        return found[name.lower()]
    except KeyError:
        raise MissingAuthHeader(f"{name} is missing") from None


def _read_claim(found: Mapping[str, str]) -> AuthClaim:
    verified = _required(found, _VERIFIED)
    if verified not in ("true", "false"):
        raise MalformedAuthHeader(f"{_VERIFIED} must be true or false")
    return AuthClaim(
        verified=verified == "true",
        sender=_required(found, _SENDER),
        entity_type=_required(found, _ENTITY_TYPE),
        domain_check=_required(found, _DOMAIN_CHECK),
        delegation=found.get(_DELEGATION.lower(), ""),
        timestamp=_required(found, _TIMESTAMP),
        message_id=_required(found, _MESSAGE_ID),
        body_hash=_required(found, _BODY_HASH),
    )


def _parse_timestamp(text: str) -> datetime:
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise MalformedAuthHeader(f"{_TIMESTAMP} must be an RFC 3339 timestamp") from None


def _parse_signature(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise MalformedAuthHeader(f"{_SIGNATURE} must be 64 lower-case hex digits")
    return bytes.fromhex(text)


def _signed_octets(claim: AuthClaim) -> bytes:
    try:
        return canonical_string(claim)
    except ValueError as error:
        raise MalformedAuthHeader(str(error)) from error
