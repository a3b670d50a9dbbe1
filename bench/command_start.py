"""Time of `e2a --version` and of a command that does nothing, against a bare command of the same framework."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.homes import home_environment
from bench.report import Figure, measured

__all__ = ["command_start"]

BOUND = 1.5
OURS = ("-m", "e2a_mcp.program.e2a")
BARE = ("-m", "bench.children.bare_command")


def command_start(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures new processes each time, with imported files in the page cache, as on a machine in use."""
    rounds, environment = 1 if quick else 15, home_environment(folder / "home")
    return [
        _compared("e2a --version", ("--version",), rounds, environment, bound=BOUND),
        # Draws the list of all commands, where the bare one draws itself alone.
        _compared("e2a --help", ("--help",), rounds, environment, bound=BOUND),
    ]


def _compared(
    name: str, arguments: Sequence[str], rounds: int, environment: dict[str, str], *, bound: float | None
) -> Figure:
    ours, baseline = [], []
    for _ in range(rounds + 1):
        baseline.append(_milliseconds((*BARE, *arguments), environment))
        ours.append(_milliseconds((*OURS, *arguments), environment))
    # The first round warmed the files up.
    return measured(name, "ms", ours[1:], baseline[1:], bound=bound)


def _milliseconds(command: Sequence[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000
