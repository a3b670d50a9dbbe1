"""YAML, edited in place: ruamel.yaml says where things stand, and lines are put in or taken out.

Writing the document anew would fold long lines and change quotes and indents that nobody asked to change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from e2a_mcp.program.hosts.places import Place, find, shown
from e2a_mcp.program.hosts.problems import BrokenFile, HostProblem

__all__ = ["drop", "load", "put", "snippet"]

_WHOLE_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")


def load(text: str) -> Any:
    """Returns the document, an empty one as an empty mapping. Raises `BrokenFile`.

    Scalars that are no text, whole number, truth value or null stay what is written, with their tag, and what an alias
    repeats is only named: this is for comparing, and a few lines of aliases can stand for more than memory holds.
    """
    root = _compose(text)
    if root is None:
        return {}
    try:
        loaded = _plain(root, set())
    except RecursionError:
        raise HostProblem("it is nested too deep") from None
    return {} if loaded is None else loaded


def put(text: str, place: Place, value: dict[str, Any]) -> Iterator[str]:
    """Yields texts with `value` at `place`; the first that means what it should is the one to take."""
    there, _ = find(load(text), place)
    if there:
        for without in drop(text, place):
            yield from put(without, place, value)
        return
    root = _compose(text)
    parent, key = _walk(root, place[:-1])
    if parent is None or _is_empty(parent):
        yield from _into_empty(text, place[:-1], str(place[-1]), value, parent, key)
        return
    if not isinstance(parent, MappingNode):
        raise HostProblem(f"{shown(place[:-1])} is no mapping")
    if parent.flow_style:
        at = parent.start_mark.index + 1
        yield f"{text[:at]}{_flow_member(str(place[-1]), value)}, {text[at:]}"
        return
    block = _block(str(place[-1]), value, " " * parent.start_mark.column)
    if key is None:
        yield f"{text}{'' if text.endswith(chr(10)) else chr(10)}{block}"
    else:
        at = text.find("\n", key.end_mark.index) + 1
        yield f"{text[:at]}{block}{text[at:]}"
    at = text.rfind("\n", 0, parent.start_mark.index) + 1
    yield f"{text[:at]}{block}{text[at:]}"


def drop(text: str, place: Place) -> Iterator[str]:
    """Yields texts without the member at `place`."""
    root = _compose(text)
    parent, key = _walk(root, place[:-1])
    member, name = _walk(root, place)
    if not isinstance(parent, MappingNode) or member is None or name is None:
        return
    if parent.flow_style:
        start, end = name.start_mark.index, member.end_mark.index
        after = len(text) - len(text[end:].lstrip(", \n"))
        yield text[:start] + text[after:]
        yield text[: len(text[:start].rstrip(", \n"))] + text[end:]
        return
    start = text.rfind("\n", 0, name.start_mark.index) + 1
    end = text.find("\n", _last(member)) + 1 or len(text)
    if len(parent.value) > 1 or key is None:
        yield text[:start] + text[end:]
        return
    colon = text.find(":", key.end_mark.index) + 1
    yield f"{text[:colon]} {{}}{text[colon:start]}{text[end:]}"


def snippet(place: Place, value: dict[str, Any]) -> str:
    """Returns what a person can paste."""
    outer = "".join(f"{'  ' * depth}{step}:\n" for depth, step in enumerate(place[:-1]))
    return (outer + _block(str(place[-1]), value, "  " * (len(place) - 1))).rstrip("\n")


@lru_cache(maxsize=4)
def _compose(text: str) -> Node | None:
    try:
        composed: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise BrokenFile(str(problem.problem or problem.context), line, column) from None
    except ReaderError as problem:
        before = text[: problem.position]
        column = problem.position - before.rfind("\n")
        raise BrokenFile("a character that YAML does not allow", before.count("\n") + 1, column) from None
    except RecursionError:
        raise HostProblem("it is nested too deep") from None
    return composed


def _plain(node: Node, seen: set[int]) -> Any:
    if isinstance(node, ScalarNode):
        return _scalar(node)
    if id(node) in seen:
        return ("alias", node.anchor)
    seen.add(id(node))
    if not isinstance(node, MappingNode):
        return [_plain(each, seen) for each in node.value]
    mapping: dict[Any, Any] = {}
    for key, value in node.value:
        name = _scalar(key) if isinstance(key, ScalarNode) else repr(_plain(key, seen))
        if name in mapping:
            raise BrokenFile(f"{name!r} is there twice", key.start_mark.line + 1, key.start_mark.column + 1)
        mapping[name] = _plain(value, seen)
    return mapping


def _scalar(node: ScalarNode) -> Any:
    kind, text = str(node.tag).rpartition(":")[2], str(node.value)
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "int" and _WHOLE_NUMBER.fullmatch(text) and len(text) < 20:
        return int(text)
    return (kind, text)


def _walk(root: Node | None, place: Place) -> tuple[Node | None, Node | None]:
    """Returns the node at `place` and that of its key; None where there is none."""
    node, key = root, None
    for step in place:
        if not isinstance(node, MappingNode):
            return None, None
        pair = next((pair for pair in node.value if pair[0].value == step), None)
        if pair is None:
            return None, None
        key, node = pair
    return node, key


def _is_empty(node: Node) -> bool:
    if isinstance(node, MappingNode):
        return not node.value
    return isinstance(node, ScalarNode) and str(node.tag).endswith(":null")


def _into_empty(
    text: str, outer: Place, name: str, value: dict[str, Any], parent: Node | None, key: Node | None
) -> Iterator[str]:
    if parent is None and not outer:
        yield f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{_block(name, value, '')}"
    elif parent is None:
        raise HostProblem(f"{shown(outer)} is not there")
    elif isinstance(parent, MappingNode):
        start, end = parent.start_mark.index, parent.end_mark.index
        yield f"{text[:start]}{{{_flow_member(name, value)}}}{text[end:]}"
    elif key is None:
        yield f"{text}{_block(name, value, '')}"
    else:
        start, end = parent.start_mark.index, parent.end_mark.index
        block = _block(name, value, " " * (key.start_mark.column + 2))
        if start == end:
            start = end = text.find(":", key.end_mark.index) + 1
        line = text.find("\n", end)
        rest = text[end:] if line < 0 else text[end:line]
        yield f"{text[:start].rstrip(' ')}{rest}\n{block}{'' if line < 0 else text[line + 1 :]}"


def _block(name: str, value: dict[str, Any], indent: str) -> str:
    return "".join(f"{line}\n" for line in _lines(name, value, indent))


def _lines(key: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield f"{indent}{key}:"
        for name, item in value.items():
            yield from _lines(name, item, indent + "  ")
    else:
        # What JSON writes on one line, YAML reads as the same.
        yield f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}"


def _flow_member(name: str, value: dict[str, Any]) -> str:
    return f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"


def _last(node: Node) -> int:
    """Where the last scalar or bracket of a node ends: a block's own end is the start of what follows it."""
    while isinstance(node, MappingNode) and not node.flow_style and node.value:
        node = node.value[-1][1]
    if getattr(node, "flow_style", None) is False and node.value:
        return _last(node.value[-1])
    return int(node.end_mark.index)
