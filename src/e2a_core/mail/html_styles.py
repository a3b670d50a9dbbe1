"""What style does to text: whether a browser on a desk shows it (CSS 2.2, CSS Color 4, CSS Backgrounds 3).

Only declarations that can hide text are read. `Look` is what an element passes on to the text in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from e2a_core.mail.html_colours import FAINT, KEYWORDS, Colour, alike, amount, background_of, colour_of

__all__ = ["PLAIN", "Declarations", "Look", "add_declaration", "declarations", "styled"]

Declarations = Mapping[str, tuple[str, bool]]
"""Value and importance by property."""

TINY_PIXELS = 1.0
"""Text or a box of this size is a speck."""
FAR_PIXELS = 500.0
"""Text moved this far up or left is off the screen; layout moves text by less than a hundred."""
FAR_RIGHT_PIXELS = 2000.0
"""Text moved this far right or down is beyond the window."""
MIN_SCALE = 0.05
"""At less of its size, text of a common size is smaller than a pixel."""
MAX_VALUE_CHARS = 200
"""Longer values are lists of fonts and pictures; the rest of them is not read."""
REMEMBERED_STYLES = 2000
MAX_REMEMBERED_CHARS = 300
"""Styles recur within a letter and in the next one of its sender. A hostile mail can fill 600 kB at most."""
REMEMBERED_LOOKS = 1000
MAX_REMEMBERED_PROPERTIES = 8
"""Looks recur as styles do. A hostile mail can fill 2 MB at most."""
_FONT_PIXELS = 16.0
_SCREEN_PIXELS = 1000.0

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))", re.DOTALL)
_DECLARATION = re.compile(
    r"(?<![-a-zA-Z])([-a-zA-Z]++)\s*+:((?:[^;\"'(]++|\"[^\"]*+\"?|'[^']*+'?|\([^)]*+\)?)*+)"
)
_LENGTH = re.compile(
    r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,2})?)(px|pt|pc|in|cm|mm|q|r?em|ex|ch|%|v[whi]|vmin|vmax)?"
)
_PIXELS = {
    "": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945, "em": _FONT_PIXELS,
    "rem": _FONT_PIXELS, "ex": _FONT_PIXELS / 2, "ch": _FONT_PIXELS / 2,
}  # fmt: skip
_FONT_SIZES = {
    "xx-small": 9.0,
    "x-small": 10.0,
    "small": 13.0,
    "medium": 16.0,
    "large": 18.0,
    "x-large": 24.0,
}
_FONT_SHORTHAND_SIZE = re.compile(r"(?:^|\s)((?:\d+\.?\d*|\.\d+)(?:px|pt|em|rem|ex|%|vw|vh)?)\s*(?:/|\s|$)")
_SCALE = re.compile(r"scale(?:3d|x|y)?\(([^)]*)\)")
_ZERO_MATRIX = re.compile(r"matrix\((?:\s*0*\.?0+\s*,){4}")
_MOVE = re.compile(r"translate(?:3d|x|y)?\(([^)]*)\)")
_ZERO_OPACITY = re.compile(r"opacity\(\s*0*\.?0*%?\s*\)")
_READ = frozenset(
    {
        "display", "visibility", "opacity", "filter", "mso-hide", "font", "font-size", "color", "background",
        "overflow",
        "background-color", "background-image", "position", "left", "right", "top", "bottom", "text-indent", "width",
        "height", "max-width", "max-height", "overflow-x", "overflow-y", "margin", "margin-left", "margin-top", "clip",
        "clip-path", "transform", "scale", "zoom", "translate", "content-visibility", "-webkit-text-fill-color",
    }
)  # fmt: skip
_SHORTHANDS = {
    "background": ("background-color", "background-image"),
    "font": ("font-size",),
    "margin": ("margin-left", "margin-top"),
    "overflow": ("overflow-x", "overflow-y"),
}


class Look(NamedTuple):
    """How text looks. Colours are None where they cannot be known, as over a picture."""

    hidden: bool = False
    invisible: bool = False
    pixels: float = _FONT_PIXELS
    colour: Colour | None = (0, 0, 0)
    background: Colour | None = (255, 255, 255)

    @property
    def shows(self) -> bool:
        """Whether a reader can see text with this look."""
        if self.hidden or self.invisible or self.pixels <= TINY_PIXELS or self.colour == "transparent":
            return False
        return not alike(self.colour, self.background)


PLAIN = Look()


def declarations(style: str) -> Declarations:
    """The declarations of a style attribute or rule that can hide text; the last of each property counts."""
    return _remembered(style) if len(style) <= MAX_REMEMBERED_CHARS else _parse(style)


def _parse(style: str) -> Declarations:
    if "/*" in style:
        style = _COMMENT.sub(" ", style)
    if "\\" in style:
        style = _ESCAPE.sub(_unescape, style)
    found: dict[str, tuple[str, bool]] = {}
    for name, value in _DECLARATION.findall(style.lower()):
        if name not in _READ:
            continue
        value = value.strip()
        important = value.endswith("important") and "!" in value[-20:]
        if important:
            value = value[: value.rindex("!")].rstrip()
        add_declaration(found, name, value[:MAX_VALUE_CHARS], important=important)
    return found


_remembered = lru_cache(maxsize=REMEMBERED_STYLES)(_parse)


def add_declaration(found: dict[str, tuple[str, bool]], name: str, value: str, *, important: bool) -> None:
    """Let a declaration override the earlier ones of its property, and of those that its shorthand sets."""
    if important or name not in found or not found[name][1]:
        found[name] = (value, important)
    for replaced in _SHORTHANDS.get(name, ()):
        if replaced in found and (important or not found[replaced][1]):
            del found[replaced]


def styled(parent: Look, style: Declarations) -> Look:
    """The look of an element with this style in an element that looks like `parent`."""
    values = tuple((name, value) for name, (value, _) in style.items())
    return (_remembered_look if len(values) <= MAX_REMEMBERED_PROPERTIES else _look)(parent, values)


def _look(parent: Look, items: tuple[tuple[str, str], ...]) -> Look:
    values = dict(items)
    fill = values.get("-webkit-text-fill-color", values.get("color", ""))
    return Look(
        hidden=parent.hidden or _hides(values),
        invisible=_invisible(values.get("visibility", ""), parent.invisible),
        pixels=_font_pixels(values, parent.pixels),
        colour=colour_of(fill, parent.colour),
        background=background_of(values, parent.background),
    )


_remembered_look = lru_cache(maxsize=REMEMBERED_LOOKS)(_look)


def _hides(values: Mapping[str, str]) -> bool:
    for name, value in values.items():
        hides = _HIDING.get(name)
        if hides is not None and hides(value, values):
            return True
    return False


def _has_no_room(value: str, values: Mapping[str, str]) -> bool:
    """Whether the box has no size and cuts off what does not fit."""
    return 0 <= _pixels(value, FAR_PIXELS) <= TINY_PIXELS and _cuts(values)


def _is_far(value: str, _: Mapping[str, str]) -> bool:
    """Whether a length among these moves text off the screen."""
    distances = [_in_pixels(match) for match in _LENGTH.finditer(value)]
    return any(distance <= -FAR_PIXELS or distance >= FAR_RIGHT_PIXELS for distance in distances)


def _is_moved_far(value: str, values: Mapping[str, str]) -> bool:
    return values.get("position", "static") not in {"static", ""} and _is_far(value, values)


def _is_transformed_away(value: str, values: Mapping[str, str]) -> bool:
    factors = [factor for scale in _SCALE.findall(value) for factor in scale.split(",")[:2]]
    return (
        any(_is_shrunk(factor, values) for factor in factors)
        or bool(_ZERO_MATRIX.search(value))
        or any(_is_far(move, values) for move in _MOVE.findall(value))
    )


def _is_shrunk(value: str, _: Mapping[str, str]) -> bool:
    return any(abs(amount(part)) < MIN_SCALE for part in value.split()[:2])


def _is_indented_away(value: str, values: Mapping[str, str]) -> bool:
    beyond_box = value.endswith("%") and amount(value) >= 1 and _cuts(values)
    return beyond_box or _is_far(value, values)


def _cuts(values: Mapping[str, str]) -> bool:
    """Whether the box cuts off what does not fit into it."""
    return any(values.get(name, "visible") != "visible" for name in ("overflow", "overflow-x", "overflow-y"))


def _is_clipped(value: str, values: Mapping[str, str]) -> bool:
    if not value.startswith("rect(") or values.get("position") not in {"absolute", "fixed"}:
        return False
    sides = [_pixels(side, FAR_PIXELS) for side in re.split(r"[\s,]+", value[5:].rstrip(") "))[:4] if side]
    return len(sides) == 4 and (sides[2] - sides[0] <= TINY_PIXELS or sides[1] - sides[3] <= TINY_PIXELS)


def _is_clipped_by_path(value: str, _: Mapping[str, str]) -> bool:
    if value.startswith("inset("):
        words = value[6:].rstrip(") ").split() or ["0"]
        top, *others = [amount(side) if side.endswith("%") else 0.0 for side in words]
        right, bottom, left = (others + [top, top, others[0] if others else top][len(others) :])[:3]
        return top + bottom >= 1 or left + right >= 1
    if value.startswith(("circle(0", "ellipse(0")):
        return True
    return value.startswith("polygon(") and len(set(re.findall(r"[\d.]+", value)) - {"0", "0.0"}) == 0


_HIDING: dict[str, Callable[[str, Mapping[str, str]], bool]] = {
    "display": lambda value, _: value == "none",
    "mso-hide": lambda value, _: value == "all",
    "content-visibility": lambda value, _: value == "hidden",
    "opacity": lambda value, _: amount(value) < FAINT,
    "filter": lambda value, _: bool(_ZERO_OPACITY.search(value)),
    "transform": _is_transformed_away,
    "scale": _is_shrunk,
    "zoom": lambda value, _: 0 < amount(value) < MIN_SCALE,
    "text-indent": _is_indented_away,
    "clip": _is_clipped,
    "clip-path": _is_clipped_by_path,
    **dict.fromkeys(("height", "max-height", "width", "max-width"), _has_no_room),
    **dict.fromkeys(("margin", "margin-left", "margin-top", "translate"), _is_far),
    **dict.fromkeys(("left", "right", "top", "bottom"), _is_moved_far),
}
"""Whether a value hides its element, by property; `values` are all that the element has."""


def _invisible(value: str, inherited: bool) -> bool:
    if value in {"hidden", "collapse"}:
        return True
    return False if value == "visible" else inherited


def _font_pixels(values: Mapping[str, str], inherited: float) -> float:
    size = values.get("font-size")
    if size is None and "font" in values:
        match = _FONT_SHORTHAND_SIZE.search(values["font"])
        size = match[1] if match else None
    if not size or size in KEYWORDS:
        return inherited
    if size in _FONT_SIZES:
        return _FONT_SIZES[size]
    match = _LENGTH.search(size)
    if match is None:
        return inherited if size in {"smaller", "larger"} else _FONT_PIXELS
    if match[2] in {"em", "%", "ex"}:
        return float(match[1]) * inherited * {"em": 1.0, "%": 0.01, "ex": 0.5}[match[2]]
    return _in_pixels(match)


def _pixels(value: str, unknown: float) -> float:
    match = _LENGTH.search(value)
    return _in_pixels(match) if match else unknown


def _in_pixels(match: re.Match[str]) -> float:
    unit = match[2] or ""
    return float(match[1]) * _PIXELS.get(unit, _SCREEN_PIXELS / 100)


def _unescape(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[2]
    number = int(match[1], 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
