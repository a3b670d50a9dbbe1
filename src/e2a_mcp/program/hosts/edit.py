"""Changes the text of a configuration, whatever its format, and proves that nothing else changed.

After each edit the new text is parsed again: it has to mean what the old one meant plus the change, or it is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2a_mcp.program.hosts import jsonc
from e2a_mcp.program.hosts.places import Item, Place, find, shown
from e2a_mcp.program.hosts.problems import BrokenFile, HostProblem

__all__ = [
    "Change",
    "Format",
    "Text",
    "json_format",
    "put",
    "strict_json_format",
    "take_back",
    "toml_format",
    "yaml_format",
]

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is read and edited. `put` and `drop` yield texts to try, the best first."""

    load: Callable[[str], Any]
    put: Callable[[str, Place, Any], Iterator[str]]
    drop: Callable[[str, Place], Iterator[str]]
    snippet: Callable[[Place, Any], str]


def json_format() -> Format:
    return Format(jsonc.load, jsonc.put, jsonc.drop, jsonc.snippet)


def strict_json_format() -> Format:
    """JSON for a host that ignores a whole file with a comment in it."""
    return Format(jsonc.load_strict, jsonc.put, jsonc.drop, jsonc.snippet)


def toml_format() -> Format:
    from e2a_mcp.program.hosts import toml

    return Format(toml.load, toml.put, toml.drop, toml.snippet)


def yaml_format() -> Format:
    from e2a_mcp.program.hosts import yaml

    return Format(yaml.load, yaml.put, yaml.drop, yaml.snippet)


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a file: its lines end in LF here, and `encode` gives them back the ends they had."""

    original: str
    bom: bool = False

    @classmethod
    def decode(cls, content: bytes) -> Text:
        """Raises `BrokenFile` if the bytes are no UTF-8."""
        bom = content.startswith(BOM)
        try:
            return cls(content[len(BOM) * bom :].decode("utf-8"), bom)
        except UnicodeDecodeError as problem:
            before = content[len(BOM) * bom :][: problem.start]
            line, column = before.count(b"\n") + 1, problem.start - before.rfind(b"\n")
            raise BrokenFile("no UTF-8", line, column) from None

    @classmethod
    def decode_of(cls, path: Path, content: bytes) -> Text:
        """Does so, naming the file in the error."""
        try:
            return cls.decode(content)
        except BrokenFile as problem:
            raise HostProblem(f"{path} cannot be read, so it stays as it is: {problem}") from None

    @property
    def plain(self) -> str:
        return self.original.replace("\r\n", "\n")

    def encode(self, after: str) -> bytes:
        """Returns the bytes of an edited text; lines that stayed keep their ends, and new ones get the usual one."""
        was, old, new = self.original.split("\n"), self.plain.split("\n"), after.split("\n")
        # The last line has no end that a line after it could follow.
        common = min(len(old), len(new)) - 1
        head = next((n for n in range(common) if old[n] != new[n]), common)
        tail = next((n for n in range(common - head + 1) if old[-1 - n] != new[-1 - n]), common - head + 1)
        end = "\r\n" if self.original.count("\r\n") * 2 > self.original.count("\n") else "\n"
        kept_head = "".join(line + "\n" for line in was[:head])
        middle = new[head : len(new) - tail]
        kept_tail = "\n".join(was[len(was) - tail :]) if tail else ""
        body = end.join(middle) + (end if middle and tail else "")
        return BOM * self.bom + (kept_head + body + kept_tail).encode("utf-8")


@dataclass(frozen=True, slots=True)
class Change:
    """A member that was set: what stood there before, and the outermost container that was made for it."""

    place: Place
    after: Any
    had: bool = False
    before: Any = None
    made: Place | None = None


def put(form: Format, text: str, place: Place, value: Any) -> tuple[str, Change]:
    """Returns the text with `value` at `place`, containers made as needed, and what changed.

    Raises `HostProblem`.
    """
    document = form.load(text)
    if not isinstance(document, dict):
        raise HostProblem("it holds no object")
    had, before = find(document, place)
    depth = next((n for n in range(1, len(place)) if not find(document, place[:n])[0]), len(place))
    outer, inner = place[:depth], _wrapped(place[depth:], value)
    expected = _with(document, outer, inner)
    after = _first(form.put(text, outer, inner), form, expected, place)
    return after, Change(place, value, had, before, outer if depth < len(place) else None)


def take_back(form: Format, text: str, change: Change) -> str:
    """Returns the text as if `change` had not been made, whatever else changed since. Raises `HostProblem`."""
    document = form.load(text)
    if change.had:
        return put(form, text, change.place, change.before)[0]
    if not find(document, change.place)[0]:
        return text
    place = change.place
    if change.made is not None and find(document, change.made)[1] == _wrapped(
        place[len(change.made) :], find(document, place)[1]
    ):
        place = change.made
    expected = _without(document, place)
    return _first(form.drop(text, place), form, expected, place)


def _first(texts: Iterator[str], form: Format, expected: Any, place: Place) -> str:
    for text in texts:
        try:
            if form.load(text) == expected:
                return text
        except BrokenFile:
            continue
    raise HostProblem(f"{shown(place)} cannot be changed without touching other parts")


def _wrapped(steps: Place, value: Any) -> Any:
    for step in reversed(steps):
        value = [value] if isinstance(step, Item) else {step: value}
    return value


def _with(document: Any, place: Place, value: Any) -> Any:
    """The document with `value` at `place`; containers on the way are copied, and the rest is shared."""
    step, rest = place[0], place[1:]
    if isinstance(step, Item):
        if not isinstance(document, list):
            raise HostProblem(f"{shown(place)} needs a list around it")
        found = next((n for n, each in enumerate(document) if step.matches(each)), len(document))
        return [*document[:found], value, *document[found + 1 :]]
    # YAML writes an empty mapping as nothing at all.
    if not isinstance(document, dict | None):
        raise HostProblem(f"{shown(place)} needs an object around it")
    inner = _with((document or {}).get(step), rest, value) if rest else value
    return {**(document or {}), step: inner}


def _without(document: Any, place: Place) -> Any:
    step, rest = place[0], place[1:]
    if isinstance(step, Item):
        found = next(n for n, each in enumerate(document) if step.matches(each))
        return [*document[:found], *document[found + 1 :]]
    if rest:
        return {**document, step: _without(document[step], rest)}
    return {name: value for name, value in document.items() if name != step}
