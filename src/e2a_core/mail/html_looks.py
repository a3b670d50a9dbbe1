"""Gives each element of HTML mail the look that its attributes, the style sheets and its place give it.

Elements that are alike in places that are alike share one `Place`: which rules apply is worked out once for each
such pair, and found again by one look into a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from e2a_core.mail.html_colours import legacy_colour
from e2a_core.mail.html_rules import Node, Rule, Rules, cascade
from e2a_core.mail.html_selectors import element_keys
from e2a_core.mail.html_styles import PLAIN, Declarations, Look, styled
from e2a_core.mail.html_tokens import Token, attributes

__all__ = ["Element", "Looks", "Place", "Tag"]

STEPS_TO_READ = 10
"""What it costs to read the attributes of a tag, in comparisons."""
STEPS_TO_STYLE = 50
"""What it costs to work out a look, or to read the declarations of a tag, in comparisons."""

_STYLING = frozenset(
    {"style", "class", "id", "hidden", "color", "bgcolor", "text", "background", "width", "height", "open"}
    | {"aria-hidden"}
)
"""Attributes from which a look is made."""
_LINK_COLOUR = "#0000ee"


@dataclass(slots=True, eq=False)
class Tag:
    """What tags say that are alike but for attributes without effect on looks, and the selector steps they fit."""

    name: str
    attributes: Mapping[str, str]
    hints: Declarations
    """What its name and its other attributes declare."""
    style: Declarations
    """What its `style` declares."""
    steps: list[Node]
    """The steps of selectors that it fits."""


@dataclass(slots=True, eq=False)
class Place:
    """What open elements hand on to those in them.

    `taken` are the selector steps of the element itself, `around` those and the ones of all elements around it.
    `folded` means that of its content only a summary is shown.
    """

    taken: int
    around: int
    look: Look
    folded: bool
    shows: bool
    """Whether text is seen here."""
    inner: dict[Token | Tag, Element] = field(default_factory=dict)
    """The elements that were opened here."""


class Element(NamedTuple):
    """A tag in its place. `hidden` means that nothing of it is seen; `end` is what closes it."""

    name: str
    tag: Tag
    place: Place
    hidden: bool
    end: Token


class Looks:
    """The looks of one document, whose rules have been read. `steps` counts the comparisons that it took."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._valued = _STYLING.union(item.name for item in rules.asked if item.operator)
        self._read = self._valued.union({"href"}, (item.name for item in rules.asked))
        self._tags: dict[tuple[str, tuple[tuple[str, str], ...]], Tag] = {}
        self._places: dict[tuple[int, int, Look, bool], Place] = {}
        self.steps = 0
        self.root = Place(0, 0, PLAIN, folded=False, shows=True)

    def open(self, place: Place, token: Token) -> Element:
        """The element that an opening tag makes in a place."""
        found = place.inner.get(token)
        if found is None:
            found = place.inner[token] = self.reopen(place, self._tag(token.name, attributes(token.body)))
        return found

    def reopen(self, place: Place, tag: Tag) -> Element:
        """The element that a tag makes in a place."""
        found = place.inner.get(tag)
        if found is None:
            inner = self._place(place, tag)
            found = Element(tag.name, tag, inner, inner.look.hidden, Token(tag.name, True, ""))
            place.inner[tag] = found
        return found

    def _tag(self, name: str, given: Mapping[str, str]) -> Tag:
        self.steps += STEPS_TO_READ
        valued, read = self._valued, self._read
        said = {word: value if word in valued else "" for word, value in given.items() if word in read}
        key = (name, tuple(said.items()))
        found = self._tags.get(key)
        if found is None:
            keys = element_keys(name, said)
            possible = self._rules.possible(keys)
            fitting = [node for node in possible if node.step.compound.fits(keys, said)]
            style = self._rules.declarations(said.get("style", ""))
            found = self._tags[key] = Tag(name, said, _hints(name, said), style, fitting)
            self.steps += STEPS_TO_STYLE + len(possible)
        return found

    def _place(self, place: Place, tag: Tag) -> Place:
        taken, matching = 0, list[Rule]()
        for node in tag.steps:
            if not node.behind or node.behind & (place.taken if node.step.child else place.around):
                taken |= node.bit
                matching += node.rules
        style = cascade(tag.hints, matching, tag.style)
        look = self._styled(place.look, style) if style else place.look
        if (place.folded and tag.name != "summary") or (tag.name == "img" and _is_speck(tag, style)):
            look = look._replace(hidden=True)
        folded = tag.name == "details" and "open" not in tag.attributes
        key = (taken, place.around | taken, look, folded)
        self.steps += 1 + len(tag.steps) + len(matching)
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = Place(*key, shows=look.shows and not folded)
        return found

    def _styled(self, parent: Look, style: Declarations) -> Look:
        self.steps += STEPS_TO_STYLE
        look = styled(parent, style)
        return look._replace(background=None) if self._rules.unsure else look


def _hints(name: str, given: Mapping[str, str]) -> Declarations:
    """What the name and the attributes of an element declare, but for `style` (HTML section 15.3)."""
    hints: dict[str, tuple[str, bool]] = {}
    if name == "a" and "href" in given:
        hints["color"] = (_LINK_COLOUR, False)
    # A browser paints what is `aria-hidden` but reads it to nobody, and mail puts words for machines there.
    quiet = given.get("aria-hidden", "").strip().lower() == "true"
    if quiet or "hidden" in given or (name == "dialog" and "open" not in given):
        hints["display"] = ("none", False)
    if colour := given.get("color" if name == "font" else "text" if name == "body" else ""):
        hints["color"] = (legacy_colour(colour), False)
    if colour := given.get("bgcolor"):
        hints["background-color"] = (legacy_colour(colour), False)
    if "background" in given:
        hints["background-image"] = ("url()", False)
    return hints


def _is_speck(image: Tag, style: Declarations) -> bool:
    """Whether a picture is at most a pixel wide or high, as those that report the opening of mail are."""
    sizes = [image.attributes.get(name, "") for name in ("width", "height")]
    sizes += [style[name][0] for name in ("width", "height") if name in style]
    return any(size.strip().removesuffix("px") in {"0", "1"} for size in sizes)
