"""TOML, edited by tomlkit, which keeps comments and order; a new table is written to the end of the file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from e2a_mcp.program.hosts.places import Place, find, shown
from e2a_mcp.program.hosts.problems import BrokenFile, HostProblem

__all__ = ["drop", "load", "put", "snippet"]

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def load(text: str) -> dict[str, Any]:
    """Returns the document. Raises `BrokenFile`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        where = _AT.search(str(problem))
        reason = _AT.sub("", str(problem))
        if where is None or where[1] is None:
            raise BrokenFile(reason, text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1) from None
        raise BrokenFile(reason, int(where[1]), int(where[2])) from None
    except RecursionError:
        raise HostProblem("it is nested too deep") from None


def put(text: str, place: Place, value: dict[str, Any]) -> Iterator[str]:
    """Yields texts with the table `value` at `place`; the first that means what it should is the one to take."""
    there, _ = find(load(text), place)
    while len(value) == 1 and isinstance(next(iter(value.values())), dict):
        # The container alone needs no table.
        [(name, value)] = value.items()
        place = (*place, name)
    if not there:
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        yield f"{text}{gap}{snippet(place, value)}\n"
    yield from _with_tomlkit(text, place, value)


def drop(text: str, place: Place) -> Iterator[str]:
    """Yields texts without the table at `place`."""
    lines = text.split("\n")
    header = f"[{_dotted(place)}]"
    if lines.count(header) == 1:
        start = lines.index(header)
        end = next((n for n in range(start + 1, len(lines)) if lines[n].startswith("[")), len(lines) - 1)
        # What stands right before the next table belongs to that.
        while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
            end -= 1
        if start and not lines[start - 1].strip() and (end == len(lines) - 1 or not lines[end].strip()):
            start -= 1
        yield "\n".join(lines[:start] + lines[end:])
    yield from _with_tomlkit(text, place, None)


def snippet(place: Place, value: dict[str, Any]) -> str:
    """Returns the table as text."""
    return "\n".join(
        [f"[{_dotted(place)}]", *(f"{_key(key)} = {_inline(item)}" for key, item in value.items())]
    )


def _with_tomlkit(text: str, place: Place, value: dict[str, Any] | None) -> Iterator[str]:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document: Any = tomlkit.parse(text)
        container = document
        for step in place[:-1]:
            if step not in container:
                container[step] = tomlkit.table(is_super_table=True)
            container = container[step]
        if value is None:
            del container[place[-1]]
        elif "inline" in type(container).__name__.lower():
            container[place[-1]] = tomlkit.parse(f"v = {_inline(value)}")["v"]
        else:
            container[place[-1]] = tomlkit.parse(
                "".join(f"{_key(k)} = {_inline(v)}\n" for k, v in value.items())
            )
        yield tomlkit.dumps(document)
    except (TOMLKitError, KeyError, TypeError) as problem:
        raise HostProblem(f"{shown(place)} is written in a form that cannot be edited: {problem}") from None


def _dotted(place: Place) -> str:
    return ".".join(_key(str(step)) for step in place)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    # Strings, whole numbers and truth values are written as in JSON, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
