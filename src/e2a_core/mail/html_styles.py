"""What style does to text: whether a browser on a desk shows it (CSS 2.2, CSS Color 4, CSS Backgrounds 3).

Only declarations that can hide text are read. `Look` is what an element passes on to the text in it.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Declarations", "Look", "PLAIN", "declarations", "styled"]

Colour = tuple[int, int, int] | str
Declarations = dict[str, tuple[str, bool]]
"""Value and importance by property."""

TINY_PIXELS = 1.0
"""Text or a box of this size is a speck."""
FAR_PIXELS = 500.0
"""Text moved this far up or left is off the screen; layout moves text by less than a hundred."""
FAR_RIGHT_PIXELS = 5000.0
NEAR = 12
"""Colours that differ by no more than this in each of 256 steps look the same."""
FAINT = 0.1
"""Text with less of its colour cannot be seen."""
MAX_VALUE_CHARS = 200
"""Longer values are lists of fonts and pictures; the rest of them is not read."""
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
_FUNCTION = re.compile(r"(rgba?|hsla?)\(([^)]*)\)")
_ZERO_SCALE = re.compile(r"scale(?:3d|x|y)?\(\s*0*\.?0+\s*[,)]|matrix\(\s*0\s*,\s*0\s*,\s*0\s*,\s*0\s*,")
_MOVE = re.compile(r"translate(?:3d|x|y)?\(([^)]*)\)")
_ZERO_OPACITY = re.compile(r"opacity\(\s*0*\.?0*%?\s*\)")
_COLOUR_NAMES: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255), "black": (0, 0, 0), "silver": (192, 192, 192), "gray": (128, 128, 128),
    "grey": (128, 128, 128), "red": (255, 0, 0), "maroon": (128, 0, 0), "yellow": (255, 255, 0), "olive": (128, 128, 0),
    "lime": (0, 255, 0), "green": (0, 128, 0), "aqua": (0, 255, 255), "cyan": (0, 255, 255), "teal": (0, 128, 128),
    "blue": (0, 0, 255), "navy": (0, 0, 128), "fuchsia": (255, 0, 255), "magenta": (255, 0, 255),
    "purple": (128, 0, 128), "orange": (255, 165, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240),
    "whitesmoke": (245, 245, 245), "ghostwhite": (248, 248, 255), "floralwhite": (255, 250, 240),
    "azure": (240, 255, 255), "mintcream": (245, 255, 250), "lightgray": (211, 211, 211), "lightgrey": (211, 211, 211),
    "gainsboro": (220, 220, 220), "darkgray": (169, 169, 169), "dimgray": (105, 105, 105),
}  # fmt: skip
"""The names that mail uses; another name equals only itself."""
_INHERIT = frozenset({"inherit", "unset", "revert", "currentcolor", "initial"})
_READ = frozenset(
    {
        "display", "visibility", "opacity", "filter", "mso-hide", "font", "font-size", "color", "background",
        "overflow",
        "background-color", "background-image", "position", "left", "right", "top", "bottom", "text-indent", "width",
        "height", "max-width", "max-height", "overflow-x", "overflow-y", "margin", "margin-left", "margin-top", "clip",
        "clip-path", "transform", "scale", "translate", "content-visibility", "-webkit-text-fill-color",
    }
)  # fmt: skip


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
        return not _alike(self.colour, self.background)


PLAIN = Look()


def declarations(style: str) -> Declarations:
    """The declarations of a style attribute or rule that can hide text; the last of each property counts."""
    if "/*" in style:
        style = _COMMENT.sub(" ", style)
    if "\\" in style:
        style = _ESCAPE.sub(_unescape, style)
    found: Declarations = {}
    for match in _DECLARATION.finditer(style):
        name = match[1].lower()
        if name not in _READ:
            continue
        value = match[2].lower().strip()
        important = value.endswith("important") and "!" in value[-20:]
        if important:
            value = value[: value.rindex("!")].rstrip()
        if important or not found.get(name, ("", False))[1]:
            found[name] = (value[:MAX_VALUE_CHARS], important)
    return found


def styled(parent: Look, style: Mapping[str, tuple[str, bool]]) -> Look:
    """The look of an element with this style in an element that looks like `parent`."""
    values = {name: value for name, (value, _) in style.items()}
    fill = values.get("-webkit-text-fill-color", values.get("color", ""))
    return Look(
        hidden=parent.hidden or _hides(values),
        invisible=_invisible(values.get("visibility", ""), parent.invisible),
        pixels=_font_pixels(values, parent.pixels),
        colour=_colour(fill, parent.colour),
        background=_background(values, parent.background),
    )


def _hides(values: Mapping[str, str]) -> bool:
    get = values.get
    return bool(
        get("display", "").startswith("none")
        or get("mso-hide") == "all"
        or get("content-visibility") == "hidden"
        or ("opacity" in values and _amount(values["opacity"]) < FAINT)
        or ("filter" in values and _ZERO_OPACITY.search(values["filter"]))
        or _no_room(values)
        or _is_off_screen(values)
        or _clipped_away(values)
        or _ZERO_SCALE.search(get("transform", ""))
        or get("scale", "").split(" ")[0] in {"0", "0%"}
    )


def _no_room(values: Mapping[str, str]) -> bool:
    """Whether the box has no size and cuts off what does not fit."""
    cuts = any(values.get(name, "visible") != "visible" for name in ("overflow", "overflow-x", "overflow-y"))
    return cuts and any(
        0 <= _pixels(values[name], FAR_PIXELS) <= TINY_PIXELS
        for name in ("height", "max-height", "width", "max-width")
        if name in values
    )


def _is_off_screen(values: Mapping[str, str]) -> bool:
    moved = [
        values[name] for name in ("text-indent", "margin-left", "margin-top", "translate") if name in values
    ]
    moved += values.get("margin", "").split()
    if values.get("position", "static") not in {"static", ""}:
        moved += [values[name] for name in ("left", "right", "top", "bottom") if name in values]
    if "transform" in values:
        moved += [part for match in _MOVE.finditer(values["transform"]) for part in match[1].split(",")]
    distances = [_pixels(item, 0.0) for item in moved]
    return any(distance <= -FAR_PIXELS or distance >= FAR_RIGHT_PIXELS for distance in distances)


def _clipped_away(values: Mapping[str, str]) -> bool:
    clip = values.get("clip", "")
    if clip.startswith("rect(") and values.get("position") in {"absolute", "fixed"}:
        sides = [_pixels(side, FAR_PIXELS) for side in re.split(r"[\s,]+", clip[5:].rstrip(") "))[:4] if side]
        if len(sides) == 4 and (sides[2] - sides[0] <= TINY_PIXELS or sides[1] - sides[3] <= TINY_PIXELS):
            return True
    path = values.get("clip-path", "")
    if path.startswith("inset("):
        first = _LENGTH.search(path)
        return first is not None and first[2] == "%" and float(first[1]) >= 50
    if path.startswith(("circle(0", "ellipse(0")):
        return True
    return path.startswith("polygon(") and len(set(re.findall(r"[\d.]+", path)) - {"0", "0.0"}) == 0


def _invisible(value: str, inherited: bool) -> bool:
    if value in {"hidden", "collapse"}:
        return True
    return False if value == "visible" else inherited


def _font_pixels(values: Mapping[str, str], inherited: float) -> float:
    size = values.get("font-size")
    if size is None and "font" in values:
        match = _FONT_SHORTHAND_SIZE.search(values["font"])
        size = match[1] if match else None
    if not size or size in _INHERIT:
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


def _amount(value: str) -> float:
    match = _LENGTH.search(value)
    if match is None:
        return 1.0
    return float(match[1]) / (100 if match[2] == "%" else 1)


def _background(values: Mapping[str, str], inherited: Colour | None) -> Colour | None:
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
    found = _colour(colour, inherited)
    return inherited if found == "transparent" else found


def _colour(value: str, inherited: Colour | None) -> Colour | None:
    """The colour a value names: None if it is half transparent or computed, `transparent` if nothing of it shows."""
    if not value or value in _INHERIT:
        return inherited
    if value.startswith("#"):
        return _hexadecimal(value[1:])
    function = _FUNCTION.match(value)
    if function:
        return _from_function(
            function[1], [part for part in re.split(r"[\s,/]+", function[2].strip()) if part]
        )
    if "(" in value:
        return None
    return _COLOUR_NAMES.get(value, value)


def _hexadecimal(digits: str) -> Colour | None:
    if len(digits) in (3, 4):
        digits = "".join(digit * 2 for digit in digits)
    try:
        red, green, blue, *alpha = bytes.fromhex(digits)
    except ValueError:
        return None
    return _seen((red, green, blue), alpha[0] / 255 if alpha else 1.0)


def _from_function(name: str, parts: list[str]) -> Colour | None:
    if len(parts) < 3 or any(_LENGTH.match(part.removesuffix("deg")) is None for part in parts[:4]):
        return None
    alpha = _amount(parts[3]) if len(parts) > 3 else 1.0
    if name.startswith("hsl"):
        hue, saturation, light = (
            float(parts[0].removesuffix("deg")) / 360,
            _amount(parts[1]),
            _amount(parts[2]),
        )
        red, green, blue = colorsys.hls_to_rgb(hue % 1, min(max(light, 0), 1), min(max(saturation, 0), 1))
        return _seen((round(red * 255), round(green * 255), round(blue * 255)), alpha)
    red, green, blue = (_amount(part) * (255 if part.endswith("%") else 1) for part in parts[:3])
    return _seen((round(min(red, 255)), round(min(green, 255)), round(min(blue, 255))), alpha)


def _seen(colour: tuple[int, int, int], alpha: float) -> Colour | None:
    if alpha < FAINT:
        return "transparent"
    return colour if alpha > 1 - FAINT else None


def _alike(one: Colour | None, other: Colour | None) -> bool:
    if one is None or other is None:
        return False
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return all(abs(a - b) <= NEAR for a, b in zip(one, other, strict=True))


def _unescape(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[2]
    number = int(match[1], 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"
