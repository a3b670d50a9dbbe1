"""What an ID token says, once its signature and every claim fit (OpenID Connect Core section 3.1.3.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from e2a_core.errors import Unauthorized
from e2a_core.texts import is_storable

__all__ = ["LEEWAY_SECONDS", "Claims", "Expected", "header_of", "verified"]

LEEWAY_SECONDS = 60
"""How far the issuer's clock may be from ours."""
MAX_TOKEN_OCTETS = 16 * 1024
MAX_SUBJECT_CHARS = 255
"""The longest subject that an issuer may use (section 2)."""
MIN_RSA_BITS = 2048
_FAMILIES = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
_HASHES = {"EdDSA": "sha512"}
"""Of the access token, by algorithm; all others use SHA-256."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must repeat."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: Sequence[str]
    access_token: str


@dataclass(frozen=True, slots=True)
class Claims:
    """Who signed in: `subject` is the issuer's name for them. `email` is empty unless the issuer has verified it."""

    subject: str
    email: str
    name: str


def header_of(token: object) -> Mapping[str, Any]:
    """The header of a token, which proves nothing yet. Raises `Unauthorized` for what is no signed token."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN_OCTETS or token.count(".") != 2:
        raise _refusal("no ID token")
    try:
        header = json.loads(_octets(token.partition(".")[0]))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not isinstance(header.get("kid", ""), str):
        raise _refusal("no ID token")
    return header


def verified(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected, now: datetime) -> Claims:
    """Raises `Unauthorized`, and says which claim does not fit."""
    algorithm = header_of(token).get("alg")
    if not isinstance(algorithm, str) or algorithm not in expected.algorithms:
        raise _refusal("another signature")
    claims = _signed(token, keys, algorithm)
    if claims.get("iss") != expected.issuer:
        raise _refusal("another issuer")
    _require_audience(claims, expected.client_id)
    _require_time(claims, now.timestamp())
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode("utf-8", "surrogatepass"), expected.nonce.encode()
    ):
        raise _refusal("another nonce")
    _require_hash(claims, expected.access_token, algorithm)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARS or not is_storable(subject):
        raise _refusal("no subject")
    email = claims.get("email") if claims.get("email_verified") is True else ""
    return Claims(subject, _text(email), _text(claims.get("name")))


def _signed(token: str, keys: Sequence[Mapping[str, Any]], algorithm: str) -> dict[str, Any]:
    """The claims of a token that one of the keys signed. Only a public key of the algorithm's own kind is tried."""
    from joserfc import jwt
    from joserfc.errors import JoseError

    for data in keys:
        try:
            key = _public_key(data, algorithm)
            if key is not None:
                return dict(jwt.decode(token, key, algorithms=[algorithm]).claims)
        except (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            continue
    raise _refusal("no signature of the issuer")


def _public_key(data: Mapping[str, Any], algorithm: str) -> Any:
    """The key, or None for one of another kind or purpose (RFC 7517 section 4)."""
    from joserfc.jwk import import_key

    family = _FAMILIES[algorithm]
    if data.get("kty") != family or data.get("use", "sig") != "sig":
        return None
    if data.get("alg", algorithm) != algorithm or (family == "EC" and data.get("crv") != "P-256"):
        return None
    if family == "RSA" and len(_octets(data["n"])) * 8 < MIN_RSA_BITS:
        return None
    public = {name: data[name] for name in ("kty", "n", "e", "crv", "x", "y", "kid") if name in data}
    return import_key(public)


def _require_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """Others beside us are taken only if the token was made for us."""
    audience = claims.get("aud")
    meant = [audience] if isinstance(audience, str) else audience
    if not isinstance(meant, list) or client_id not in meant:
        raise _refusal("another audience")
    party = claims.get("azp")
    if (len(meant) > 1 or party is not None) and party != client_id:
        raise _refusal("another audience")


def _require_time(claims: Mapping[str, Any], now: float) -> None:
    expires, issued, starts = (_instant(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if expires is None or expires <= now - LEEWAY_SECONDS:
        raise _refusal("an expired token")
    if issued is None or issued > now + LEEWAY_SECONDS:
        raise _refusal("a token of the future")
    if "nbf" in claims and (starts is None or starts > now + LEEWAY_SECONDS):
        raise _refusal("a token of the future")


def _require_hash(claims: Mapping[str, Any], access_token: str, algorithm: str) -> None:
    """The token that came along, if the issuer says which (section 3.1.3.6)."""
    given = claims.get("at_hash")
    if given is None:
        return
    digest = hashlib.new(
        _HASHES.get(algorithm, "sha256"), access_token.encode("utf-8", "surrogatepass")
    ).digest()
    wanted = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    if not isinstance(given, str) or not hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), wanted.encode()
    ):
        raise _refusal("another access token")


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _instant(value: object) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # A number that a float cannot hold, and what is no number, is no instant.
    return float(value) if number and abs(value) < 1e11 else None  # type: ignore[arg-type]


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 320 else ""


def _refusal(what: str) -> Unauthorized:
    return Unauthorized(f"the issuer's answer does not fit ({what}), so nobody was signed in")
