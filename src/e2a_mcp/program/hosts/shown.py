"""Shows how a file changes. It may hold keys of other servers, so only what is ours is shown in full."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["HIDDEN", "difference"]

HIDDEN = "..."

_PART = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<key>(?:\"(?:[^\"\\]|\\.)*\"|[A-Za-z0-9_.-]+)(?=\s*[:=](?:\s|$|[{\[\"]))\s*[:=])"
    r'|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<header>^\[{1,2}[A-Za-z0-9_.\" -]+\]{1,2}$)"
    r"|(?P<word>true|false|null|[0-9]{1,5}(?=[\s,}\]]|$))"
    r"|(?P<mark>[{}\[\],])"
    r"|(?P<rest>[^\s{}\[\],\"]+|.)"
)


def difference(before: str, after: str, path: str, ours: Any) -> str:
    """Returns a unified diff; a value that is not part of `ours` is replaced by three dots."""
    known = set(_strings(ours))
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), path, path, lineterm="")
    return "\n".join(
        line
        if (line.startswith(("---", "+++", "@@")) and n < 2) or line.startswith("@@ ")
        else line[0] + _masked(line[1:], known)
        for n, line in enumerate(lines)
    )


def _masked(line: str, known: set[str]) -> str:
    parts: list[str] = []
    for match in _PART.finditer(line):
        kind, text = match.lastgroup, match[0]
        hidden = kind == "rest" or (
            kind == "string" and text[1:-1].replace('\\"', '"').replace("\\\\", "\\") not in known
        )
        if not hidden:
            parts.append(text)
        elif parts[-1:] == [HIDDEN] or (parts[-2:-1] == [HIDDEN] and parts[-1].isspace()):
            continue
        else:
            parts.append(HIDDEN)
    return "".join(parts)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
