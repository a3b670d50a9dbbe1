"""Shows how a file changes. It may hold keys of other servers, so only what is ours is shown in full."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from e2a_core.visible import one_line

__all__ = ["HIDDEN", "difference"]

HIDDEN = "..."
CONTEXT = 3
"""Lines around a change, as every diff has them."""
LONG_LINE = 500
"""Characters. A file on one line is shown from where it begins to differ to where it ends to."""
MOST_LINES = 2_000
"""That are compared line by line; comparing takes a time that grows with their square."""

_PART = re.compile(
    r"(?P<space>[ \t]+)"
    r"|(?P<key>(?:\"(?:[^\"\\]|\\.)*\"|[A-Za-z0-9_.-]+)(?=\s*[:=](?:\s|$|[{\[\"]))\s*[:=])"
    r'|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<header>^\[{1,2}[A-Za-z0-9_.\" -]+\]{1,2}$)"
    r"|(?P<word>true|false|null)\b"
    r"|(?P<mark>[{}\[\],])"
    r"|(?P<rest>[^\s{}\[\],\"]+|.)",
    re.DOTALL,
)
_PLACE = re.compile(r"^@@ -(\d+)((?:,\d+)?) \+(\d+)((?:,\d+)?) @@$")


def difference(before: str, after: str, path: str, ours: Any) -> str:
    """Returns a unified diff; a value that is not part of `ours` is replaced by three dots."""
    known = set(_strings(ours))
    old, new = before.split("\n"), after.split("\n")
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    first = max(head - CONTEXT, 0)
    old, new = (lines[first : len(lines) - max(tail - CONTEXT, 0)] for lines in (old, new))
    if any(len(line) > LONG_LINE for line in (*old, *new)) or len(old) + len(new) > MOST_LINES:
        changed = _long("\n".join(old), "\n".join(new), first)
    else:
        changed = [
            _moved(line, first) for line in list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))[2:]
        ]
    shown = [line if line.startswith("@@ ") else line[0] + _masked(line[1:], known) for line in changed]
    return "\n".join(_printable(line) for line in [f"--- {path}", f"+++ {path}", *shown])


def _printable(line: str) -> str:
    """A name can hold what moves the cursor or turns the text around; a tab is an indent."""
    return "\t".join(one_line(part) for part in line.split("\t"))


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    return next(
        (n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other),
        min(len(old), len(new)),
    )


def _long(old: str, new: str, first: int) -> list[str]:
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    line, column = first + old.count("\n", 0, head) + 1, head - old.rfind("\n", 0, head)
    parts = [f"@@ line {line}, column {column} @@"]
    for sign, text in (("-", old[head : len(old) - tail]), ("+", new[head : len(new) - tail])):
        # From the beginning of a value: the rest of one says nothing, and could be a part of a key.
        parts += [f"{sign}{each}" for each in text.split("\n") if text]
    return parts


def _moved(line: str, first: int) -> str:
    place = _PLACE.match(line)
    if place is None:
        return line
    return f"@@ -{int(place[1]) + first}{place[2]} +{int(place[3]) + first}{place[4]} @@"


def _masked(line: str, known: set[str]) -> str:
    parts: list[str] = []
    for match in _PART.finditer(line):
        if not _is_hidden(match, known):
            parts.append(match[0])
        elif parts[-1:] != [HIDDEN] and not (parts[-2:-1] == [HIDDEN] and parts[-1].isspace()):
            parts.append(HIDDEN)
    return "".join(parts)


def _is_hidden(match: re.Match[str], known: set[str]) -> bool:
    text = match[0]
    if match.lastgroup == "string":
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\") not in known
    return match.lastgroup == "rest" and text not in known


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str | int):
        yield str(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
