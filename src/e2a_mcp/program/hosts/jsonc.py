"""JSON with comments and trailing commas, edited in place: what is not edited keeps its bytes.

An edit inserts, replaces or deletes one span of the text. A text without comments and trailing commas stays without
them, so that hosts with a strict parser can read the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from e2a_mcp.program.hosts.jsonc_tree import Child, Node, broken, parse, plain, tokens
from e2a_mcp.program.hosts.places import Item, Place, Step, shown
from e2a_mcp.program.hosts.problems import HostProblem

__all__ = ["drop", "load", "load_strict", "put", "snippet"]

_REST_OF_LINE = re.compile(r"(?:[ \t]+|/\*(?:(?!\*/)[^\n])*\*/)*(?://[^\n]*)?")
_UNIT = re.compile(r"^([ \t]+)\S", re.MULTILINE)


def load(text: str) -> Any:
    """Returns the value of the text; an empty text is an empty object. Raises `BrokenFile`."""
    if not text.strip():
        return {}
    try:
        # Most files are JSON alone, which this reads a hundred times faster.
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return plain(parse(text))


def load_strict(text: str) -> Any:
    """Does so for a host that ignores a whole file with a comment or a trailing comma in it."""
    if not text.strip():
        return {}
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        _require_strict(text)
        return plain(parse(text))


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _require_strict(text: str) -> None:
    for token in tokens(text):
        if token.kind == "comment":
            raise broken(text, token.start, "a comment, which this host does not take in JSON")
    pending = [parse(text)]
    while pending:
        node = pending.pop()
        if node.trailing_comma is not None:
            raise broken(text, node.trailing_comma - 1, "a comma before the closing bracket")
        pending += [child.node for child in node.children or ()]


def put(text: str, place: Place, value: Any) -> Iterator[str]:
    """Yields the text with `value` at `place`, whose container has to be there.

    A member that is there is replaced where it stands; a new one becomes the last. Raises `BrokenFile`.
    """
    if not text.strip():
        text = "{}\n"
    root = parse(text)
    container = _at(root, place[:-1])
    found = _child(container, place[-1])
    if found is not None:
        yield text[: found.node.start] + _draw(value, text, found.start) + text[found.node.end :]
    else:
        yield _insert(text, container, place[-1], value)


def drop(text: str, place: Place) -> Iterator[str]:
    """Yields the text without the member or element at `place`, and without the comma it needed."""
    root = parse(text)
    container = _at(root, place[:-1])
    found = _child(container, place[-1])
    yield text if found is None else _delete(text, container, found)


def snippet(place: Place, value: Any) -> str:
    """Returns what a person can paste."""
    for step in reversed(place):
        value = [value] if isinstance(step, Item) else {step: value}
    return json.dumps(value, indent=2, ensure_ascii=False)


# Finding


def _at(root: Node, place: Place) -> Node:
    node = root
    for depth, step in enumerate(place):
        child = _child(node, step)
        if child is None:
            raise HostProblem(f"{shown(place[: depth + 1])} is not there")
        node = child.node
    return node


def _child(container: Node, step: Step) -> Child | None:
    if container.children is None or container.keyed == isinstance(step, Item):
        raise HostProblem(
            f"{shown((step,))} needs {'a list' if isinstance(step, Item) else 'an object'} around it"
        )
    if isinstance(step, Item):
        return next((child for child in container.children if step.matches(plain(child.node))), None)
    found = [child for child in container.children if child.key == step]
    if len(found) > 1:
        raise HostProblem(f"{step!r} is there twice")
    return found[0] if found else None


# Writing


def _insert(text: str, container: Node, step: Step, value: Any) -> str:
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


def _delete(text: str, container: Node, found: Child) -> str:
    children = container.children or []
    place = children.index(found)
    previous = children[place - 1] if place else None
    start = len(text[: found.start].rstrip())
    end = found.comma or found.node.end
    before = list(tokens(text[(previous.comma if previous else None) or container.start + 1 : found.start]))
    if before and before[-1].text.startswith("//") and text[end : end + 1] != "\n":
        # A comment to the end of its line needs that end.
        start = text.find("\n", start) + 1
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
