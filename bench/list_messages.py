"""`tools/call list_messages` over streamable HTTP, against a bare server with the same rows in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.homes import agent_key, make_home, serve
from bench.processes import child, run_child
from bench.report import Figure, measured
from bench.seed import seed

__all__ = ["list_messages"]

CONCURRENCY = 16
MESSAGES = 1000
ROWS = 20
BOUND = 0.6
ERAS = {"modern": "2026-07-28", "handshake": "2025-11-25"}


def list_messages(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures one figure for each protocol era, with the same raw client for both servers, in turns."""
    rounds, calls = (1, 48) if quick else (5, 800)
    home = folder / "listing"
    inbox = make_home(home)
    seed(home / "e2a.db", inbox, MESSAGES)
    key = agent_key(home)
    rows = folder / "rows.json"
    with serve(home) as relay:
        _, answer = _run(relay.mcp, key, "modern", 1)
        messages = _structured(answer)["messages"]
        if len(messages) != ROWS:
            raise RuntimeError(f"{ROWS} rows were expected, not {len(messages)}")
        rows.write_text(json.dumps(messages), encoding="utf-8")
        with child(["-m", "bench.children.bare_mcp", "http", str(rows)], folder / "bare.log") as bare:
            url = bare.line()
            _, answer = _run(url, key, "modern", 1)
            if _structured(answer)["messages"] != messages:
                raise RuntimeError("the baseline answers with other rows")
            return [_figure(era, relay.mcp, url, key, rounds, calls) for era in ERAS]


def _figure(era: str, ours_url: str, bare_url: str, key: str, rounds: int, calls: int) -> Figure:
    ours, baseline = [], []
    for _ in range(rounds + 1):
        baseline.append(_run(bare_url, key, era, calls)[0])
        ours.append(_run(ours_url, key, era, calls)[0])
    return measured(
        f"list_messages over HTTP, {CONCURRENCY} at once, {ERAS[era]}",
        "calls/s",
        ours[1:],  # the first round warmed both up
        baseline[1:],
        bound=BOUND,
        floor=True,
    )


def _run(url: str, key: str, era: str, calls: int) -> tuple[float, str]:
    """Returns calls per second, and one answer."""
    arguments = ["-m", "bench.children.mcp_load", url, key, era, str(CONCURRENCY), str(calls)]
    result = json.loads(run_child(arguments))
    return result["calls"] / result["seconds"], result["answer"]


def _structured(answer: str) -> dict[str, Any]:
    """Returns the structured content of an answer, which may be JSON or an event."""
    start = answer.index("{")
    content: dict[str, Any] = json.loads(answer[start : answer.rindex("}") + 1])["result"][
        "structuredContent"
    ]
    return content
