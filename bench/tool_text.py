"""How much text a model reads to know the tools."""

from __future__ import annotations

import json
from pathlib import Path

from bench.cold_start import OURS
from bench.homes import home_environment, make_home
from bench.report import Figure
from bench.stdio import list_tools

__all__ = ["tool_text"]

BOUND_CHARS = {"agent": 9000, "account": 30_000}


def tool_text(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures characters of names, descriptions and input schemas in a real `tools/list` of each scope."""
    home = folder / "home"
    make_home(home)
    figures = []
    for scope, bound in BOUND_CHARS.items():
        environment = home_environment(home, E2A_MCP_SCOPE=scope)
        _, tools = list_tools(OURS, folder / "stdio.log", environment)
        chars = sum(
            len(tool["name"]) + len(tool["description"]) + len(_compact(tool["inputSchema"]))
            for tool in tools
        )
        name = f"{scope} tools/list, text a model reads"
        figures.append(Figure(name, "chars", chars, bound=bound, note=f"{len(tools)} tools"))
    return figures


def _compact(schema: object) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
