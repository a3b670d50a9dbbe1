"""Which leaves of a message are its body (RFC 8621 section 4.1.4).

The inline text of a message is read in order. A multipart/alternative gives one of two readings, plain text and HTML;
which one is shown depends on what they say, so `Choice` keeps both. Structure alone decides what belongs to the body.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from e2a_core.mail.mime import Part

__all__ = ["Choice", "Selection", "select"]

_READABLE = frozenset({"text/plain", "text/html"})
_NOT_A_LETTER = frozenset(
    {"text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/rfc822-headers", "text/csv"}
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A multipart/alternative with a reading in plain text and one in HTML; neither is empty."""

    plain: list[Part | Choice]
    html: list[Part | Choice]


@dataclass(frozen=True, slots=True)
class Selection:
    """The body in reading order. `leaves` are the leaves that it is made of."""

    items: list[Part | Choice]
    leaves: frozenset[int]
    """Their `id`s, since parts of equal value may occur twice."""

    def holds(self, part: Part) -> bool:
        return id(part) in self.leaves


@dataclass(slots=True)
class _Node:
    subtype: str
    parts: list[_Node | Part] = field(default_factory=list)


def select(leaves: Sequence[Part]) -> Selection:
    """The body of the message with these leaves; empty if no leaf is text.

    Named text is a file, unless the message has no other text; then text of another kind than plain and HTML is read.
    """
    if len(leaves) == 1 and _is_letter(leaves[0]):
        return Selection([*leaves], frozenset({id(leaves[0])}))
    root = _tree(leaves)
    for readable in (_is_letter, _is_named_letter, _is_other_text):
        chosen = {id(leaf) for leaf in leaves if readable(leaf)}
        outside = {id(leaf) for leaf in leaves if not _in_tnef(leaf)} & chosen
        # The text in a winmail.dat repeats the text beside it.
        items = _read(root, outside or chosen)
        if items:
            return Selection(items, frozenset(id(part) for part in _flat(items)))
    return Selection([], frozenset())


def _is_letter(part: Part) -> bool:
    return _is_named_letter(part) and not part.filename


def _is_named_letter(part: Part) -> bool:
    return part.content_type in _READABLE and not part.disposition.startswith("attachment")


def _is_other_text(part: Part) -> bool:
    if part.disposition.startswith("attachment") or part.filename:
        return False
    return part.content_type.startswith("text/") and part.content_type not in _NOT_A_LETTER


def _in_tnef(part: Part) -> bool:
    return any(subtype == "tnef" for subtype, _ in part.containers)


def _tree(leaves: Sequence[Part]) -> _Node:
    """The multiparts with their leaves, from the path that each leaf carries."""
    root = _Node("mixed")
    path: list[tuple[tuple[str, int], _Node]] = []
    for leaf in leaves:
        common = 0
        while common < min(len(path), len(leaf.containers)) and path[common][0] == leaf.containers[common]:
            common += 1
        del path[common:]
        for container in leaf.containers[common:]:
            node = _Node(container[0])
            (path[-1][1] if path else root).parts.append(node)
            path.append((container, node))
        (path[-1][1] if path else root).parts.append(leaf)
    return root


def _read(node: _Node, chosen: set[int]) -> list[Part | Choice]:
    """The readable items in a multipart, in order."""
    readings = [reading for part in node.parts if (reading := _reading(part, chosen))]
    if node.subtype == "alternative":
        return _alternative(readings)
    if node.subtype == "related":
        # Other text in it belongs to the first: a style sheet, a page of a frame (RFC 2387).
        readings = readings[:1]
    return [item for reading in readings for item in reading]


def _reading(part: _Node | Part, chosen: set[int]) -> list[Part | Choice]:
    if isinstance(part, _Node):
        return _read(part, chosen)
    return [part] if id(part) in chosen else []


def _alternative(readings: list[list[Part | Choice]]) -> list[Part | Choice]:
    """The readings in plain text and in HTML; of several in HTML the last is the best (RFC 2046 section 5.1.4)."""
    plain = [reading for reading in readings if not _has_html(reading)]
    html = [reading for reading in readings if _has_html(reading)]
    if plain and html:
        return [Choice(plain[0], html[-1])]
    return plain[0] if plain else html[-1] if html else []


def _has_html(items: list[Part | Choice]) -> bool:
    return any(isinstance(item, Choice) or item.content_type == "text/html" for item in items)


def _flat(items: Sequence[Part | Choice]) -> Iterator[Part]:
    for item in items:
        if isinstance(item, Choice):
            yield from _flat(item.plain)
            yield from _flat(item.html)
        else:
            yield item
