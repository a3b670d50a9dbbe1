"""Homes for the measurements: making, serving and filling them, and making keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Child, child
from e2a_core.accounts.credentials import mint_key
from e2a_core.clock import SystemClock
from e2a_core.contract.principal import Scope
from e2a_core.ids import Ids
from e2a_core.local.home import default_inbox, home_principal, open_home
from e2a_core.settings import load_settings

__all__ = ["Relay", "account_key", "agent_key", "home_environment", "make_home", "serve"]


@dataclass(frozen=True, slots=True)
class Relay:
    """A running `e2a serve` and where it listens."""

    process: Child
    smtp: tuple[str, int]
    mcp: str


def home_environment(home: Path, **settings: str) -> dict[str, str]:
    """Returns the settings of a home that listens on free ports and uses no real DNS server."""
    return {
        "E2A_HOME": str(home),
        "E2A_SMTP_LISTEN": "127.0.0.1:0",
        "E2A_HTTP_LISTEN": "127.0.0.1:0",
        "E2A_DNS_SERVER": "127.0.0.1:1",
        "E2A_LOG_LEVEL": "warning",
        **settings,
    }


def make_home(home: Path, **settings: str) -> str:
    """Starts a new home once and returns the address of its inbox."""

    async def make() -> str:
        core, _ = await open_home(load_settings(home_environment(home, **settings)), SystemClock(), Ids())
        try:
            return await default_inbox(core)
        finally:
            await core.db.close()

    return asyncio.run(make())


def agent_key(home: Path) -> str:
    """Returns a new API key for the home's inbox."""
    return _new_key(home, "agent")


def account_key(home: Path) -> str:
    """Returns a new API key for the home's account."""
    return _new_key(home, "account")


def _new_key(home: Path, scope: Scope) -> str:
    async def mint() -> str:
        core, _ = await open_home(load_settings(home_environment(home)), SystemClock(), Ids())
        try:
            owner = await home_principal(core)
            key = await mint_key(
                core,
                owner.account_id,
                name="bench",
                scope=scope,
                agent_email=owner.agent_email if scope == "agent" else None,
            )
            return key.plaintext
        finally:
            await core.db.close()

    return asyncio.run(mint())


@contextmanager
def serve(home: Path, settings: Mapping[str, str] | None = None) -> Iterator[Relay]:
    """Runs `e2a serve` on `home` for the time of the block."""
    arguments = ["-m", "e2a_mcp.program.e2a", "serve", "--print-run"]
    with child(
        arguments, home.with_suffix(".log"), env=home_environment(home, **(settings or {}))
    ) as process:
        run = json.loads(process.line())
        host, _, port = run["smtp"].rpartition(":")
        yield Relay(process, (host, int(port)), run["mcp"])
