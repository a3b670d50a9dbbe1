"""Asks a callback whether it wants to be called, before anything is sent to it.

Without that anybody could have this deployment post to somebody else's server.
"""

from __future__ import annotations

import hmac
import json

from e2a_core.core import Core
from e2a_core.errors import CallbackFailed, InvalidRequest
from e2a_core.json_bounds import holds_too_many_values
from e2a_core.push.post import Answer, Poster
from e2a_core.push.targets import BadTarget
from e2a_core.subscriptions.limits import VerificationLimits
from e2a_core.subscriptions.signed import control_body, signed_headers
from e2a_core.texts import require_storable

__all__ = ["POST_SECONDS", "Verifier", "category"]

POST_SECONDS = 10.0
"""For one request to a callback; receivers of the field answer within it."""
NONCE_OCTETS = 32

_CATEGORIES = {"http_3xx": "challenge_failed", "refused_address": "connection_refused"}
"""Reasons that the protocol has no word for. A redirect is not followed, so it answers no challenge."""


def category(answer: Answer) -> str:
    """The protocol's word for what went wrong."""
    reason = answer.reason or "challenge_failed"
    return _CATEGORIES.get(reason, reason)


class Verifier:
    """Verifies callbacks, within the limits of one process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._poster = Poster(core, seconds=POST_SECONDS)
        self._limits = VerificationLimits(core.clock)

    def host_of(self, url: str) -> str:
        """Returns the host of a callback. Raises `InvalidRequest` for a URL that may never be called."""
        try:
            return self._poster.target(require_storable(url, "delivery.url")).host
        except BadTarget as problem:
            raise InvalidRequest(str(problem), location="delivery.url") from None

    async def verify(self, caller: str, url: str, subscription_id: str, secret: str) -> None:
        """Posts a nonce, which the callback has to answer with. `caller` is the `principal_hash` of who asks for it.

        Raises `CallbackFailed` if it does not, and `RateLimited`.
        """
        self._limits.count(caller, self.host_of(url))
        nonce = self._core.ids.secret(NONCE_OCTETS)
        webhook_id = self._core.ids.new("msg_verification")
        body = control_body("verification", challenge=nonce)
        async with self._limits.place(caller), self._poster.endpoint(url) as endpoint:
            now = self._core.clock.now()
            headers = signed_headers(subscription_id, webhook_id, body, [secret], now)
            answer = await endpoint.post(body, headers)
        if not answer.ok:
            raise CallbackFailed(category(answer), answer.error or "the callback failed")
        if not hmac.compare_digest(_echoed(answer.body), nonce.encode()):
            raise CallbackFailed("challenge_failed", "the callback did not answer with the challenge")


def _echoed(body: bytes) -> bytes:
    """The challenge in an answer; nothing for what is not the JSON that was asked for."""
    try:
        found = None if holds_too_many_values(body) else json.loads(body)
    except (ValueError, RecursionError):
        return b""
    echoed = found.get("challenge") if isinstance(found, dict) else None
    return echoed.encode("utf-8", "replace") if isinstance(echoed, str) else b""
