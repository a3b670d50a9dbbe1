"""Resident memory of an idle `e2a serve`."""

from __future__ import annotations

import time
from pathlib import Path

from bench.homes import make_home, serve
from bench.report import Figure

__all__ = ["idle_memory"]

BOUND_MEBIBYTES = 120
IDLE_SECONDS = 5.0


def idle_memory(folder: Path, *, quick: bool) -> list[Figure]:
    home = folder / "idle"
    make_home(home)
    with serve(home) as relay:
        time.sleep(0.5 if quick else IDLE_SECONDS)  # idle time is part of the measurement
        resident = relay.process.resident_mebibytes()
    return [Figure("resident memory of e2a serve, idle", "MiB", resident, bound=BOUND_MEBIBYTES)]
