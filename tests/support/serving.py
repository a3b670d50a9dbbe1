"""`e2a serve` as a process of its own, as somebody who runs it would have it.

`running` starts and stops the process; `serving` is a deployment for tests of the API, on top of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2a_core.accounts.credentials import ensure_account, mint_key
from e2a_core.clock import SystemClock
from e2a_core.ids import Ids
from e2a_core.local.home import open_home
from e2a_core.settings import load_settings
from tests.support.dns import DnsServer
from tests.support.forking import run_e2a

__all__ = ["ASSISTANT", "OWNER", "SHARED", "Served", "account_key", "running", "serving", "smtp_address"]

SHARED = "agents.example"
OWNER = "owner@example.net"
ASSISTANT = f"assistant@{SHARED}"
COMMAND = (sys.executable, "-m", "e2a_mcp.program.e2a")
START_SECONDS = 60.0
STOP_SECONDS = 20.0


@dataclass
class Served:
    """A running deployment, its owner's account key, and what it logs."""

    url: str
    smtp: tuple[str, int]
    key: str
    environment: dict[str, str]
    log: Path

    def lines(self) -> list[str]:
        return _text(self.log).splitlines()


@contextmanager
def serving(
    folder: Path, database_url: str, *, descriptors: int | None = None, **settings: str
) -> Iterator[Served]:
    """A sandbox that takes every domain as proven; `settings` are named without `E2A_`, in lower case.

    With `descriptors`, the process may open so many and cannot raise that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
    environment |= {
        "E2A_HOME": str(folder / "home"),
        "E2A_DATABASE_URL": database_url,
        "E2A_SMTP_LISTEN": "127.0.0.1:0",
        "E2A_HTTP_LISTEN": "127.0.0.1:0",
        "E2A_DNS_VERIFY": "off",
        "E2A_SHARED_DOMAIN": SHARED,
        "E2A_LOG_LEVEL": "debug",
        "E2A_POLL_RATE_PER_MINUTE": "1000000",
        "E2A_PUSH_ALLOW_LOOPBACK": "true",
        "E2A_SEND_RATE_PER_MINUTE": "100000",
        **{f"E2A_{name.upper()}": value for name, value in settings.items()},
    }
    key = _bootstrap(environment)
    log = folder / "serve.log"
    command = [*COMMAND, "serve", "--print-run"]
    if descriptors is not None:
        command = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *command]
    with DnsServer({"example.org": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]}}) as dns:
        environment["E2A_DNS_SERVER"] = dns.address
        with running(command, environment, log) as run:
            yield Served(run["http"], smtp_address(run), key, environment, log)


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[dict[str, Any]]:
    """Runs the server for the time of the block and yields the JSON line that it prints when it is ready.

    Its standard error goes to `log`. Raises `RuntimeError` with the log if it ends before it is ready, or if it does
    not end with status 0 when it is told to.
    """
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, stderr=errors)
        try:
            yield json.loads(_first_line(process, log))
        finally:
            _stop(process)
    if process.returncode:
        raise RuntimeError(f"the server ended with status {process.returncode}: {_text(log)}")


def smtp_address(run: Mapping[str, Any]) -> tuple[str, int]:
    """Returns where the server takes mail, from its first line."""
    host, _, port = str(run["smtp"]).rpartition(":")
    return host, int(port)


async def account_key(served: Served, email: str) -> str:
    """An account key of `email`, whose account is made if there is none."""
    core, _ = await open_home(load_settings(served.environment), SystemClock(), Ids())
    try:
        account_id, _ = await ensure_account(core, email)
        return (await mint_key(core, account_id, name="test")).plaintext
    finally:
        await core.db.close()


def _bootstrap(environment: Mapping[str, str]) -> str:
    """The first account and its key, by the command that makes them."""
    done = run_e2a(environment, "bootstrap", "--email", OWNER, "--json", timeout=START_SECONDS)
    done.check_returncode()
    return str(json.loads(done.stdout)["api_key"])


def _first_line(process: subprocess.Popen[bytes], log: Path) -> bytes:
    assert process.stdout is not None
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    line = process.stdout.readline()
    timer.cancel()
    if not line:
        raise RuntimeError(f"the server did not start: {_text(log)}")
    return line


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
