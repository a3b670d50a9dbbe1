"""One run of all checks that fit the settings."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2a_core.clock import Clock
from e2a_core.settings import Settings, default_home
from e2a_mcp.program.doctor.configuration import check_configuration, check_relay_settings
from e2a_mcp.program.doctor.finding import Cause, Finding, fail, passed
from e2a_mcp.program.doctor.home import check_folder, check_home
from e2a_mcp.program.doctor.ports import check_ports, running_listeners
from e2a_mcp.program.doctor.report import Report
from e2a_mcp.program.doctor.store import check_store
from e2a_mcp.version import VERSION

__all__ = ["Wishes", "examine"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to look at in particular; empty means what there is."""

    agent: str = ""
    domain: str = ""
    mcp_url: str = ""


async def examine(wishes: Wishes, clock: Clock, environ: Mapping[str, str] | None = None) -> Report:
    """Makes all checks and changes nothing. Raises nothing that a deployment can be the reason for."""
    settings, configuration = check_configuration(environ)
    findings = [*configuration, _version()]
    url = ""
    if settings is None:
        findings.append(check_folder(_home_of(environ)))
    else:
        url = _deployment_url(settings)
        findings += await _home(settings, wishes, clock)
    return Report(clock.now(), VERSION, url, findings)


def _home_of(environ: Mapping[str, str] | None) -> Path:
    """Where the home is, when the settings cannot be read for a reason that may lie there."""
    named = (os.environ if environ is None else environ).get("E2A_HOME")
    return Path(named).expanduser().absolute() if named else default_home()


def _version() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    return passed("cli.version", f"e2a-mcp {VERSION} on Python {python}", version=VERSION, python=python)


def _deployment_url(settings: Settings) -> str:
    if settings.remote:
        return settings.api_url
    return settings.public_url or str(running_listeners(settings).get("http", ""))


async def _home(settings: Settings, wishes: Wishes, clock: Clock) -> list[Finding]:
    """The checks of a home. What the store says is read first, since others need it."""
    home = check_home(settings)
    store, _ = await check_store(settings, clock)
    rest = await _all({"port.smtp": check_ports(settings)})
    return [*home, *store, *rest, check_relay_settings(settings)]


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
