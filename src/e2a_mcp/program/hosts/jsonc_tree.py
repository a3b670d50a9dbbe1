"""JSON with comments and trailing commas, read as a tree that says where each member and value stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from e2a_mcp.program.hosts.problems import BrokenFile

__all__ = ["Child", "Node", "broken", "parse", "plain", "tokens"]

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


@dataclass(slots=True)
class Token:
    """A piece of the text and where it stands."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(slots=True)
class Node:
    """A value and where it stands; `children` of an object or an array."""

    start: int
    end: int = 0
    value: Any = None
    children: list[Child] | None = None
    keyed: bool = False
    trailing_comma: int | None = None
    """The end of the comma after the last child, if there is one."""


@dataclass(slots=True)
class Child:
    """A member of an object, with its key, or an element of an array."""

    start: int
    node: Node
    key: str | None = None
    comma: int | None = None
    """The end of the comma that follows, if one does."""


def tokens(text: str) -> Iterator[Token]:
    """Yields the tokens but for white space. Raises `BrokenFile`."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise broken(text, position, _unreadable(text, position))
        position = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            yield Token(kind, match[0], match.start(), match.end())


def _unreadable(text: str, position: int) -> str:
    if text[position] == '"':
        return "a string that does not end on its line"
    if text.startswith("/*", position):
        return "a comment that does not end"
    return f"unexpected {text[position]!r}"


def broken(text: str, position: int, reason: str) -> BrokenFile:
    before = text[:position]
    return BrokenFile(reason, before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def parse(text: str) -> Node:
    return _Parser(text, [token for token in tokens(text) if token.kind != "comment"]).document()


class _Parser:
    """One reading of one text."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0

    def document(self) -> Node:
        root = self._value(0)
        if self._next < len(self._tokens):
            raise self._unexpected("the end of the file")
        return root

    def _value(self, depth: int) -> Node:
        token = self._take("a value")
        if token.text in ("{", "["):
            if depth >= MAX_DEPTH:
                raise broken(self._text, token.start, f"nested deeper than {MAX_DEPTH}")
            return self._children(token, depth, keyed=token.text == "{")
        if token.kind == "mark":
            self._next -= 1
            raise self._unexpected("a value")
        return Node(token.start, token.end, self._scalar(token))

    def _children(self, opening: Token, depth: int, *, keyed: bool) -> Node:
        node = Node(opening.start, children=[], keyed=keyed)
        children: list[Child] = []
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

    def _member(self, depth: int) -> Child:
        key = self._take("a name in double quotes")
        if key.kind != "string":
            self._next -= 1
            raise self._unexpected("a name in double quotes")
        if not self._is(":"):
            raise self._unexpected("':'")
        self._next += 1
        return Child(key.start, self._value(depth + 1), str(self._scalar(key)))

    def _element(self, depth: int) -> Child:
        node = self._value(depth + 1)
        return Child(node.start, node)

    def _scalar(self, token: Token) -> Any:
        try:
            return json.loads(token.text)
        except json.JSONDecodeError as problem:
            raise broken(self._text, token.start + problem.pos, problem.msg) from None
        except ValueError:
            # More digits than Python converts; it is only compared.
            return token.text

    def _is(self, mark: str) -> bool:
        if self._next >= len(self._tokens):
            raise self._unexpected(f"'{mark}'")
        return self._tokens[self._next].text == mark

    def _take(self, wanted: str) -> Token:
        if self._next >= len(self._tokens):
            raise self._unexpected(wanted)
        self._next += 1
        return self._tokens[self._next - 1]

    def _unexpected(self, wanted: str) -> BrokenFile:
        if self._next >= len(self._tokens):
            return broken(self._text, len(self._text), f"the file ends where {wanted} is expected")
        token = self._tokens[self._next]
        return broken(self._text, token.start, f"{token.text[:20]!r} where {wanted} is expected")


def plain(node: Node) -> Any:
    if node.children is None:
        return node.value
    if node.keyed:
        return {child.key: plain(child.node) for child in node.children}
    return [plain(child.node) for child in node.children]
