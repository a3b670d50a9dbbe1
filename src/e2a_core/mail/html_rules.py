"""Reads the rules of `<style>` elements that can hide text, and finds those that apply to an element.

Understood are selectors of names, classes, ids and attributes, nested or not; a rule with another selector is left
out. Conditions are those of a wide screen. The number of rules is capped, and matching is counted by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from e2a_core.mail.html_styles import Declarations, declarations

__all__ = ["Element", "Rule", "Rules", "cascade"]

MAX_RULES = 2000
"""Selectors with declarations that can hide text; a newsletter has about a hundred."""
MAX_SELECTOR_CHARS = 500
MAX_COMPOUNDS = 10
"""Steps of one selector, such as `table td .button`."""
_SCREEN = {"width": 1280.0, "device-width": 1280.0, "height": 800.0, "device-height": 800.0}

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_PIECE = re.compile(r"([^{}]*+)([{}]|\Z)")
_COMPOUND = re.compile(r"(\s*+>\s*+|\s++|^)((?:[-\w*]++|[#.][-\w]++|\[[^\]]*+\]|:root|:link)+)")
_SIMPLE = re.compile(r"([-\w]++|\*)|#([-\w]++)|\.([-\w]++)|\[([^\]]*+)\]|(:root|:link)")
_ATTRIBUTE = re.compile(r"\s*([-\w]+)\s*(?:([~^$*|]?=)\s*[\"']?([^\"']*?)[\"']?\s*(?:[is]\s*)?)?\Z")
_FEATURE = re.compile(r"\(\s*(?:(min|max)-)?([-a-z]+)\s*(?::\s*([\d.]+)\s*(px|em|rem)?)?[^)]*\)")


@dataclass(frozen=True, slots=True)
class Element:
    """An open element: what selectors ask of it."""

    name: str
    attributes: Mapping[str, str]

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()


@dataclass(frozen=True, slots=True)
class _Compound:
    """What one element has to be. `child` means that it is a child of what the compound before it selects."""

    child: bool
    name: str = ""
    id: str = ""
    classes: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str, str], ...] = ()

    def matches(self, element: Element) -> bool:
        if self.name and self.name != element.name:
            return False
        if self.id and element.attributes.get("id") != self.id:
            return False
        if self.classes and not set(self.classes).issubset(element.classes):
            return False
        return all(_has(element.attributes, *wanted) for wanted in self.attributes)

    @property
    def weight(self) -> tuple[int, int, int]:
        return bool(self.id), len(self.classes) + len(self.attributes), bool(self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One selector with its declarations; `order` is its place in the document."""

    compounds: tuple[_Compound, ...]
    style: Declarations
    order: int

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """Specificity (Selectors 4 section 17), then order."""
        ids, classes, names = (
            sum(column) for column in zip(*(item.weight for item in self.compounds), strict=True)
        )
        return ids, classes, names, self.order

    def selects(self, element: Element, ancestors: Sequence[Element]) -> bool:
        """Whether the rule applies to the element; `ancestors` are outermost first."""
        *outer, last = self.compounds
        if not last.matches(element):
            return False
        at, child = len(ancestors) - 1, last.child
        for compound in reversed(outer):
            while at >= 0 and not compound.matches(ancestors[at]) and not child:
                at -= 1
            if at < 0 or not compound.matches(ancestors[at]):
                return False
            at, child = at - 1, compound.child
        return True


@dataclass(slots=True)
class Rules:
    """The rules of a document. `unsure` is set if one that colours a background could not be understood."""

    unsure: bool = False
    truncated: bool = False
    _by_key: dict[str, list[Rule]] = field(default_factory=dict)
    _count: int = 0

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def add(self, css: str) -> None:
        """Add the rules of a style sheet."""
        for selectors, body in _blocks(_COMMENT.sub(" ", css)):
            style = declarations(body)
            if not style:
                continue
            for selector in selectors.split(","):
                if self._count >= MAX_RULES:
                    self.truncated = True
                    return
                compounds = _compounds(selector.strip())
                if compounds is None:
                    self.unsure = self.unsure or bool({"background", "background-color"} & style.keys())
                    continue
                self._count += 1
                last = compounds[-1]
                key = f"#{last.id}" if last.id else f".{last.classes[0]}" if last.classes else last.name
                self._by_key.setdefault(key, []).append(Rule(compounds, style, self._count))

    def candidates(self, element: Element) -> tuple[Rule, ...]:
        """The rules whose last step may select the element."""
        keys = ["", element.name, *(f".{name}" for name in dict.fromkeys(element.classes))]
        if "id" in element.attributes:
            keys.append(f"#{element.attributes['id']}")
        return tuple(rule for key in keys for rule in self._by_key.get(key, ()))


