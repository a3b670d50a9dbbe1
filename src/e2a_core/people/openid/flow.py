"""A sign-in at the issuer: begun with a redirect there, ended by the one back.

The browser's cookie has the secret of the attempt; `state`, `nonce` and the verifier of PKCE are derived from it, so
that the store has nothing with which somebody else could end it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from e2a_core.core import Core
from e2a_core.errors import InvalidRequest, Unauthorized
from e2a_core.people.attempts import Attempt, begin_attempt, take_attempt
from e2a_core.people.openid.id_token import Claims, Expected, header_of, verified
from e2a_core.people.openid.issuer import Issuer

__all__ = ["CALLBACK", "Begun", "OpenId", "Taken"]

CALLBACK = "/sign-in/openid/callback"
GOOD_FOR = timedelta(minutes=10)
"""A person types a password and a second factor meanwhile."""
MAX_CODE_CHARS = 4096
_KIND = "openid"
_ERROR = re.compile(r"[a-z_]{1,60}")
_LATE = "this sign-in took too long, was ended already or began in another browser: start it again"


@dataclass(frozen=True, slots=True)
class Begun:
    """`url` is where the browser goes, `token` for its cookie."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Taken:
    """An attempt that is used up, with the parameters that the browser came back with."""

    attempt: Attempt
    given: Mapping[str, str]
    token: str = field(repr=False)


class OpenId:
    """Sign-ins at the one issuer of the settings. What talks to it raises as `Issuer`."""

    def __init__(self, core: Core, issuer: Issuer) -> None:
        self._core = core
        self._issuer = issuer

    @property
    def offered(self) -> bool:
        return bool(self._core.settings.oidc_issuer)

    async def begin(self, details: Mapping[str, str], person_id: str | None = None) -> Begun:
        metadata, settings = await self._issuer.metadata(), self._core.settings
        token = await begin_attempt(self._core, _KIND, details, GOOD_FOR, person_id)
        challenge = hashlib.sha256(_derived(token, "verifier").encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": settings.oidc_client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(dict.fromkeys(("openid", *settings.oidc_scopes.split()))),
            "state": _derived(token, "state"),
            "nonce": _derived(token, "nonce"),
            "code_challenge": _base64url(challenge),
            "code_challenge_method": "S256",
        }
        endpoint = metadata.authorization_endpoint
        return Begun(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}", token)

    async def take(self, token: str, answer: Sequence[tuple[str, str]]) -> Taken:
        """Takes the attempt that the browser came back from. Raises `InvalidRequest` for what was never begun."""
        given = dict(answer)
        state = given.get("state", "").encode("utf-8", "surrogatepass")
        # An answer that is not of this browser must not use up what the browser began.
        if len(given) != len(answer) or not hmac.compare_digest(state, _derived(token, "state").encode()):
            raise InvalidRequest(_LATE)
        attempt = await take_attempt(self._core, _KIND, token)
        if attempt is None:
            raise InvalidRequest(_LATE)
        return Taken(attempt, given, token)

    async def finish(self, taken: Taken) -> Claims:
        """Returns who signed in at the issuer. Raises `Unauthorized` for an answer that does not fit."""
        given = taken.given
        metadata = await self._issuer.metadata()
        if (metadata.names_itself or "iss" in given) and given.get("iss") != self._issuer.url:
            raise Unauthorized("this answer is of another issuer, so nobody was signed in")
        if "error" in given:
            word = given["error"] if _ERROR.fullmatch(given["error"]) else "an error"
            raise Unauthorized(f"the issuer signed nobody in ({word})")
        code = given.get("code", "")
        if not 0 < len(code) <= MAX_CODE_CHARS:
            raise InvalidRequest("the issuer's answer has no code")
        tokens = await self._issuer.redeem(code, _derived(taken.token, "verifier"), self._redirect_uri)
        return await self._claims(tokens, _derived(taken.token, "nonce"), metadata.algorithms)

    async def _claims(self, tokens: Mapping[str, Any], nonce: str, algorithms: Sequence[str]) -> Claims:
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        keys = await self._issuer.keys(header_of(id_token).get("kid"))
        expected = Expected(
            self._issuer.url,
            self._core.settings.oidc_client_id,
            nonce,
            algorithms,
            access_token if isinstance(access_token, str) else "",
        )
        return verified(str(id_token), keys, expected, self._core.clock.now())

    @property
    def _redirect_uri(self) -> str:
        return self._core.links.base_url + CALLBACK


def _derived(token: str, what: str) -> str:
    mac = hmac.new(token.encode("utf-8", "surrogatepass"), what.encode(), hashlib.sha256)
    return _base64url(mac.digest())


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
