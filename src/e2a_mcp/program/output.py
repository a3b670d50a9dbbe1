"""Output of commands: results on stdout, everything else on stderr, so that stdout can be piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["note", "result", "result_json"]


def result(line: str) -> None:
    """Writes one line of the result."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def result_json(content: Mapping[str, Any]) -> None:
    """Writes the result as one line of JSON."""
    result(json.dumps(content))


def note(line: str) -> None:
    """Writes a line for a person, beside the result."""
    sys.stderr.write(f"e2a: {line}\n")
    sys.stderr.flush()
