"""`run.json`: while a home is served, who serves it and where its listeners really are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2a_core.local.files import replace_private

__all__ = ["read_run_file", "remove_run_file", "write_run_file"]

_NAME = "run.json"


def write_run_file(home: Path, content: Mapping[str, Any]) -> None:
    """Publish `content` (`pid`, `smtp`, `http`, `mcp`) to the other processes of the home's owner."""
    replace_private(home / _NAME, json.dumps(content, indent=2) + "\n")


def read_run_file(home: Path) -> dict[str, Any] | None:
    """What was published; None while nobody serves the home."""
    try:
        content = json.loads((home / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def remove_run_file(home: Path) -> None:
    (home / _NAME).unlink(missing_ok=True)
