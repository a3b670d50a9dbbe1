"""Output of commands: results on stdout, everything else on stderr, so that stdout can be piped.

What others wrote may be in a line: nothing of it controls the terminal or hides.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from e2a_core.visible import one_line, visible_text

__all__ = ["note", "result", "result_as_is", "result_json"]


def result(text: str) -> None:
    """Writes lines of the result."""
    result_as_is(visible_text(text))


def result_as_is(text: str) -> None:
    """Writes what has nothing of others in it, or nothing that is not made visible already."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def result_json(content: Mapping[str, Any]) -> None:
    """Writes the result as one line of JSON, in ASCII without control characters."""
    result_as_is(json.dumps(content).replace("\x7f", "\\u007f"))


def note(line: str) -> None:
    """Writes a line for a person, beside the result."""
    sys.stderr.write(f"e2a: {one_line(line)}\n")
    sys.stderr.flush()
