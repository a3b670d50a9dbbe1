"""JSON with comments and trailing commas, edited in place: what is not edited keeps its bytes.

The parser notes where each member and value stands. An edit inserts, replaces or deletes that span and nothing else. A
text without comments and trailing commas stays without them, so that hosts with a strict parser can read the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from e2a_mcp.program.hosts.places import Item, Place, Step, shown
from e2a_mcp.program.hosts.problems import BrokenFile, HostProblem

__all__ = ["drop", "load", "load_strict", "put", "snippet"]

MAX_DEPTH = 100
"""Of nesting: far more than a configuration has, and less than Python's stack takes."""

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<comment>//[^\r\n]*|/\*.*?\*/)"
    r'|(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>true|false|null)"
    r"|(?P<mark>[{}\[\],:])",
    re.DOTALL,
)
_REST_OF_LINE = re.compile(r"(?:[ \t]+|/\*(?:(?!\*/)[^\n])*\*/)*(?://[^\n]*)?")
_UNIT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(slots=True)
class _Node:
    """A value and where it stands; `children` of an object or an array."""

    start: int
    end: int = 0
    value: Any = None
    children: list[_Child] | None = None
    keyed: bool = False
    trailing_comma: int | None = None
    """The end of the comma after the last child, if there is one."""


@dataclass(slots=True)
class _Child:
    start: int
    node: _Node
    key: str | None = None
    comma: int | None = field(default=None)
    """The end of the comma that follows, if one does."""


def load(text: str) -> Any:
    """Returns the value of the text; an empty text is an empty object. Raises `BrokenFile`."""
    if not text.strip():
        return {}
    try:
        # Most files are JSON alone, which this reads a hundred times faster.
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return _plain(_parse(text))


def load_strict(text: str) -> Any:
    """Does so for a host that ignores a whole file with a comment or a trailing comma in it."""
    if not text.strip():
        return {}
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        _require_strict(text)
        return _plain(_parse(text))


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _require_strict(text: str) -> None:
    for token in _tokens(text):
        if token.kind == "comment":
            raise _broken(text, token.start, "a comment, which this host does not take in JSON")
    pending = [_parse(text)]
    while pending:
        node = pending.pop()
        if node.trailing_comma is not None:
            raise _broken(text, node.trailing_comma - 1, "a comma before the closing bracket")
        pending += [child.node for child in node.children or ()]


def put(text: str, place: Place, value: Any) -> Iterator[str]:
    """Yields the text with `value` at `place`, whose container has to be there.

    A member that is there is replaced where it stands; a new one becomes the last. Raises `BrokenFile`.
    """
    if not text.strip():
        text = "{}\n"
    root = _parse(text)
    container = _at(root, place[:-1])
    found = _child(container, place[-1])
    if found is not None:
        yield text[: found.node.start] + _draw(value, text, found.start) + text[found.node.end :]
    else:
        yield _insert(text, container, place[-1], value)


def drop(text: str, place: Place) -> Iterator[str]:
    """Yields the text without the member or element at `place`, and without the comma it needed."""
    root = _parse(text)
    container = _at(root, place[:-1])
    found = _child(container, place[-1])
    yield text if found is None else _delete(text, container, found)


def snippet(place: Place, value: Any) -> str:
    """Returns what a person can paste."""
    for step in reversed(place):
        value = [value] if isinstance(step, Item) else {step: value}
    return json.dumps(value, indent=2, ensure_ascii=False)


# Reading


def _tokens(text: str) -> Iterator[_Token]:
    """Yields the tokens but for white space. Raises `BrokenFile`."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _broken(text, position, _unreadable(text, position))
        position = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            yield _Token(kind, match[0], match.start(), match.end())


def _unreadable(text: str, position: int) -> str:
    if text[position] == '"':
        return "a string that does not end on its line"
    if text.startswith("/*", position):
        return "a comment that does not end"
    return f"unexpected {text[position]!r}"


def _broken(text: str, position: int, reason: str) -> BrokenFile:
    before = text[:position]
    return BrokenFile(reason, before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _parse(text: str) -> _Node:
    tokens = [token for token in _tokens(text) if token.kind != "comment"]
    return _Parser(text, tokens).document()


class _Parser:
    """One reading of one text."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0

    def document(self) -> _Node:
        root = self._value(0)
        if self._next < len(self._tokens):
            raise self._unexpected("the end of the file")
        return root

    def _value(self, depth: int) -> _Node:
        token = self._take("a value")
        if token.text in ("{", "["):
            if depth >= MAX_DEPTH:
                raise _broken(self._text, token.start, f"nested deeper than {MAX_DEPTH}")
            return self._children(token, depth, keyed=token.text == "{")
        if token.kind == "mark":
            self._next -= 1
            raise self._unexpected("a value")
        return _Node(token.start, token.end, self._scalar(token))

    def _children(self, opening: _Token, depth: int, *, keyed: bool) -> _Node:
        node = _Node(opening.start, children=[], keyed=keyed)
        children: list[_Child] = []
        node.children = children
        closing = "}" if keyed else "]"
        while not self._is(closing):
            if children and children[-1].comma is None:
                raise self._unexpected(f"',' or '{closing}'")
            children.append(self._member(depth) if keyed else self._element(depth))
            if self._is(","):
                children[-1].comma = self._take(",").end
        node.end = self._take(closing).end
        if children:
            node.trailing_comma = children[-1].comma
        return node

    def _member(self, depth: int) -> _Child:
        key = self._take("a name in double quotes")
        if key.kind != "string":
            self._next -= 1
            raise self._unexpected("a name in double quotes")
        if not self._is(":"):
            raise self._unexpected("':'")
        self._next += 1
        return _Child(key.start, self._value(depth + 1), str(self._scalar(key)))

    def _element(self, depth: int) -> _Child:
        node = self._value(depth + 1)
        return _Child(node.start, node)

    def _scalar(self, token: _Token) -> Any:
        try:
            return json.loads(token.text)
        except json.JSONDecodeError as problem:
            raise _broken(self._text, token.start + problem.pos, problem.msg) from None
        except ValueError:
            # More digits than Python converts; it is only compared.
            return token.text

    def _is(self, mark: str) -> bool:
        if self._next >= len(self._tokens):
            raise self._unexpected(f"'{mark}'")
        return self._tokens[self._next].text == mark

    def _take(self, wanted: str) -> _Token:
        if self._next >= len(self._tokens):
            raise self._unexpected(wanted)
        self._next += 1
        return self._tokens[self._next - 1]

    def _unexpected(self, wanted: str) -> BrokenFile:
        if self._next >= len(self._tokens):
            return _broken(self._text, len(self._text), f"the file ends where {wanted} is expected")
        token = self._tokens[self._next]
        return _broken(self._text, token.start, f"{token.text[:20]!r} where {wanted} is expected")


