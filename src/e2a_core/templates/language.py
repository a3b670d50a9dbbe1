"""The template language: literal text with slots.

`{{name}}` is a slot, `{{{name}}}` a slot whose value is never escaped. Names are identifiers joined by dots, which
select members of nested objects. There are no conditions, loops or includes. The characters that mark them in other
languages are refused, so that a source for such a language fails instead of being sent.
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
"""Mail readers cut texts that are larger."""
MAX_RENDERED_BYTES = 2 * 1024 * 1024
"""Bounds the result of a source with many slots for one long value."""
MAX_DATA_DEPTH = 8
"""Levels of nested objects and arrays; deeper data is a mistake."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_RESERVED = frozenset("#/^>!")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})


class TemplateSyntaxError(Exception):
    """The source is not a valid template; the text gives the reason."""


class RenderError(Exception):
    """The template cannot be rendered with the data; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A placeholder for a value; a `raw` one is not escaped, even in HTML."""

    name: str
    raw: bool


@dataclass(frozen=True, slots=True)
class Template:
    """One parsed source."""

    pieces: tuple[str | Slot, ...]

    @property
    def variables(self) -> list[str]:
        """The names of the slots in the order of the source, without repeats."""
        return list(dict.fromkeys(piece.name for piece in self.pieces if isinstance(piece, Slot)))

    def render(self, data: Mapping[str, Any], *, html: bool = False) -> str:
        """Fills the slots with the values of `data`, escaped if `html`. `data` must have passed `check_data`.

        A value that is missing, null, an object or an array renders as empty. Raises `RenderError` if the result is
        too large or a number has too many digits.
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
    """Parses a source. Raises `TemplateSyntaxError`."""
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
    """Raises `RenderError` if objects and arrays are nested too deeply."""
    level: list[Any] = [data]
    for _ in range(MAX_DATA_DEPTH):
        level = [child for value in level for child in _children(value)]
    if any(isinstance(value, Mapping | list) for value in level):
        raise RenderError(f"the data is nested deeper than {MAX_DATA_DEPTH} levels")


def suggested_data(variables: Sequence[str]) -> dict[str, Any]:
    """Example data with a value for each variable, nested by its dotted name.

    A variable that is a prefix of others gets no value of its own, because it must be an object.
    """
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
        raise TemplateSyntaxError(f"{where} needs a name of letters, digits, underscores and dots")
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
