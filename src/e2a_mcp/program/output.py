"""What commands say: results on stdout, everything else on stderr, so that stdout can be piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["note", "result", "result_json"]


def result(line: str) -> None:
    """One line of what was asked for."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def result_json(content: Mapping[str, Any]) -> None:
    """What was asked for, as one line of JSON."""
    result(json.dumps(content))


def note(line: str) -> None:
    """What a person may want to know beside the result."""
    sys.stderr.write(f"e2a: {line}\n")
    sys.stderr.flush()
