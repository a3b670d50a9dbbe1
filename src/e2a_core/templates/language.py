"""The template language: literal text with slots, and nothing else.

`{{name}}` is a slot, `{{{name}}}` one whose value is never escaped. A name is made of identifiers joined by dots,
which walk nested objects. There are no conditions, loops or includes, and the characters that mark them elsewhere
are refused, so that a source meant for another language fails instead of being sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

__all__ = [
    "MAX_DATA_DEPTH",
    "MAX_RENDERED_BYTES",
    "MAX_SOURCE_BYTES",
    "RenderError",
    "Slot",
    "Template",
    "TemplateSyntaxError",
    "check_data",
    "parse_template",
    "suggested_data",
]

MAX_SOURCE_BYTES = 256 * 1024
"""A mail of which the text alone is larger is cut short by the readers it goes to."""
MAX_RENDERED_BYTES = 2 * 1024 * 1024
"""A source of many slots and one long value would otherwise multiply without bound."""
MAX_DATA_DEPTH = 8
"""Objects and arrays within each other; deeper data is a mistake of whoever made it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_RESERVED = frozenset("#/^>!")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})


class TemplateSyntaxError(Exception):
    """A source that is no template; the text says why."""


class RenderError(Exception):
    """Data a template cannot be filled in with; the text says why."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value; a `raw` one takes it as it is, even into HTML."""

    name: str
    raw: bool


@dataclass(frozen=True, slots=True)
class Template:
    """One parsed source."""

    pieces: tuple[str | Slot, ...]

    @property
    def variables(self) -> list[str]:
        """The names of the slots, each once, in the order of the source."""
        return list(dict.fromkeys(piece.name for piece in self.pieces if isinstance(piece, Slot)))

    def render(self, data: Mapping[str, Any], *, html: bool = False) -> str:
        """The source with the values of `data`, which `check_data` has passed; `html` escapes them.

        What has no text of its own (missing, null, an object, an array) leaves nothing. Raises `RenderError`.
        """
        known: dict[Slot, tuple[str, int]] = {}
        rendered, size = [], 0
        for piece in self.pieces:
            if isinstance(piece, Slot):
                if piece not in known:
                    value = _text_of(_look_up(data, piece.name))
                    known[piece] = _sized(value.translate(_HTML) if html and not piece.raw else value)
                text, octets = known[piece]
            else:
                text, octets = _sized(piece)
            size += octets
            if size > MAX_RENDERED_BYTES:
                raise RenderError(f"the result is larger than {MAX_RENDERED_BYTES} bytes")
            rendered.append(text)
        return "".join(rendered)


def parse_template(source: str) -> Template:
    """Raises `TemplateSyntaxError`."""
    if len(source) > MAX_SOURCE_BYTES or _sized(source)[1] > MAX_SOURCE_BYTES:
        raise TemplateSyntaxError(f"the source is larger than {MAX_SOURCE_BYTES} bytes")
    pieces: list[str | Slot] = []
    at = 0
    while (start := source.find("{{", at)) >= 0:
        raw = source.startswith("{{{", start)
        opened, closing = start + (3 if raw else 2), "}}}" if raw else "}}"
        end = source.find(closing, opened)
        if end < 0:
            raise TemplateSyntaxError(f"the tag at character {start + 1} has no {closing}")
        if start > at:
            pieces.append(source[at:start])
        pieces.append(Slot(_name(source[opened:end].strip(), start), raw))
        at = end + len(closing)
    if at < len(source):
        pieces.append(source[at:])
    return Template(tuple(pieces))


def check_data(data: Mapping[str, Any]) -> None:
    """Raises `RenderError` when objects and arrays are nested too deep."""
    level: list[Any] = [data]
    for _ in range(MAX_DATA_DEPTH):
        level = [child for value in level for child in _children(value)]
    if any(isinstance(value, Mapping | list) for value in level):
        raise RenderError(f"the data is nested deeper than {MAX_DATA_DEPTH} levels")


def suggested_data(variables: Sequence[str]) -> dict[str, Any]:
    """A value for each variable, nested as its name is; one that others lie below has to be an object."""
    data: dict[str, Any] = {}
    for name in sorted(variables, key=lambda name: name.count("."), reverse=True):
        *path, last = name.split(".")
        inner = data
        for key in path:
            inner = inner.setdefault(key, {})
            if not isinstance(inner, dict):
                break
        else:
            inner.setdefault(last, f"{name}_value")
    return data


def _name(text: str, at: int) -> str:
    where = f"the tag at character {at + 1}"
    if not text:
        raise TemplateSyntaxError(f"{where} is empty")
    if text[0] in _RESERVED:
        raise TemplateSyntaxError(f"{where} begins with {text[0]}, which is reserved")
    if not _NAME.fullmatch(text):
        raise TemplateSyntaxError(f"{where} names no variable: letters, digits, underscores and dots")
    return text


def _look_up(data: Any, name: str) -> Any:
    for key in name.split("."):
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data


def _text_of(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            try:
                return str(value)
            except ValueError:
                raise RenderError("a number has too many digits") from None
        case _:
            return ""


def _children(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _sized(text: str) -> tuple[str, int]:
    return text, len(text.encode("utf-8", "surrogatepass"))
