"""The baselines of the MCP figures: a bare `MCPServer` with one tool that answers from memory.

python -m bench.children.bare_mcp stdio [ROWS_FILE]
python -m bench.children.bare_mcp http ROWS_FILE
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

server = MCPServer("bare")
rows: list[dict[str, Any]] = []


@server.tool()
def list_messages() -> dict[str, Any]:
    """List messages."""
    return {"messages": rows}


def serve_http() -> None:
    import socket

    import uvicorn

    # Naming the protocol makes asyncio disable Nagle's algorithm, as in the server under test.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp\n")
    sys.stdout.flush()
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        if len(sys.argv) > 2:
            rows.extend(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
        if sys.argv[1] == "http":
            serve_http()
        else:
            server.run("stdio")
