"""Authenticates a received message: SPF, DKIM and ARC in parallel, then DMARC, all before one deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from e2a_core.authentication.arc import evaluate_arc
from e2a_core.authentication.canonical import SignedMessage
from e2a_core.authentication.dkim import verify_dkim
from e2a_core.authentication.dmarc import evaluate_dmarc
from e2a_core.authentication.evidence import AuthenticationEvidence, unsigned_fields
from e2a_core.authentication.header import authentication_results
from e2a_core.authentication.resolver import CachedLookup, DeadlineLookup, Lookup, NotCached
from e2a_core.authentication.results import ArcResult, DkimResult, DmarcResult, SpfResult
from e2a_core.authentication.spf import SpfVerdicts, evaluate_spf
from e2a_core.clock import Clock
from e2a_core.offload import MAX_ON_LOOP_OCTETS, Offload

__all__ = ["DEADLINE_SECONDS", "Authenticator", "authentication_results"]

DEADLINE_SECONDS = 10.0
"""Time allowed for one message. The client waits for the reply to DATA: at least 10 minutes (RFC 5321, 4.5.3.2.6)."""

_FAULT = "internal error"
_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class Authenticator:
    """Authenticates messages. `authserv_id` identifies this server in Authentication-Results (RFC 8601)."""

    def __init__(
        self,
        resolver: Lookup,
        clock: Clock,
        authserv_id: str,
        deadline_seconds: float = DEADLINE_SECONDS,
        offload: Offload | None = None,
    ) -> None:
        self._resolver = resolver
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._offload = offload or Offload()
        self._spf_verdicts = SpfVerdicts()
        self.authserv_id = authserv_id

    async def evaluate(
        self, *, ip: str | None, mail_from: str, helo: str | None, raw: bytes, author_domain: str | None
    ) -> AuthenticationEvidence:
        """Authenticate `raw` (CRLF line ends) as received from `ip` with this envelope.

        `mail_from` is "" for the null sender; `author_domain` is None unless From holds exactly one address.
        Never raises: DNS failures and timeouts become temperror, malformed input permerror.
        """
        deadline = self._clock.monotonic() + self._deadline_seconds
        lookup = DeadlineLookup(self._resolver, self._clock, deadline)
        message = await self._offload.run(len(raw), _split, raw)

        def spf_by(through: Lookup) -> Awaitable[SpfResult]:
            return _guarded(
                evaluate_spf(ip, mail_from, helo, through, self._spf_verdicts),
                SpfResult("temperror", detail=_FAULT),
            )

        def dkim_by(through: Lookup) -> Awaitable[tuple[DkimResult, ...]]:
            now = self._clock.now()
            return _guarded(verify_dkim(message, through, now), (DkimResult("temperror", detail=_FAULT),))

        def arc_by(through: Lookup) -> Awaitable[ArcResult]:
            return _guarded(evaluate_arc(message, through), ArcResult("temperror", detail=_FAULT))

        try:
            # If every DNS answer is cached, nothing waits and parallel tasks would only add cost.
            known = CachedLookup(self._resolver)
            spf, dkim, arc = await spf_by(known), await dkim_by(known), await arc_by(known)
        except NotCached:
            spf, dkim, arc = await asyncio.gather(spf_by(lookup), dkim_by(lookup), arc_by(lookup))
        dmarc = await _guarded(
            evaluate_dmarc(author_domain, spf, dkim, lookup),
            DmarcResult("temperror", detail=_FAULT, dkim_aligned=(False,) * len(dkim)),
        )
        return AuthenticationEvidence(spf, dkim, dmarc, arc, unsigned_fields(message, dkim, dmarc))

    def header(self, evidence: AuthenticationEvidence) -> str:
        """The body of this server's Authentication-Results field for `evidence`."""
        return authentication_results(evidence, self.authserv_id)


def _split(raw: bytes) -> SignedMessage:
    message = SignedMessage.parse(raw)
    if len(raw) > MAX_ON_LOOP_OCTETS:
        # The signatures need the hashes later, on the loop.
        message.hash_body()
    return message


async def _guarded(evaluation: Awaitable[_T], fallback: _T) -> _T:
    """Return `fallback` if a mechanism fails unexpectedly, so that the other results are kept."""
    try:
        return await evaluation
    except Exception:  # noqa: BLE001 - one failing mechanism must not lose the message
        _log.exception("authentication mechanism failed")
        return fallback
