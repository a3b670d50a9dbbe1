"""Authentication of one arriving message: SPF, DKIM and ARC side by side, then DMARC, all before one deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from e2a_core.authentication.arc import evaluate_arc
from e2a_core.authentication.canonical import SignedMessage
from e2a_core.authentication.dkim import verify_dkim
from e2a_core.authentication.dmarc import evaluate_dmarc
from e2a_core.authentication.evidence import AuthenticationEvidence
from e2a_core.authentication.header import authentication_results
from e2a_core.authentication.resolver import CachedLookup, DeadlineLookup, Lookup, NotCached
from e2a_core.authentication.results import ArcResult, DkimResult, DmarcResult, SpfResult
from e2a_core.authentication.spf import SpfVerdicts, evaluate_spf
from e2a_core.clock import Clock

__all__ = ["DEADLINE_SECONDS", "Authenticator", "authentication_results"]

DEADLINE_SECONDS = 10.0
"""The client waits for the reply to DATA meanwhile; RFC 5321, section 4.5.3.2.6 gives us far longer than this."""

_FAULT = "internal error"
_logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class Authenticator:
    """Authenticates messages. `authserv_id` names us in Authentication-Results."""

    def __init__(
        self, resolver: Lookup, clock: Clock, authserv_id: str, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._resolver = resolver
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._spf_verdicts = SpfVerdicts()
        self.authserv_id = authserv_id

    async def evaluate(
        self, *, ip: str | None, mail_from: str, helo: str | None, raw: bytes, author_domain: str | None
    ) -> AuthenticationEvidence:
        """The evidence for `raw` (CRLF line ends) as received from `ip` with this envelope.

        `mail_from` is empty for the null sender; `author_domain` is None unless From holds exactly one address.
        Never raises: what could not be found out in time is temperror, what cannot be read permerror.
        """
        deadline = self._clock.monotonic() + self._deadline_seconds
        lookup = DeadlineLookup(self._resolver, self._clock, deadline)
        message = SignedMessage.parse(raw)

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
            # With every answer at hand nothing waits, and three tasks would only cost.
            known = CachedLookup(self._resolver)
            spf, dkim, arc = await spf_by(known), await dkim_by(known), await arc_by(known)
        except NotCached:
            spf, dkim, arc = await asyncio.gather(spf_by(lookup), dkim_by(lookup), arc_by(lookup))
        dmarc = await _guarded(
            evaluate_dmarc(author_domain, spf, dkim, lookup),
            DmarcResult("temperror", detail=_FAULT, dkim_aligned=(False,) * len(dkim)),
        )
        return AuthenticationEvidence(spf, dkim, dmarc, arc)

    def header(self, evidence: AuthenticationEvidence) -> str:
        """The body of our Authentication-Results field for `evidence`."""
        return authentication_results(evidence, self.authserv_id)


async def _guarded(evaluation: Awaitable[_T], fallback: _T) -> _T:
    """A fault in one mechanism is that mechanism's temperror; the message and the other verdicts are kept."""
    try:
        return await evaluation
    except Exception:
        _logger.exception("authentication mechanism failed")
        return fallback
