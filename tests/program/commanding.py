"""`e2a` as a shell sees it, piped or on a terminal."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.forking import fork_e2a
from tests.support.forking import run_e2a as e2a

__all__ = ["COMMAND", "at_home", "e2a", "on_terminal"]

COMMAND = (sys.executable, "-m", "e2a_mcp.program.e2a")
SECONDS = 60.0


def at_home(home: Path, **settings: str) -> dict[str, str]:
    """The environment of the owner of a home, who has nothing else of ours configured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
    ports = {"E2A_SMTP_LISTEN": "127.0.0.1:0", "E2A_HTTP_LISTEN": "127.0.0.1:0"}
    return {**kept, **ports, "E2A_HOME": str(home), "E2A_DNS_VERIFY": "off", **settings}


def on_terminal(environment: Mapping[str, str], *arguments: str, types: str = "") -> tuple[int, str]:
    """Exit status and all that a terminal of 100 columns gets, for a person who types `types`."""
    ours, theirs = pty.openpty()
    running = fork_e2a({**environment, "COLUMNS": "100", "TERM": "dumb"}, arguments, theirs, theirs, theirs)
    os.close(theirs)
    os.write(ours, types.encode())
    seen, ends = b"", time.monotonic() + SECONDS
    try:
        while time.monotonic() < ends:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                read = os.read(ours, 65_536)
            except OSError:  # the other end is closed (Linux)
                break
            if not read:
                break
            seen += read
        return running.wait(), seen.decode("utf-8", "replace")
    finally:
        os.close(ours)
