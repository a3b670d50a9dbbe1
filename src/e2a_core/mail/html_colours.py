"""Colours of style sheets and of older HTML, as far as they tell whether text can be seen (CSS Color 4)."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping

__all__ = ["FAINT", "KEYWORDS", "Colour", "alike", "amount", "background_of", "colour_of", "legacy_colour"]

Colour = tuple[int, int, int] | str
"""Red, green and blue, or a name that equals only itself; `transparent` if nothing of it shows."""

NEAR = 12
"""Colours that differ by no more than this in each of 256 steps look the same."""
FAINT = 0.1
"""Text with less of its colour cannot be seen."""
_FUNCTION = re.compile(r"(rgba?|hsla?)\(([^)]*)\)")
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,2})?)(%)?")
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{3}|[0-9a-f]{6})\Z")
_COLOUR_NAMES: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255), "black": (0, 0, 0), "silver": (192, 192, 192), "gray": (128, 128, 128),
    "grey": (128, 128, 128), "red": (255, 0, 0), "maroon": (128, 0, 0), "yellow": (255, 255, 0), "olive": (128, 128, 0),
    "lime": (0, 255, 0), "green": (0, 128, 0), "aqua": (0, 255, 255), "cyan": (0, 255, 255), "teal": (0, 128, 128),
    "blue": (0, 0, 255), "navy": (0, 0, 128), "fuchsia": (255, 0, 255), "magenta": (255, 0, 255),
    "purple": (128, 0, 128), "orange": (255, 165, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240),
    "whitesmoke": (245, 245, 245), "ghostwhite": (248, 248, 255), "floralwhite": (255, 250, 240),
    "azure": (240, 255, 255), "mintcream": (245, 255, 250), "seashell": (255, 245, 238), "lightgray": (211, 211, 211),
    "lightgrey": (211, 211, 211), "gainsboro": (220, 220, 220), "darkgray": (169, 169, 169),
    "darkgrey": (169, 169, 169), "dimgray": (105, 105, 105), "dimgrey": (105, 105, 105),
    "rebeccapurple": (102, 51, 153),
}  # fmt: skip
"""The names that mail uses; another name equals only itself."""
KEYWORDS = frozenset({"inherit", "unset", "revert", "currentcolor", "initial"})
"""Values that name no colour and no size of their own."""


def colour_of(value: str, inherited: Colour | None) -> Colour | None:
    """The colour a value names: None if it is half transparent or computed, `transparent` if nothing of it shows."""
    if not value or value in KEYWORDS:
        return inherited
    if value.startswith("#"):
        return _hexadecimal(value[1:])
    if "(" not in value:
        return _COLOUR_NAMES.get(value, value)
    function = _FUNCTION.match(value)
    if function is None:
        return None
    return _from_function(function[1], [part for part in re.split(r"[\s,/]+", function[2].strip()) if part])


def background_of(values: Mapping[str, str], inherited: Colour | None) -> Colour | None:
    """The background that declarations give an element; None if it is a picture."""
    shorthand = values.get("background", "")
    picture = values.get("background-image", shorthand)
    if "url(" in picture or "gradient(" in picture or "image" in picture:
        return None
    colour = values.get("background-color", "")
    if not colour and shorthand:
        function = _FUNCTION.search(shorthand)
        words = [function[0]] if function else shorthand.split()
        colour = next(
            (word for word in words if word[:1] == "#" or function or word in _COLOUR_NAMES), words[0]
        )
        if colour in {"none", "no-repeat", "repeat", "0"}:
            return inherited
    found = colour_of(colour, inherited)
    return inherited if found == "transparent" else found


def legacy_colour(value: str) -> str:
    """A colour of an attribute, where the mark before its digits may be missing (HTML section 2.3.6)."""
    value = value.strip().lower()
    return f"#{value}" if _HEXADECIMAL.match(value) else value


def alike(one: Colour | None, other: Colour | None) -> bool:
    """Whether text of one colour cannot be told from the other; a colour that is not known differs from all."""
    if one is None or other is None:
        return False
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one == other or all(abs(a - b) <= NEAR for a, b in zip(one, other, strict=True))


def amount(value: str) -> float:
    """A number or a percentage, where 100% is 1; 1 if it is neither."""
    match = _NUMBER.search(value)
    if match is None:
        return 1.0
    return float(match[1]) / (100 if match[2] else 1)


def _hexadecimal(digits: str) -> Colour | None:
    if len(digits) in (3, 4):
        digits = "".join(digit * 2 for digit in digits)
    try:
        red, green, blue, *alpha = bytes.fromhex(digits)
    except ValueError:
        return None
    return _seen((red, green, blue), alpha[0] / 255 if alpha else 1.0)


def _from_function(name: str, parts: list[str]) -> Colour | None:
    if len(parts) < 3 or any(_NUMBER.match(part) is None for part in parts[:4]):
        return None
    alpha = amount(parts[3]) if len(parts) > 3 else 1.0
    if name.startswith("hsl"):
        hue, saturation, light = amount(parts[0]) / 360, amount(parts[1]), amount(parts[2])
        red, green, blue = colorsys.hls_to_rgb(hue % 1, min(max(light, 0), 1), min(max(saturation, 0), 1))
        return _seen((round(red * 255), round(green * 255), round(blue * 255)), alpha)
    red, green, blue = (amount(part) * (255 if part.endswith("%") else 1) for part in parts[:3])
    return _seen((round(min(red, 255)), round(min(green, 255)), round(min(blue, 255))), alpha)


def _seen(colour: tuple[int, int, int], alpha: float) -> Colour | None:
    if alpha < FAINT:
        return "transparent"
    return colour if alpha > 1 - FAINT else None
