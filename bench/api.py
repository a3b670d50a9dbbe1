"""Listing and sending over the `/v1` API, against minimal FastAPI routes."""

from __future__ import annotations

import json
from pathlib import Path

from bench.homes import agent_key, make_home, serve
from bench.processes import child, run_child
from bench.report import Figure, measured
from bench.seed import seed

__all__ = ["api_list", "api_send"]

CONCURRENCY = 16
MESSAGES = 1000
ROWS = 20
LIST_BOUND = 0.5
SEND_BOUND = 0.4
MANY = "1000000"
MAIL = {"to": ["bob@example.org"], "subject": "Order {n}", "text": "It is on its way, number {n}."}
UNLIMITED = {"E2A_POLL_RATE_PER_MINUTE": MANY, "E2A_SEND_RATE_PER_MINUTE": "0"}


def api_list(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures a page of twenty rows, against the same bytes served from memory."""
    rounds, calls = (1, 64) if quick else (5, 1500)
    return _measure(folder, "GET", f"messages?limit={ROWS}&direction=all", "", rounds, calls, LIST_BOUND)


def api_send(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures accepting and queueing mail durably, against one row inserted and committed."""
    rounds, calls = (1, 32) if quick else (5, 400)
    return _measure(folder, "POST", "messages", json.dumps(MAIL), rounds, calls, SEND_BOUND)


def _measure(
    folder: Path, method: str, what: str, body: str, rounds: int, calls: int, bound: float
) -> list[Figure]:
    home = folder / "home"
    inbox = make_home(home)
    seed(home / "e2a.db", inbox, MESSAGES)
    key = agent_key(home)
    answer = folder / "answer.json"
    path = f"/v1/agents/{inbox}/{what}"
    with serve(home, UNLIMITED) as relay:
        base = relay.mcp.removesuffix("/mcp")
        first = _run(method, base + path, key, body, 1)[1]
        if method == "GET" and len(json.loads(first)["items"]) != ROWS:
            raise RuntimeError(f"{ROWS} rows were expected: {first[:200]}")
        answer.write_text(first, encoding="utf-8")
        arguments = ["-m", "bench.children.bare_api", str(answer), str(folder / "bare.db")]
        with child(arguments, folder / "bare.log") as bare:
            url = bare.line() + path
            ours, baseline = [], []
            for _ in range(rounds + 1):
                baseline.append(_run(method, url, key, body, calls)[0])
                ours.append(_run(method, base + path, key, body, calls)[0])
    return [
        measured(
            f"{method} messages over the API, {CONCURRENCY} at once",
            "requests/s",
            ours[1:],  # the first round warmed both up
            baseline[1:],
            bound=bound,
            floor=True,
        )
    ]


def _run(method: str, url: str, key: str, body: str, calls: int) -> tuple[float, str]:
    """Returns requests per second, and one answer."""
    arguments = ["-m", "bench.children.http_load", method, url, key, body, str(CONCURRENCY), str(calls)]
    result = json.loads(run_child(arguments))
    return result["calls"] / result["seconds"], result["answer"]
