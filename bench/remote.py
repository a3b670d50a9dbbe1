"""`e2a-mcp` with a key of another deployment: its start, and the time it adds to an API call."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from statistics import median
from urllib.parse import quote

import httpx2

from bench.cold_start import BARE, OURS
from bench.homes import agent_key, make_home, serve
from bench.report import Figure, measured
from bench.seed import seed
from bench.stdio import call_tool, list_tools

__all__ = ["remote_cold_start", "remote_latency"]

START_BOUND = 1.3
LATENCY_BOUND_MS = 2.0
MESSAGES = 1000
ROWS = 20
NOBODY = "http://127.0.0.1:1"
"""An address without a deployment: the key tells the scope, so listing the tools asks the deployment nothing."""


def remote_cold_start(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures `cold_start` in remote mode."""
    rounds, log = 1 if quick else 9, folder / "stdio.log"
    environment = _environment(folder, NOBODY, "e2a_agt_bench")
    ours, baseline = [], []
    for _ in range(rounds + 1):
        baseline.append(list_tools(BARE, log, {})[0])
        ours.append(list_tools(OURS, log, environment)[0])
    return [
        measured(
            "remote mode, stdio start to tools/list",
            "ms",
            ours[1:],  # the first round warmed the files up
            baseline[1:],
            bound=START_BOUND,
        )
    ]


def remote_latency(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures `list_messages` as a tool, minus the raw API request, minus a bare server with the same rows."""
    rounds, calls = (1, 20) if quick else (5, 200)
    home = folder / "deployment"
    inbox = make_home(home)
    seed(home / "e2a.db", inbox, MESSAGES)
    key = agent_key(home)
    rows = folder / "rows.json"
    tool, raw, bare = [], [], []
    with serve(home, {"E2A_POLL_RATE_PER_MINUTE": "1000000"}) as relay:
        base = relay.mcp.removesuffix("/mcp")
        environment = _environment(folder, base, key)
        url = f"{base}/v1/agents/{quote(inbox, safe='')}/messages?limit={ROWS}"
        _, answer = asyncio.run(_requests(url, key, 1))
        rows.write_text(json.dumps(json.loads(answer)["items"]), encoding="utf-8")
        for _ in range(rounds):
            bare.append(median(call_tool((*BARE, str(rows)), folder / "bare.log", {}, calls)))
            raw.append(median(asyncio.run(_requests(url, key, calls))[0]))
            tool.append(median(call_tool(OURS, folder / "tool.log", environment, calls)))
    added = median(ours - call - server for ours, call, server in zip(tool, raw, bare, strict=True))
    note = f"tool {median(tool):.2f}, API call {median(raw):.2f}, bare server {median(bare):.2f} ms"
    # A negative difference is noise.
    least = max(added, 0.01)
    return [Figure("remote tool call, p50 it adds", "ms", least, bound=LATENCY_BOUND_MS, note=note)]


def _environment(folder: Path, url: str, key: str) -> dict[str, str]:
    return {
        "E2A_HOME": str(folder / "none"),
        "E2A_API_URL": url,
        "E2A_API_KEY": key,
        "E2A_LOG_LEVEL": "warning",
    }


async def _requests(url: str, key: str, calls: int) -> tuple[list[float], bytes]:
    """Returns the milliseconds of each request over one open connection, and one answer."""
    found = []
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http:
        for _ in range(calls + 1):
            started = time.perf_counter()
            response = await http.get(url)
            found.append((time.perf_counter() - started) * 1000)
            response.raise_for_status()
    return found[1:], response.content
