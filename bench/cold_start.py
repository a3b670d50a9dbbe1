"""Time from the start of a stdio server to its answer to `tools/list`, against a bare server with one tool."""

from __future__ import annotations

from pathlib import Path

from bench.homes import home_environment, make_home
from bench.report import Figure, measured
from bench.stdio import list_tools

__all__ = ["cold_start"]

BOUND = 1.2
OURS = ("-m", "e2a_mcp")
BARE = ("-m", "bench.children.bare_mcp", "stdio")


def cold_start(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures new processes each time, with imported files in the page cache, as on a machine in use."""
    rounds, log = 1 if quick else 9, folder / "stdio.log"
    fresh, _ = list_tools(OURS, log, home_environment(folder / "fresh"))
    home = folder / "home"
    make_home(home)
    ours, baseline = [], []
    for _ in range(rounds + 1):
        baseline.append(list_tools(BARE, log, {})[0])
        ours.append(list_tools(OURS, log, home_environment(home))[0])
    return [
        measured(
            "stdio start to tools/list",
            "ms",
            ours[1:],  # the first round warmed the files up
            baseline[1:],
            bound=BOUND,
            note=f"on a home that is not there yet {fresh:.0f} ms",
        )
    ]
