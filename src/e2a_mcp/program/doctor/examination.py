"""One run of all checks that fit the settings."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from e2a_core.clock import Clock
from e2a_core.domains.queries import DomainRow
from e2a_core.settings import Settings, default_home
from e2a_mcp.program.doctor.clocks import check_clock
from e2a_mcp.program.doctor.configuration import check_configuration, check_relay_settings
from e2a_mcp.program.doctor.deployment import check_reachability
from e2a_mcp.program.doctor.domains import check_domains
from e2a_mcp.program.doctor.finding import Cause, Finding, Status, fail, passed, skip
from e2a_mcp.program.doctor.home import check_folder, check_home
from e2a_mcp.program.doctor.mcp import check_mcp_http, check_stdio
from e2a_mcp.program.doctor.ports import Run, check_ports, running_listeners
from e2a_mcp.program.doctor.relay import check_relay
from e2a_mcp.program.doctor.remote import check_account
from e2a_mcp.program.doctor.report import Report
from e2a_mcp.program.doctor.signature import check_signatures
from e2a_mcp.program.doctor.store import StoredDomain, StoreFacts, check_store
from e2a_mcp.program.doctor.tls import check_tls
from e2a_mcp.program.doctor.webhooks import check_webhooks
from e2a_mcp.program.doctor.wishes import Wishes
from e2a_mcp.version import VERSION

__all__ = ["examine"]

HOSTED_URL = "https://api.e2a.dev"


async def examine(wishes: Wishes, clock: Clock, environ: Mapping[str, str] | None = None) -> Report:
    """Makes all checks and changes nothing. Raises nothing that a deployment can be the reason for."""
    settings, configuration = check_configuration(wishes, environ)
    findings = [*configuration, _version()]
    url = ""
    if settings is None:
        findings.append(check_folder(_home_of(environ)))
    elif not (wishes.remote and not settings.remote):
        run = {} if settings.remote else await running_listeners(settings)
        url = _deployment_url(settings, run)
        look = _remote(settings, wishes, clock) if settings.remote else _home(settings, wishes, clock, run)
        findings += await look
    return Report(clock.now(), VERSION, url, findings)


def _home_of(environ: Mapping[str, str] | None) -> Path:
    """Where the home is, when the settings cannot be read for a reason that may lie there."""
    named = (os.environ if environ is None else environ).get("E2A_HOME")
    return Path(named).expanduser().absolute() if named else default_home()


def _version() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    return passed("cli.version", f"e2a-mcp {VERSION} on Python {python}", version=VERSION, python=python)


def _deployment_url(settings: Settings, run: Run) -> str:
    return settings.api_url if settings.remote else settings.public_url or str(run.get("http", ""))


async def _home(settings: Settings, wishes: Wishes, clock: Clock, run: Run) -> list[Finding]:
    """The checks of a home. What the store says is read first, since others need it."""
    home = check_home(settings)
    agent = wishes.agent or settings.agent_email
    store, known = await check_store(settings, clock, agent)
    facts = _with_shared_domain(known or StoreFacts(), settings)
    offsets: dict[str, timedelta] = {}
    mcp_url = wishes.mcp_url or str(run.get("mcp", ""))
    rest = await _all(
        {
            "port": check_ports(settings, run),
            "tls": check_tls(settings, clock, run),
            "relay": check_relay(settings),
            "domain": check_domains(settings, facts, clock, wishes.domain),
            "webhook": check_webhooks(facts.webhooks),
            "signature.dkim": check_signatures(settings, known, clock, wishes.domain),
            "api.reachability": _reachability(
                _deployment_url(settings, run), clock, offsets, settings.shared_domain
            ),
            "mcp": check_mcp_http(settings, mcp_url, discovery=bool(wishes.mcp_url)),
            "mcp.stdio": check_stdio(),
        }
    )
    time = check_clock(clock, facts.newest, offsets)
    inbox = [_inbox(agent, known.inbox)] if known else []
    return [time, *home, *store, *inbox, check_relay_settings(settings), *rest]


def _inbox(wanted: str, found: str) -> Finding:
    if found:
        return passed(
            "agent.access", "is the inbox asked for" if wanted else "is the default inbox", target=found
        )
    if wanted:
        fix = "correct --agent or E2A_AGENT_EMAIL, or create the inbox"
        return fail("agent.access", "agent_not_found", "is no inbox of this home", fix, target=wanted)
    return skip("agent.access", "no_agent_selected", "there is no default inbox")


async def _remote(settings: Settings, wishes: Wishes, clock: Clock) -> list[Finding]:
    """The checks of another deployment. If it does not answer, its API is not asked further."""
    offsets: dict[str, timedelta] = {}
    reached = await _reachability(settings.api_url, clock, offsets)
    checks: dict[str, Awaitable[Sequence[Finding]]] = {}
    if reached[0].status is Status.PASS:
        checks["api.auth"] = check_account(settings, wishes, clock)
    else:
        checks["api.auth"] = _unasked(settings.api_url)
    checks["mcp"] = check_mcp_http(settings, wishes.mcp_url or _hosted_mcp(settings), discovery=True)
    checks["mcp.stdio"] = check_stdio()
    rest = await _all(checks)
    return [check_clock(clock, 0, offsets), *reached, *rest, check_relay_settings(settings)]


async def _unasked(url: str) -> list[Finding]:
    return [skip("api.auth", "not_reached", "the deployment does not answer", target=url)]


def _hosted_mcp(settings: Settings) -> str:
    """The MCP URL of the hosted service; that of any other deployment may be anywhere."""
    return f"{HOSTED_URL}/mcp" if settings.api_url == HOSTED_URL else ""


def _with_shared_domain(facts: StoreFacts, settings: Settings) -> StoreFacts:
    """Adds the domain that the next start makes, so that its records can be looked at before."""
    domain = settings.shared_domain
    if not domain or any(stored.row.domain == domain for stored in facts.domains):
        return facts
    made = StoredDomain(DomainRow(domain, None, "", 0, 0, None), [])
    return replace(facts, domains=[made, *facts.domains])


async def _reachability(
    url: str, clock: Clock, offsets: dict[str, timedelta], shared_domain: str | None = None
) -> list[Finding]:
    """Asks the deployment as others reach it, and takes down how far the clock is ahead of its own."""
    if not url:
        return []
    reached = await check_reachability(url, shared_domain)
    if reached.date is not None:
        offsets[url] = clock.now() - reached.date
    return [reached.finding]


async def _all(checks: Mapping[str, Awaitable[Sequence[Finding]]]) -> list[Finding]:
    """Makes checks at once. One that breaks is a finding too, and keeps no other from its result."""
    results = await asyncio.gather(*checks.values(), return_exceptions=True)
    found: list[Finding] = []
    for name, result in zip(checks, results, strict=True):
        if isinstance(result, Exception):
            found.append(_broke(name, result))
        elif isinstance(result, BaseException):
            raise result
        else:
            found.extend(result)
    return found


def _broke(name: str, problem: Exception) -> Finding:
    return fail(
        "doctor.internal",
        "internal_error",
        f"{name} could not be checked: {type(problem).__name__}: {problem}",
        "try again; if it stays, report it with this line",
        cause=Cause.TRANSIENT,
        target=name,
    )
