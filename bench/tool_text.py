"""How much a model has to read to know the agent's tools."""

from __future__ import annotations

import json
from pathlib import Path

from bench.cold_start import OURS
from bench.homes import home_environment, make_home
from bench.report import Figure
from bench.stdio import list_tools

__all__ = ["tool_text"]

BOUND_CHARS = {"agent": 9000, "account": 26_000}


def tool_text(folder: Path, *, quick: bool) -> list[Figure]:
    """Characters of name, description and input schema in a real `tools/list` of each tier."""
    home = folder / "home"
    make_home(home)
    figures = []
    for tier, bound in BOUND_CHARS.items():
        environment = home_environment(home, E2A_MCP_SCOPE=tier)
        _, tools = list_tools(OURS, folder / "stdio.log", environment)
        chars = sum(
            len(tool["name"]) + len(tool["description"]) + len(_compact(tool["inputSchema"]))
            for tool in tools
        )
        name = f"{tier} tools/list, text a model reads"
        figures.append(Figure(name, "chars", chars, bound=bound, note=f"{len(tools)} tools"))
    return figures


def _compact(schema: object) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
