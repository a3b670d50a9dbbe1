"""`e2a demo`: the whole round trip in a temporary home, with proof at each step."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["demo"]


def demo(
    *,
    keep: Annotated[
        Path | None,
        Parameter(
            help="Use this empty folder as the home and keep it.", validator=lambda _, given: _new_home(given)
        ),
    ] = None,
) -> int:
    """Show the whole round trip in a temporary home, with proof at each step."""
    # Imported here: the MCP client and the DNS server are needed by no other command.
    from e2a_mcp.program.demo.story import DemoFailed, tell

    logging.getLogger("mail.log").setLevel(logging.ERROR)
    try:
        if keep is not None:
            asyncio.run(tell(keep, _say))
        else:
            with tempfile.TemporaryDirectory(prefix="e2a-demo-") as folder:
                asyncio.run(tell(Path(folder) / "home", _say))
    except DemoFailed as problem:
        sys.stderr.write(f"e2a demo: {problem}\n")
        return 1
    _say("All of it held.")
    return 0


def _new_home(folder: Path | None) -> None:
    """Refuses a folder that holds mail or settings somebody may miss: the demonstration changes both."""
    if folder is None:
        return
    try:
        held = {item.name for item in folder.iterdir()} - {"config.toml"}
    except FileNotFoundError:
        return
    except OSError:
        raise ValueError(f"{folder} is not a folder that can be read") from None
    if held:
        raise ValueError(f"{folder} is not empty")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
