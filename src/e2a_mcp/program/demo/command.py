"""`e2a demo`: the whole round trip in a temporary home, with proof at each step."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep", metavar="FOLDER", type=_new_home, help="use this empty folder as the home and keep it"
    )


def _new_home(text: str) -> Path:
    """A folder whose mail and settings nobody misses: the demonstration changes both."""
    folder = Path(text)
    try:
        held = {item.name for item in folder.iterdir()} - {"config.toml"}
    except FileNotFoundError:
        return folder
    except OSError:
        raise argparse.ArgumentTypeError(f"{folder} is not a folder that can be read") from None
    if held:
        raise argparse.ArgumentTypeError(f"{folder} is not empty")
    return folder


def run(args: argparse.Namespace) -> int:
    # Imported here: the MCP client and the DNS server are needed by no other command.
    from e2a_mcp.program.demo.story import DemoFailed, tell

    logging.getLogger("mail.log").setLevel(logging.ERROR)
    try:
        if args.keep is not None:
            asyncio.run(tell(args.keep, _say))
        else:
            with tempfile.TemporaryDirectory(prefix="e2a-demo-") as folder:
                asyncio.run(tell(Path(folder) / "home", _say))
    except DemoFailed as problem:
        sys.stderr.write(f"e2a demo: {problem}\n")
        return 1
    _say("All of it held.")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
