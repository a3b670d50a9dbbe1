"""A stdio server over the engine in memory, for a client to start as a child process.

The inbox already holds one message, so that a client has something to read.
"""

from __future__ import annotations

import anyio

from e2a_core.settings import Settings, load_settings
from e2a_mcp.stdio import serve_stdio

from .memory import MemoryEngine


async def open_with_mail(settings: Settings) -> MemoryEngine:
    engine = MemoryEngine()
    await engine.deliver("hi", "first words")
    return engine


if __name__ == "__main__":
    anyio.run(serve_stdio, load_settings(), open_with_mail)