def cascade(matching: Sequence[Rule], inline: Declarations) -> Declarations:
    """The declarations that apply to an element that these rules select (CSS Cascade 4 section 6)."""
    ranked = sorted(matching, key=lambda rule: rule.rank)
    found: Declarations = {}
    for style in [*(rule.style for rule in ranked), inline]:
        for name, (value, important) in style.items():
            if important or not found.get(name, ("", False))[1]:
                found[name] = (value, important)
    return found


def _blocks(css: str) -> Iterator[tuple[str, str]]:
    """(selectors, declarations) of each rule that applies on a wide screen."""
    active = [True]
    selectors: str | None = None
    for match in _PIECE.finditer(css):
        text, brace = match[1], match[2]
        if brace == "{":
            prelude = text.rpartition(";")[2].strip()[:MAX_SELECTOR_CHARS].lower()
            if prelude.startswith("@"):
                active.append(active[-1] and _applies(prelude))
                selectors = None
            else:
                active.append(active[-1])
                selectors = text.rpartition(";")[2].strip()
        elif brace:
            if selectors is not None and active[-1]:
                yield selectors, text
            selectors = None
            if len(active) > 1:
                active.pop()


def _applies(prelude: str) -> bool:
    """Whether the rules behind this at-rule apply (Media Queries 4), seen on a wide and light screen."""
    name = prelude[1:].partition(" ")[0]
    if name in {"supports", "layer"}:
        return True
    return name.startswith("media") and any(_is_screen(query) for query in prelude[6:].split(","))


def _is_screen(query: str) -> bool:
    kind = query.replace("only", "").strip().partition(" ")[0]
    if kind not in {"screen", "all", ""} and not kind.startswith("("):
        return False
    return all(_holds(*feature) for feature in _FEATURE.findall(query))


def _holds(bound: str, feature: str, number: str, unit: str) -> bool:
    size = _SCREEN.get(feature)
    if size is None or not bound or not number:
        return feature == "orientation"
    value = float(number.strip(".") or 0) * (16 if unit in {"em", "rem"} else 1)
    return size >= value if bound == "min" else size <= value


def _compounds(selector: str) -> tuple[_Compound, ...] | None:
    """The steps of a selector; None if it asks for what is not known here."""
    found: list[_Compound] = []
    position = 0
    if len(selector) > MAX_SELECTOR_CHARS:
        return None
    while position < len(selector):
        match = _COMPOUND.match(selector, position)
        if match is None or len(found) >= MAX_COMPOUNDS:
            return None
        position = match.end()
        compound = _compound(match[2], child=">" in match[1])
        if compound is None:
            return None
        found.append(compound)
    return tuple(found) or None


def _compound(text: str, *, child: bool) -> _Compound | None:
    name = identifier = ""
    classes: list[str] = []
    attributes: list[tuple[str, str, str]] = []
    for match in _SIMPLE.finditer(text):
        if match[1]:
            name = "" if match[1] == "*" else match[1].lower()
        elif match[2]:
            identifier = match[2]
        elif match[3]:
            classes.append(match[3])
        elif match[5]:
            name = name or ("html" if match[5] == ":root" else "a")
        else:
            wanted = _ATTRIBUTE.match(match[4])
            if wanted is None:
                return None
            attributes.append((wanted[1].lower(), wanted[2] or "", wanted[3] or ""))
    return _Compound(child, name, identifier, tuple(classes), tuple(attributes))


def _has(attributes: Mapping[str, str], name: str, operator: str, wanted: str) -> bool:
    value = attributes.get(name)
    if value is None or not operator:
        return value is not None
    if operator == "=":
        return value == wanted
    if operator == "~=":
        return wanted in value.split()
    if operator == "|=":
        return value == wanted or value.startswith(f"{wanted}-")
    if not wanted:
        return False
    return (
        value.startswith(wanted)
        if operator == "^="
        else value.endswith(wanted)
        if operator == "$="
        else wanted in value
    )
