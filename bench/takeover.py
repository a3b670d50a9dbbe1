"""Time from killing the process that runs a home's listeners to the SMTP greeting of its successor."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.homes import home_environment
from bench.processes import Child, child
from bench.report import Figure

__all__ = ["takeover"]

PROCESSES = 4
BOUND_SECONDS = 2.0
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.005


def takeover(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures several stdio servers on one home, whose leaders are killed one after the other."""
    rounds = 1 if quick else PROCESSES - 1
    home = folder / "shared"
    with ExitStack() as stack:
        servers: dict[int, Child] = {}
        for number in range(PROCESSES):
            server = child(("-m", "e2a_mcp"), folder / f"{number}.log", env=home_environment(home))
            started = stack.enter_context(server)
            servers[started.pid] = started
        leader, found = _leader(home, None), []
        for _ in range(rounds):
            killed = time.perf_counter()
            servers[leader].process.kill()
            leader = _leader(home, leader)
            found.append(time.perf_counter() - killed)
    note = f"of {PROCESSES} processes on one home"
    return [
        Figure("listeners after their process was killed", "s", median(found), bound=BOUND_SECONDS, note=note)
    ]


def _leader(home: Path, other_than: int | None) -> int:
    """Waits for an SMTP greeting of a process other than `other_than` and returns its id. Raises TimeoutError."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            run = json.loads((home / "run.json").read_text(encoding="utf-8"))
            host, _, port = str(run["smtp"]).rpartition(":")
            if run["pid"] != other_than:
                with socket.create_connection((host, int(port)), 1) as connection:
                    if connection.recv(4).startswith(b"220"):
                        return int(run["pid"])
        except (OSError, ValueError, KeyError):
            pass  # missing, half written, or of a process that has ended
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"nobody runs the listeners of {home}")
