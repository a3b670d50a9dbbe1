"""The transport that submits to an upstream SMTP relay (a smarthost or a provider's submission service)."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from e2a_core.submission.outcome import FailureKind, SubmissionResult, failed
from e2a_core.submission.transports.base import BeforeContent
from e2a_core.submission.transports.config import UpstreamConfig
from e2a_core.submission.transports.pool import SessionPool
from e2a_core.submission.transports.session import RelayUnavailable, SmtpSession, Transaction
from e2a_core.visible import one_line

__all__ = ["UpstreamTransport", "provider_message_id"]

_ANGLE_BRACKETED = re.compile(r"<([!-;=?-~]+)>")
_AFTER_OK = re.compile(r"\bok[ \t]+([!-~]+)\s*\Z", re.IGNORECASE)
_SES_HOST = re.compile(r"email-smtp\.([a-z0-9-]+)\.amazonaws\.com", re.IGNORECASE)

_log = logging.getLogger(__name__)


class UpstreamTransport:
    """Submits over a small pool of connections.

    One call repeats a transaction only if a reused connection breaks before DATA.
    """

    name = "upstream"

    def __init__(
        self, config: UpstreamConfig, *, max_connections: int = 4, idle_seconds: float = 30.0
    ) -> None:
        self._config = config
        self._pool = SessionPool(
            lambda: SmtpSession.open(config), max_connections=max_connections, idle_seconds=idle_seconds
        )

    async def submit(
        self,
        envelope_from: str,
        recipients: Sequence[str],
        content: bytes,
        before_content: BeforeContent | None = None,
    ) -> SubmissionResult:
        """See `Transport.submit`."""
        try:
            transaction = await self._transact(envelope_from, recipients, content, before_content)
        except RelayUnavailable as error:
            # An operator looks here, and not into the history of each message that waits.
            _log.warning(
                "upstream relay %s:%d: %s", self._config.host, self._config.port, one_line(str(error))
            )
            outcomes = failed(dict.fromkeys(recipients), FailureKind.OUTAGE, str(error), error.code)
            return SubmissionResult(tuple(outcomes), self.name)
        provider_id = provider_message_id(
            transaction.reply, self._config.host, self._config.message_id_domain
        )
        return SubmissionResult(transaction.outcomes, self.name, provider_id)

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _transact(
        self,
        envelope_from: str,
        recipients: Sequence[str],
        content: bytes,
        before_content: BeforeContent | None,
    ) -> Transaction:
        async with self._pool.lease() as lease:
            transaction = await lease.session.send(envelope_from, recipients, content, before_content)
        if not (lease.reused and transaction.may_repeat):
            return transaction
        async with self._pool.lease(fresh=True) as lease:
            return await lease.session.send(envelope_from, recipients, content, before_content)


def provider_message_id(reply: str, host: str = "", domain: str = "") -> str | None:
    """The Message-ID that the relay's reply names, with angle brackets, or None.

    Relays that assign their own Message-ID report it in the reply to DATA, in brackets or as the only word after Ok.
    If it has no domain, `domain` is added, or the domain that Amazon SES uses in the region of `host`.
    """
    found = _ANGLE_BRACKETED.search(reply) or _AFTER_OK.search(reply)
    if found is None:
        return None
    local = found.group(1)
    if "@" in local:
        return f"<{local}>"
    region = _SES_HOST.fullmatch(host)
    if not domain and region:
        domain = f"{region.group(1)}.amazonses.com"
    return f"<{local}@{domain}>" if domain else f"<{local}>"
