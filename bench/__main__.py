"""`python -m bench`: measures, prints one table, and exits with 1 if a figure misses its bound."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from bench.report import Figure, machine, to_json, to_table

FIGURES = {
    "intake": "bench.intake",
    "list_messages": "bench.list_messages",
    "api_list": "bench.api",
    "api_send": "bench.api",
    "cold_start": "bench.cold_start",
    "command_start": "bench.command_start",
    "remote_cold_start": "bench.remote",
    "remote_latency": "bench.remote",
    "takeover": "bench.takeover",
    "idle_memory": "bench.idle_memory",
    "page_time": "bench.page_time",
    "review_pages": "bench.person_pages",
    "mailbox_page": "bench.person_pages",
    "tool_text": "bench.tool_text",
    "loop_lag": "bench.loop_lag",
    "event_log": "bench.event_log",
    "push": "bench.push",
    "push_fan_out": "bench.push_fan_out",
    "push_sockets": "bench.push_sockets",
    "read_html": "bench.read_html",
    "growth": "bench.growth",
}
LONG = {"growth"}
"""Those that take minutes, and run only if they are named."""

Measure = Callable[..., Sequence[Figure]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen measurements. Returns 1 if a figure misses its bound, else 0."""
    options = _parser().parse_args(arguments)
    figures: list[Figure] = []
    for name in options.figures or [name for name in FIGURES if name not in LONG]:
        sys.stderr.write(f"{name} ...\n")
        measure: Measure = getattr(import_module(FIGURES[name]), name)
        with tempfile.TemporaryDirectory(prefix="e2a-bench-") as folder:
            figures += measure(Path(folder), quick=options.quick)
    report = to_json(figures) if options.json else f"{machine()}\n\n{to_table(figures)}"
    sys.stdout.write(report + "\n")
    return 0 if all(figure.ok for figure in figures) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Speed and size against baselines measured in the same run."
    )
    parser.add_argument(
        "figures",
        nargs="*",
        choices=[[], *FIGURES],
        help=f"only these; without any, all but {', '.join(LONG)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions: shows that it works, not how fast"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