def _plain(node: _Node) -> Any:
    if node.children is None:
        return node.value
    if node.keyed:
        return {child.key: _plain(child.node) for child in node.children}
    return [_plain(child.node) for child in node.children]


# Finding


def _at(root: _Node, place: Place) -> _Node:
    node = root
    for depth, step in enumerate(place):
        child = _child(node, step)
        if child is None:
            raise HostProblem(f"{shown(place[: depth + 1])} is not there")
        node = child.node
    return node


def _child(container: _Node, step: Step) -> _Child | None:
    if container.children is None or container.keyed == isinstance(step, Item):
        raise HostProblem(
            f"{shown((step,))} needs {'a list' if isinstance(step, Item) else 'an object'} around it"
        )
    if isinstance(step, Item):
        return next((child for child in container.children if step.matches(_plain(child.node))), None)
    found = [child for child in container.children if child.key == step]
    if len(found) > 1:
        raise HostProblem(f"{step!r} is there twice")
    return found[0] if found else None


# Writing


def _insert(text: str, container: _Node, step: Step, value: Any) -> str:
    children = container.children or []
    key = "" if isinstance(step, Item) else f"{json.dumps(step, ensure_ascii=False)}: "
    inner = text[container.start + 1 : container.end - 1]
    if "\n" not in inner and (children or ("\n" not in text.strip() and text.strip() != "{}")):
        separator = "" if not children else " " if children[-1].comma else ", "
        at = container.end - 1 - (len(inner) - len(inner.rstrip(" \t")))
        tail = "," if children and children[-1].comma else ""
        return f"{text[:at]}{separator}{key}{json.dumps(value, ensure_ascii=False)}{tail}{text[at:]}"
    unit = _unit(text)
    if not children:
        indent = _indent(text, container.start) + unit
        after = _rest_of_line(text, container.start + 1)
        drawn = key + _drawn(value, indent, unit)
        if text[after : container.end - 1].strip(" \t"):
            return f"{text[:after]}\n{indent}{drawn}{text[after:]}"
        return f"{text[:after]}\n{indent}{drawn}\n{_indent(text, container.start)}{text[container.end - 1 :]}"
    last = children[-1]
    own = _own_indent(text, last.start)
    indent = _indent(text, container.start) + unit if own is None else own
    drawn = key + _drawn(value, indent, unit)
    if last.comma:
        after = _rest_of_line(text, last.comma)
        return f"{text[:after]}\n{indent}{drawn},{text[after:]}"
    after = _rest_of_line(text, last.node.end)
    return f"{text[: last.node.end]},{text[last.node.end : after]}\n{indent}{drawn}{text[after:]}"


def _delete(text: str, container: _Node, found: _Child) -> str:
    children = container.children or []
    place = children.index(found)
    previous = children[place - 1] if place else None
    start = len(text[: found.start].rstrip())
    end = found.comma or found.node.end
    if text[end : end + 1] != "\n" and "//" in text[text.rfind("\n", 0, start) + 1 : start]:
        # What stands before may be a comment to the end of its line.
        start = text.rfind("\n", 0, found.start) + 1 or start
    result = text[:start] + text[end:]
    if previous is not None and found.comma is None and previous.comma is not None:
        result = result[: previous.comma - 1] + result[previous.comma :]
    if (
        len(children) == 1
        and not text[container.start + 1 : start].strip()
        and not text[end : container.end - 1].strip()
    ):
        return text[: container.start + 1] + text[container.end - 1 :]
    return result


def _draw(value: Any, text: str, start: int) -> str:
    """The value as a member that starts at `start` has it."""
    indent = _own_indent(text, start)
    if indent is None:
        return json.dumps(value, ensure_ascii=False)
    return _drawn(value, indent, _unit(text))


def _drawn(value: Any, indent: str, unit: str) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return f"\n{indent}".join(lines)


def _unit(text: str) -> str:
    match = _UNIT.search(text)
    return match[1] if match and len(match[1]) <= 8 else "  "


def _indent(text: str, position: int) -> str:
    """The white space that the line of `position` begins with."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _own_indent(text: str, position: int) -> str | None:
    """The same if nothing else stands before `position` on its line; otherwise None."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line if not line.strip(" \t") else None


def _rest_of_line(text: str, position: int) -> int:
    """Returns where the comments end that follow on the same line."""
    match = _REST_OF_LINE.match(text, position)
    end = match.end() if match else position
    return len(text[position:end].rstrip(" \t")) + position
