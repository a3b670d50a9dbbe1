"""The upstream relay: a connection, TLS and the credentials, as mail would use them, and no mail."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

from e2a_core.settings import Settings
from e2a_core.submission.transports.config import Timeouts, UpstreamConfig
from e2a_core.submission.transports.session import RelayUnavailable, SmtpSession
from e2a_mcp.program.doctor.finding import Cause, Finding, fail, passed, quoted, skip
from e2a_mcp.program.doctor.limits import NETWORK_SECONDS

__all__ = ["check_relay"]

_REFUSED_CREDENTIALS = frozenset({530, 534, 535, 538})
"""RFC 4954 section 6."""
_REFUSED_FOR_NOW = range(400, 500)


async def check_relay(settings: Settings) -> list[Finding]:
    """First without the credentials, so that each fault is told where it lies."""
    place = f"{settings.outbound_smtp_host}:{settings.outbound_smtp_port}"
    if settings.sandbox:
        detail = "there is none: mail to other hosts is captured and not sent"
        return [skip("relay.connection", "sandbox", detail, fix="set E2A_OUTBOUND_SMTP_HOST to send")]
    try:
        config = _config(settings)
    except (OSError, ssl.SSLError) as problem:
        fix = "name a readable PEM file in E2A_OUTBOUND_SMTP_CA_FILE"
        detail = f"the certificates to trust cannot be read: {quoted(str(problem))}"
        return [fail("relay.connection", "ca_not_readable", detail, fix, target=place)]
    trouble = await _trouble(replace(config, username="", password=""))
    if trouble is not None:
        return [_no_connection(trouble, place)]
    encrypted = "with TLS" if config.require_tls else "with TLS if it offers it"
    connected = passed("relay.connection", f"answers EHLO, {encrypted}", target=place)
    if not config.username:
        return [connected, skip("relay.auth", "no_credentials", "the relay is used without", target=place)]
    trouble = await _trouble(config)
    if trouble is None:
        return [connected, passed("relay.auth", "are accepted", target=place)]
    return [connected, _no_auth(trouble, place)]


def _config(settings: Settings) -> UpstreamConfig:
    # With the credentials, since they decide how strictly the relay's certificate is looked at.
    config = UpstreamConfig.of(settings).with_tls(settings.outbound_smtp_ca_file)
    return replace(config, timeouts=Timeouts(connect=NETWORK_SECONDS, command=NETWORK_SECONDS))


async def _trouble(config: UpstreamConfig) -> RelayUnavailable | None:
    try:
        async with asyncio.timeout(NETWORK_SECONDS):
            session = await SmtpSession.open(config)
        await session.close()
    except RelayUnavailable as problem:
        return problem
    except TimeoutError:
        return RelayUnavailable(f"no answer within {NETWORK_SECONDS:.0f} seconds")
    return None


def _no_connection(trouble: RelayUnavailable, place: str) -> Finding:
    id, detail = "relay.connection", quoted(str(trouble))
    if isinstance(_root(trouble), ssl.SSLCertVerificationError):
        fix = "correct E2A_OUTBOUND_SMTP_HOST, or name the relay's authority in E2A_OUTBOUND_SMTP_CA_FILE"
        return fail(id, "certificate_invalid", detail, fix, target=place)
    if "STARTTLS" in str(trouble) and trouble.code is None:
        fix = (
            "use the relay's port for TLS (587 or 465); E2A_OUTBOUND_SMTP_REQUIRE_TLS=off sends in clear text"
        )
        return fail(id, "tls_not_offered", detail, fix, target=place)
    if trouble.code is not None and trouble.code not in _REFUSED_FOR_NOW:
        fix = "ask the relay's operator whether this machine may use it"
        return fail(id, "refused", detail, fix, target=place)
    fix = "see that host and port are right and that no firewall is between: many providers block port 25, not 587"
    return fail(id, "connection_failed", detail, fix, cause=Cause.TRANSIENT, target=place)


def _no_auth(trouble: RelayUnavailable, place: str) -> Finding:
    id, detail = "relay.auth", quoted(str(trouble))
    if trouble.code in _REFUSED_CREDENTIALS:
        fix = "correct E2A_OUTBOUND_SMTP_USERNAME and E2A_OUTBOUND_SMTP_PASSWORD"
        return fail(id, "auth_refused", detail, fix, cause=Cause.AUTH, target=place)
    if trouble.code is None and "clear text" in str(trouble):
        fix = "use the relay's port for TLS (587 or 465)"
        return fail(id, "tls_not_offered", detail, fix, target=place)
    if trouble.code is None and "AUTH" in str(trouble).upper():
        fix = "unset E2A_OUTBOUND_SMTP_USERNAME if the relay wants none, or use its port for submission (587 or 465)"
        return fail(id, "auth_not_offered", detail, fix, target=place)
    return fail(id, "connection_failed", detail, "try again", cause=Cause.TRANSIENT, target=place)


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            break
        error = cause
    return error
