"""Parses selectors of style sheets and tells which elements one step of them fits (Selectors 4).

Understood are names, classes, ids and attributes, also under `:not()` and `:is()`, descendants and children.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "MAX_SELECTOR_CHARS",
    "Attribute",
    "Compound",
    "Selector",
    "Step",
    "element_keys",
    "parse_selector",
    "written_out",
]

MAX_SELECTOR_CHARS = 500
MAX_COMPOUNDS = 10
"""Steps of one selector, such as `table td .button`."""
MAX_ALTERNATIVES = 20
"""Selectors that one with `:is()` stands for."""
REMEMBERED_SELECTORS = 2000
"""Letters of one sender share their style sheets, and most senders share some rules."""

_ANY = re.compile(r":(?:is|where|matches|-webkit-any|-moz-any)\(([^()]*+)\)", re.IGNORECASE)
_STEP = re.compile(
    r"(\s*+>\s*+|\s++|^)((?:[-\w*]++|[#.](?:[-\w]|\\.)++|\[[^\]]*+\]|:(?:root|link|any-link)\b|:not\([^()]*+\))+)"
)
_SIMPLE = re.compile(
    r"([-\w]++|\*)|#((?:[-\w]|\\.)++)|\.((?:[-\w]|\\.)++)|\[([^\]]*+)\]|:not\(([^()]*+)\)|:([-\w]++)"
)
_ATTRIBUTE = re.compile(
    r"\s*+([-\w]++)\s*+(?:([~^$*|]?=)\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"']++))\s*+(?:([isIS])\s*+)?)?\Z"
)


class Attribute(NamedTuple):
    """What an attribute has to be. Without an operator it only has to be there."""

    name: str
    operator: str = ""
    value: str = ""
    folded: bool = False

    def fits(self, attributes: Mapping[str, str]) -> bool:
        value, wanted = attributes.get(self.name), self.value
        if value is None or not self.operator:
            return value is not None
        if self.folded:
            value, wanted = value.lower(), wanted.lower()
        if self.operator == "=":
            return value == wanted
        if self.operator == "~=":
            return wanted in value.split()
        if self.operator == "|=":
            return value == wanted or value.startswith(f"{wanted}-")
        if not wanted:
            return False
        if self.operator == "^=":
            return value.startswith(wanted)
        return value.endswith(wanted) if self.operator == "$=" else wanted in value


class Compound(NamedTuple):
    """What one element has to be: its name, `.class` and `#id` in `keys`, its attributes, and what it must not be."""

    keys: frozenset[str] = frozenset()
    attributes: tuple[Attribute, ...] = ()
    excluded: tuple[Compound, ...] = ()

    def fits(self, keys: frozenset[str], attributes: Mapping[str, str]) -> bool:
        """Whether an element with these keys and attributes is selected."""
        return (
            self.keys <= keys
            and (not self.attributes or all(wanted.fits(attributes) for wanted in self.attributes))
            and not (self.excluded and any(item.fits(keys, attributes) for item in self.excluded))
        )

    @property
    def weight(self) -> tuple[int, int, int]:
        """Its specificity: ids, classes and attributes, names (Selectors 4 section 17)."""
        ids = classes = 0
        for key in self.keys:
            ids += key[0] == "#"
            classes += key[0] == "."
        names = len(self.keys) - ids - classes
        for item in self.excluded:
            more = item.weight
            ids, classes, names = ids + more[0], classes + more[1], names + more[2]
        return ids, classes + len(self.attributes), names

    @property
    def rarest_key(self) -> str:
        """The key that fewest elements have: an id, else a class, else a name; "" without any."""
        return min(self.keys, key=lambda key: ("#.".find(key[0]) % 3, key), default="")

    def asked(self) -> set[Attribute]:
        """The attributes it asks for."""
        return set(self.attributes).union(*(item.asked() for item in self.excluded))


class Step(NamedTuple):
    """One step of a selector; `child` means that it follows the one before it by `>`.

    `key` is the `rarest_key` of the compound, `text` what the step was made from.
    """

    child: bool
    compound: Compound
    key: str
    text: str


class Selector(NamedTuple):
    """The steps of a selector, and its specificity: ids, classes and attributes, names (Selectors 4 section 17)."""

    steps: tuple[Step, ...]
    weight: tuple[int, int, int]


def element_keys(name: str, attributes: Mapping[str, str]) -> frozenset[str]:
    """The name of an element, its classes as `.class` and its id as `#id`."""
    keys = [name]
    if "class" in attributes:
        keys += [f".{word}" for word in attributes["class"].split()]
    if "id" in attributes:
        keys.append(f"#{attributes['id']}")
    return frozenset(keys)


def written_out(selector: str) -> list[str]:
    """The selectors without `:is()` and `:where()` that one stands for; those that are not understood stay in it."""
    if ":not(" in selector:
        return [selector]
    left, found = [selector], list[str]()
    while left and len(found) + len(left) <= MAX_ALTERNATIVES:
        text = left.pop()
        match = _ANY.search(text)
        if match is None:
            found.append(text)
            continue
        before, after = text[: match.start()], text[match.end() :]
        for choice in map(str.strip, match[1].split(",")):
            # A name comes first in its step: behind a class it would become a part of it.
            named = choice[:1].isalnum() and before[-1:] not in {"", " ", ">"}
            left.append(f"{before}{':' if named else ''}{choice}{after}")
    return found + left


@lru_cache(maxsize=REMEMBERED_SELECTORS)
def parse_selector(text: str) -> Selector | None:
    """The selector that the text is; None if it asks for what is not known here."""
    found: list[Step] = []
    position = 0
    if len(text) > MAX_SELECTOR_CHARS:
        return None
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or len(found) >= MAX_COMPOUNDS:
            return None
        position = match.end()
        compound = _compound(match[2])
        if compound is None:
            return None
        found.append(Step(">" in match[1], compound, compound.rarest_key, match[0]))
    if not found:
        return None
    ids, classes, names = map(sum, zip(*(step.compound.weight for step in found), strict=True))
    return Selector(tuple(found), (ids, classes, names))


def _compound(text: str) -> Compound | None:
    keys: list[str] = []
    attributes: list[Attribute] = []
    excluded: list[Compound] = []
    for name, identifier, word, attribute, inner, pseudo in _SIMPLE.findall(text):
        if attribute:
            wanted = _ATTRIBUTE.match(attribute)
            if wanted is None:
                return None
            value = wanted[3] or wanted[4] or wanted[5] or ""
            attributes.append(Attribute(wanted[1].lower(), wanted[2] or "", value, wanted[6] in {"i", "I"}))
        elif inner:
            without = [parse_selector(item.strip()) for item in inner.split(",")]
            if any(item is None or len(item.steps) > 1 for item in without):
                return None
            excluded += [item.steps[0].compound for item in without if item]
        elif pseudo == "root":
            keys.append("html")
        elif pseudo:
            keys.append("a")
            attributes.append(Attribute("href"))
        elif name != "*":
            keys.append(name.lower() or (f"#{identifier}" if identifier else f".{word}").replace("\\", ""))
    return Compound(frozenset(keys), tuple(attributes), tuple(excluded))
