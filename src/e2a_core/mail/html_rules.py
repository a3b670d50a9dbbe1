"""Reads the rules of `<style>` elements that can hide text, and finds those that apply to an element.

Conditions are those of a wide, light screen. A rule with a selector that is not understood is left out. The steps of
all selectors form one tree whose nodes are bits of a number: an element hands down which of them it and those around
it take, so that a selector of any length costs one look, without a walk through the elements around.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from e2a_core.mail.html_selectors import MAX_SELECTOR_CHARS, Attribute, Step, parse_selector, written_out
from e2a_core.mail.html_styles import Declarations, add_declaration, declarations

__all__ = ["Node", "Rule", "Rules", "cascade"]

MAX_RULES = 2000
"""Selectors with declarations that can hide text; a newsletter has about a hundred."""
MAX_NODES = 4000
"""Steps of all selectors together, without repetitions."""
MAX_CSS_CHARS = 128 * 1024
"""Of all style sheets of a message together; mail services read about 16 kB."""
MAX_VARIABLES = 200
MAX_VARIABLE_CHARS = 100
MAX_VARIED_CHARS = 4000
"""Variables (CSS Custom Properties 1) of a letter, their values, and the declarations in which they are put in."""
_MAX_PRELUDE_CHARS = 500
_SCREEN = {"width": 1280.0, "device-width": 1280.0, "height": 800.0, "device-height": 800.0}
_QUALITIES = {
    "orientation": "landscape",
    "prefers-color-scheme": "light",
    "hover": "hover",
    "pointer": "fine",
}

_RANK = attrgetter("rank")
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_VARIABLE = re.compile(r"(?<![-\w])(--[-\w]++)\s*+:\s*+([^;{}]*+)")
_VARIED = re.compile(r"var\(\s*+(--[-\w]++)\s*+(?:,([^()]*+(?:\([^()]*+\)[^()]*+)?))?\)", re.IGNORECASE)
_SELECTOR = re.compile(r"(?:[^,(\[]++|\([^)]*+\)?|\[[^\]]*+\]?)++")
_FEATURE = re.compile(
    r"\(\s*+(?:(min|max)-)?([-a-z]++)\s*+(?:(:|[<>]=?)\s*+(?:(\d[\d.]*+)\s*+(px|r?em)?|([-a-z]++)))?[^)]*+\)"
)


class Rule(NamedTuple):
    """The declarations of one selector; `rank` is its specificity, then its place in the document."""

    style: Declarations
    rank: tuple[int, int, int, int]


@dataclass(slots=True, eq=False)
class Node:
    """One step of selectors; `rules` are those that end with it."""

    step: Step
    behind: int
    """The bit of the step before it, which the parent has to take for `>`, else any element around; 0 without one."""
    bit: int = 0
    """Set if other steps follow."""
    rules: list[Rule] = field(default_factory=list)


@dataclass(slots=True)
class Rules:
    """The rules of a document. `unsure` is set if one that colours a background could not be understood."""

    unsure: bool = False
    truncated: bool = False
    asked: set[Attribute] = field(default_factory=set)
    """Attributes that selectors ask for."""
    _variables: dict[str, str | None] = field(default_factory=dict)
    """None for those that have several values: which one applies depends on the place."""
    _nodes: dict[tuple[Node | None, str], Node] = field(default_factory=dict)
    _by_key: dict[str, list[Node]] = field(default_factory=dict)
    _bits: int = 0
    _count: int = 0
    _chars: int = MAX_CSS_CHARS

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, css: str) -> None:
        """Add the rules of a style sheet."""
        self.truncated = self.truncated or len(css) > self._chars
        css = css[: self._chars]
        self._chars -= len(css)
        if "{" not in css:
            return
        if "/*" in css or "--" in css:
            css = _COMMENT.sub(" ", css)
        blocks = list(_blocks(css))
        for _, body in blocks if "--" in css else ():
            self._define(body)
        for selectors, body in blocks:
            style = self._declared(body)
            for selector in _SELECTOR.findall(selectors) if style else ():
                text = selector.strip()[: MAX_SELECTOR_CHARS + 1]
                for plain in written_out(text) if ":" in text else (text,):
                    if self._count >= MAX_RULES or len(self._nodes) >= MAX_NODES:
                        self.truncated = True
                        return
                    self._add(plain, style)

    def declarations(self, style: str) -> Declarations:
        """Those of a `style` attribute, with the variables of the letter put in."""
        if "--" in style:
            self._define(style)
        return self._declared(style)

    def possible(self, keys: frozenset[str]) -> list[Node]:
        """The steps that an element with these keys may fit."""
        by_key = self._by_key
        return [node for key in ["", *keys] for node in by_key.get(key, ())]

    def _add(self, selector: str, style: Declarations) -> None:
        self._count += 1
        parsed = parse_selector(selector)
        if parsed is None:
            self.unsure = self.unsure or bool({"background", "background-color"} & style.keys())
        else:
            self._node(parsed.steps).rules.append(Rule(style, (*parsed.weight, self._count)))

    def _define(self, style: str) -> None:
        for name, value in _VARIABLE.findall(style):
            value = value.strip()
            usable = len(value) <= MAX_VARIABLE_CHARS and "var(" not in value
            if len(self._variables) < MAX_VARIABLES or name in self._variables:
                same = self._variables.setdefault(name, value) == value
                self._variables[name] = value if same and usable else None

    def _declared(self, style: str) -> Declarations:
        if "var(" in style and len(style) <= MAX_VARIED_CHARS:
            style = _VARIED.sub(self._value, style)
        return declarations(style)

    def _value(self, use: re.Match[str]) -> str:
        name, instead = use.groups()
        return self._variables[name] or use[0] if name in self._variables else instead or use[0]

    def _node(self, steps: Sequence[Step]) -> Node:
        """The node of the last step; makes those that are missing."""
        node: Node | None = None
        for step in steps:
            found = self._nodes.get((node, step.text))
            if found is None:
                found = self._nodes[node, step.text] = Node(step, self._bit(node) if node else 0)
                self._index(found)
            node = found
        assert node is not None
        return node

    def _index(self, node: Node) -> None:
        key, compound = node.step.key, node.step.compound
        if key in self._by_key:
            self._by_key[key].append(node)
        else:
            self._by_key[key] = [node]
        if compound.attributes or compound.excluded:
            self.asked |= compound.asked()

    def _bit(self, node: Node) -> int:
        if not node.bit:
            node.bit = 1 << self._bits
            self._bits += 1
        return node.bit


def cascade(hints: Declarations, matching: Sequence[Rule], inline: Declarations) -> Declarations:
    """What applies of hints, of the rules that select an element, and of its own style (CSS Cascade 4 section 6)."""
    ranked = sorted(matching, key=_RANK) if len(matching) > 1 else matching
    styles = [style for style in (hints, *(rule.style for rule in ranked), inline) if style]
    if len(styles) < 2:
        return styles[0] if styles else {}
    found = dict(styles[0])
    for style in styles[1:]:
        for name, (value, important) in style.items():
            add_declaration(found, name, value, important=important)
    return found


def _blocks(css: str) -> Iterator[tuple[str, str]]:
    """(selectors, declarations) of each rule that applies on a wide screen."""
    active = [True]
    selectors: str | None = None
    for piece in css.split("{"):
        *bodies, prelude = piece.split("}")
        for body in bodies:
            if selectors is not None and active[-1]:
                yield selectors, body
            selectors = None
            if len(active) > 1:
                active.pop()
        prelude = prelude.rpartition(";")[2].strip()
        if prelude.startswith("@"):
            active.append(active[-1] and _applies(prelude[:_MAX_PRELUDE_CHARS].lower()))
            selectors = None
        else:
            active.append(active[-1])
            selectors = prelude


def _applies(prelude: str) -> bool:
    """Whether the rules behind this at-rule apply (Media Queries 4), seen on a wide and light screen."""
    name = prelude[1:].partition(" ")[0].partition("(")[0]
    if name in {"supports", "layer"}:
        return True
    return name == "media" and any(_is_screen(query) for query in prelude[6:].split(","))


def _is_screen(query: str) -> bool:
    kind, _, _ = query.replace("only", "").strip().partition(" ")
    if kind == "not":
        return not _is_screen(query.replace("not", "", 1))
    if kind not in {"screen", "all", ""} and not kind.startswith("("):
        return False
    return all(_holds(*feature) for feature in _FEATURE.findall(query))


def _holds(bound: str, feature: str, relation: str, number: str, unit: str, word: str) -> bool:
    size = _SCREEN.get(feature)
    if size is None:
        return _QUALITIES.get(feature) == word
    if not number:
        return not relation
    value = float(number.rstrip(".")) * (16 if unit in {"em", "rem"} else 1) if number.count(".") < 2 else 0.0
    if bound == "min" or relation.startswith(">"):
        return size >= value
    return (bound == "max" or relation.startswith("<")) and size <= value
