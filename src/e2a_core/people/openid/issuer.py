"""The issuer that the settings name: what it says of itself, its keys, and its token endpoint.

It is asked as callbacks are: at a public address, checked when the connection is made, for seconds, and for the first
64 KiB; a redirect is a failure. What it says of itself is kept for an hour, and its keys until one is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from e2a_core.core import Core
from e2a_core.errors import Unauthorized, Unavailable
from e2a_core.push.post import Answer, Poster
from e2a_core.push.targets import BadTarget

__all__ = ["ALGORITHMS", "Issuer", "Metadata"]

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures with a public key (RFC 7518 section 3.1, RFC 8037).

What has no signature, or one with a shared secret, is never taken."""
ASKED_WITHIN_SECONDS = 8.0
KEPT_SECONDS = 3600.0
KEYS_ASKED_EVERY_SECONDS = 60.0
"""A token with the name of an unknown key has them read again, but not for whoever sends many."""
_PATH = "/.well-known/openid-configuration"
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "e2a-sign-in/1"}
_UNREACHABLE = "the issuer could not be asked; try again, or sign in another way"
_UNFIT = "the issuer's answer does not fit, so nobody was signed in"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is used of a discovery document (OpenID Connect Discovery section 3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    algorithms: tuple[str, ...]
    names_itself: bool
    """Whether it adds `iss` to each answer (RFC 9207)."""
    basic: bool
    """Whether it takes the client's secret in a header."""


@dataclass(slots=True)
class _Kept:
    metadata: Metadata | None = None
    metadata_at: float = 0.0
    keys: Sequence[Mapping[str, Any]] = ()
    keys_at: float | None = None


class Issuer:
    """One for each process.

    Raises `Unavailable` if the issuer does not answer, and `Unauthorized` if what it says is unfit.
    """

    def __init__(self, core: Core, poster: Poster | None = None) -> None:
        self._core = core
        self._poster = poster or Poster(core, seconds=ASKED_WITHIN_SECONDS)
        self._kept = _Kept()

    @property
    def url(self) -> str:
        return self._core.settings.oidc_issuer

    async def metadata(self) -> Metadata:
        now = self._core.clock.monotonic()
        kept = self._kept
        if kept.metadata is None or now - kept.metadata_at >= KEPT_SECONDS:
            document = _object(_succeeded(await self._get(self.url.rstrip("/") + _PATH)))
            kept.metadata, kept.metadata_at = self._metadata(document), now
        return kept.metadata

    async def keys(self, key_id: str | None) -> list[Mapping[str, Any]]:
        """The public keys of that name; those of all names for None."""
        kept, now = self._kept, self._core.clock.monotonic()
        found = _named(kept.keys, key_id)
        if not found and (kept.keys_at is None or now - kept.keys_at >= KEYS_ASKED_EVERY_SECONDS):
            document = _object(_succeeded(await self._get((await self.metadata()).jwks_uri)))
            keys = document.get("keys")
            if not isinstance(keys, list):
                raise Unauthorized(_UNFIT)
            kept.keys, kept.keys_at = [key for key in keys if isinstance(key, dict)], now
            found = _named(kept.keys, key_id)
        return found

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
        """The answer of the token endpoint to a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""
        metadata, settings = await self.metadata(), self._core.settings
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": settings.oidc_client_id,
        }
        headers = {**_HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
        if settings.oidc_client_secret and metadata.basic:
            headers["Authorization"] = _basic(settings.oidc_client_id, settings.oidc_client_secret)
        elif settings.oidc_client_secret:
            fields["client_secret"] = settings.oidc_client_secret
        async with self._poster.endpoint(metadata.token_endpoint) as endpoint:
            answer = await endpoint.post(urlencode(fields).encode(), headers)
        if answer.status is not None and 400 <= answer.status < 500:
            raise Unauthorized("the issuer did not take this sign-in; start it again")
        return _object(_succeeded(answer))

    async def _get(self, url: str) -> Answer:
        async with self._poster.endpoint(url) as endpoint:
            return await endpoint.get(_HEADERS)

    def _metadata(self, document: Mapping[str, Any]) -> Metadata:
        """Raises `Unauthorized` unless the document is of this very issuer (OpenID Connect Discovery section 4.3)."""
        if document.get("issuer") != self.url:
            raise Unauthorized("the issuer calls itself by another name than E2A_OIDC_ISSUER")
        methods = document.get("code_challenge_methods_supported", ["S256"])
        named = document.get("id_token_signing_alg_values_supported", ["RS256"])
        if not isinstance(named, list) or not isinstance(methods, list) or "S256" not in methods:
            raise Unauthorized(_UNFIT)
        algorithms = tuple(algorithm for algorithm in ALGORITHMS if algorithm in named)
        if not algorithms:
            raise Unauthorized(_UNFIT)
        asked = document.get("token_endpoint_auth_methods_supported")
        return Metadata(
            authorization_endpoint=self._endpoint(document, "authorization_endpoint"),
            token_endpoint=self._endpoint(document, "token_endpoint"),
            jwks_uri=self._endpoint(document, "jwks_uri"),
            algorithms=algorithms,
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
            basic=not isinstance(asked, list) or "client_secret_basic" in asked,
        )

    def _endpoint(self, document: Mapping[str, Any], name: str) -> str:
        url = document.get(name)
        try:
            if isinstance(url, str):
                return self._poster.target(url).url
        except BadTarget:
            pass
        raise Unauthorized(_UNFIT)


def _named(keys: Sequence[Mapping[str, Any]], key_id: str | None) -> list[Mapping[str, Any]]:
    return [key for key in keys if key_id is None or key.get("kid") == key_id]


def _basic(client_id: str, secret: str) -> str:
    """Both are form-encoded first (RFC 6749 section 2.3.1)."""
    from base64 import b64encode

    return "Basic " + b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()


def _succeeded(answer: Answer) -> bytes:
    if not answer.ok:
        raise Unavailable(_UNREACHABLE)
    return answer.body


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Unauthorized(_UNFIT)
    return document
