"""Yields the tokens of HTML mail that a person sees in a browser, with every tag closed.

Elements are opened and closed as browsers do it where it matters to what is seen: tags that close others, formatting
that goes on behind the block it was opened in, cells that end it (HTML section 13.2.6). The general algorithm takes
quadratic time and memory for some input, also in the libraries that offer it, so the depth and the steps are capped:
what comes after a cap is left out, and `truncated` says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from e2a_core.mail.html_rules import Element, Rule, Rules, cascade
from e2a_core.mail.html_styles import PLAIN, Declarations, Look, declarations, styled
from e2a_core.mail.html_tokens import STYLE_SHEET, Token, attributes, tokens

__all__ = ["MAX_HTML_CHARS", "MAX_HTML_TOKENS", "VisibleTokens"]

MAX_HTML_CHARS = 1024 * 1024
"""The rest of the HTML is left out. Images embedded as `data:` URLs make HTML long without adding tokens."""
MAX_HTML_TOKENS = 150_000
"""Tokens read, which bounds the time; a newsletter has about 5,000, a table of 4,000 rows 60,000."""
MAX_OPEN = 512
"""Elements open at once: where browsers stop nesting too."""
MAX_STEPS = 1_000_000
"""Comparisons of elements with each other and with rules."""

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)  # fmt: skip
_DROPPED = frozenset(
    {"head", "template", "svg", "math", "object", "select", "audio", "video", "canvas", "datalist", "rp"}
)
_HEAD_ONLY = frozenset(
    {"base", "basefont", "bgsound", "link", "meta", "noscript", "script", "style", "template", "title"}
)
_FORMATTING = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
_CLOSES_P = frozenset(
    {
        "address", "article", "aside", "blockquote", "center", "dd", "details", "dialog", "dir", "div", "dl", "dt",
        "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li",
        "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "ul",
    }
)  # fmt: skip
_SPECIAL = _CLOSES_P | {
    "body", "button", "caption", "html", "marquee", "object", "table", "tbody", "td", "template", "tfoot", "th",
    "thead", "tr",
}  # fmt: skip
_SCOPE = frozenset({"caption", "html", "marquee", "object", "table", "td", "template", "th"})
"""An end tag does not close an element outside these (HTML section 13.2.4.2)."""
_MARKERS = frozenset({"caption", "marquee", "object", "td", "template", "th"})
"""Formatting opened in these ends with them."""
_TABLE_PARTS = frozenset({"caption", "tbody", "td", "tfoot", "th", "thead", "tr"})
_IMPLIED: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "li": (frozenset({"li"}), frozenset({"ul", "ol", "menu"})),
    "dd": (frozenset({"dd", "dt"}), frozenset({"dl"})),
    "dt": (frozenset({"dd", "dt"}), frozenset({"dl"})),
    "td": (frozenset({"td", "th"}), frozenset({"table", "tr"})),
    "th": (frozenset({"td", "th"}), frozenset({"table", "tr"})),
    "tr": (frozenset({"td", "th", "tr", "caption"}), frozenset({"table"})),
    "tbody": (frozenset({"td", "th", "tr", "tbody", "thead", "tfoot", "caption"}), frozenset({"table"})),
    "thead": (frozenset({"td", "th", "tr", "tbody", "thead", "tfoot", "caption"}), frozenset({"table"})),
    "tfoot": (frozenset({"td", "th", "tr", "tbody", "thead", "tfoot", "caption"}), frozenset({"table"})),
}
"""What a tag closes before it opens, and where the search for it ends."""
_STYLING = ("style", "hidden", "color", "width", "height", "background", "aria-hidden")
"""Attributes that can hide; a tag without one of these words needs no look of its own."""
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{3}|[0-9a-f]{6})\Z")
_LINK_COLOUR = "#0000ee"


class _Open(NamedTuple):
    """An open element. `style` is what it declares, from which its look is made again if its parents change."""

    element: Element
    style: Declarations
    look: Look


class _Tag(NamedTuple):
    """What a tag says, wherever it stands, and the rules that may apply to it."""

    element: Element
    style: Declarations
    candidates: tuple[Rule, ...]


class VisibleTokens:
    """Iterate once over the visible tokens of `html`; afterwards `hidden_chars` and `truncated` are complete.

    `hidden_chars` counts the printable characters of text that styles hide.
    """

    def __init__(self, html: str) -> None:
        self._html = html[:MAX_HTML_CHARS]
        self.hidden_chars = 0
        self.truncated = len(html) > MAX_HTML_CHARS
        self._rules = Rules()
        self._open: list[_Open] = []
        self._count: Counter[str] = Counter()
        self._steps = MAX_STEPS
        self._dropped = 0
        self._tags: dict[tuple[str, str], _Tag] = {}
        self._cascades: dict[tuple[tuple[str, str], tuple[Rule, ...]], Declarations] = {}
        self._looks: dict[tuple[Look, int], Look] = {}
        self._shown: dict[Look, bool] = {}

    def __iter__(self) -> Iterator[Token]:
        found = list(islice(tokens(self._html), MAX_HTML_TOKENS + 1))
        if len(found) > MAX_HTML_TOKENS:
            self.truncated = True
        for token in found:
            if token.name == STYLE_SHEET:
                self._rules.add(token.body)
        self.truncated = self.truncated or self._rules.truncated
        for token in found[:MAX_HTML_TOKENS]:
            if self._steps < 0 or len(self._open) > MAX_OPEN:
                self.truncated = True
                break
            if not token.name:
                yield from self._text(token)
            elif token.name != STYLE_SHEET:
                yield from self._end(token.name) if token.closing else self._start(token)
        yield from self._close(0, frozenset())

    @property
    def _look(self) -> Look:
        return self._open[-1].look if self._open else PLAIN

    def _text(self, token: Token) -> Iterator[Token]:
        if self._count["head"] and not token.body.isspace():
            yield from self._close_names(frozenset({"head"}), frozenset())
        if self._dropped:
            return
        look = self._look
        shows = self._shown.get(look)
        if shows is None:
            shows = self._shown[look] = look.shows
        if shows:
            yield token
        else:
            self.hidden_chars += sum(char.isalnum() for char in token.body)

    def _start(self, token: Token) -> Iterator[Token]:
        name = token.name
        if self._count["head"] and name not in _HEAD_ONLY and name != "head":
            yield from self._close_names(frozenset({"head"}), frozenset())
        if name in _CLOSES_P and self._count["p"]:
            yield from self._close_names(frozenset({"p"}), _SCOPE | {"button"})
        if name in _SPECIAL and (self._count["svg"] or self._count["math"]):
            yield from self._close_names(frozenset({"svg", "math"}), frozenset())
        if name in _IMPLIED:
            yield from self._close_names(*_IMPLIED[name])
        if name == "a" and self._count["a"]:
            yield from self._end("a")
        opened = self._opened(token)
        if name in _VOID:
            if not self._dropped and not opened.look.hidden and not (name == "img" and _is_speck(opened)):
                yield token
            return
        self._open.append(opened)
        self._count[name] += 1
        self._dropped += name in _DROPPED
        if not self._dropped and not opened.look.hidden:
            yield token

    def _opened(self, token: Token) -> _Open:
        """The element of a tag with the look it has here."""
        key = (token.name, token.body)
        known = self._tags.get(key)
        if known is None:
            known = self._tags[key] = self._read(token)
        element, style, candidates = known
        if candidates:
            self._steps -= sum(1 + (len(rule.compounds) > 1) * len(self._open) for rule in candidates)
            ancestors = [item.element for item in self._open]
            matching = tuple(rule for rule in candidates if rule.selects(element, ancestors))
            cascaded = self._cascades.get((key, matching))
            if cascaded is None:
                cascaded = self._cascades[key, matching] = cascade(matching, style)
            style = cascaded
        return _Open(element, style, self._styled(self._look, style))

    def _read(self, token: Token) -> _Tag:
        """What a tag says, wherever it stands."""
        lowered = token.body.lower()
        plain = not any(word in lowered for word in _STYLING) and token.name not in {"a", "dialog"}
        if plain and not self._rules:
            return _Tag(Element(token.name, {}), {}, ())
        element = Element(token.name, attributes(token.body))
        return _Tag(element, _own_style(element), self._rules.candidates(element))

    def _styled(self, parent: Look, style: Declarations) -> Look:
        if not style:
            return parent
        # The keys stay alive with the tags and cascades that they are kept in.
        key = (parent, id(style))
        look = self._looks.get(key)
        if look is None:
            look = styled(parent, style)
            look = self._looks[key] = look._replace(background=None) if self._rules.unsure else look
        return look

    def _end(self, name: str) -> Iterator[Token]:
        if not self._count[name]:
            if name == "p":
                yield Token("p", True, "")
            return
        if name in _FORMATTING:
            yield from self._end_formatting(name)
        elif name in _SPECIAL:
            barrier = frozenset({"table", "template"}) if name in _TABLE_PARTS else _SCOPE
            yield from self._close_names(frozenset({name}), barrier - {name})
        else:
            yield from self._close_names(frozenset({name}), _SPECIAL)

    def _end_formatting(self, name: str) -> Iterator[Token]:
        """Close the last formatting element of that name, also if blocks are open in it."""
        for at in range(len(self._open) - 1, -1, -1):
            self._steps -= 1
            found = self._open[at].element.name
            if found == name:
                yield from self._remove(at)
                self._restyle(at)
                return
            if found in _MARKERS:
                return

    def _close_names(self, names: frozenset[str], barrier: frozenset[str]) -> Iterator[Token]:
        """Close the outermost of the innermost run of elements with these names, up to the barrier."""
        found = -1
        for at in range(len(self._open) - 1, -1, -1):
            self._steps -= 1
            name = self._open[at].element.name
            if name in barrier:
                break
            if name in names:
                found = at
                if len(names) == 1:
                    break
        if found >= 0:
            keeps = frozenset() if self._open[found].element.name in _MARKERS else _FORMATTING
            yield from self._close(found, keeps)

    def _close(self, start: int, kept: frozenset[str]) -> Iterator[Token]:
        """Close the elements from `start` on, except those that go on in what follows."""
        kept_from = start
        for at in range(len(self._open) - 1, start - 1, -1):
            if at != start and self._open[at].element.name in kept and not self._marked(start, at):
                continue
            yield from self._remove(at)
        self._restyle(kept_from)

    def _marked(self, start: int, at: int) -> bool:
        """Whether a cell between the two positions ends the formatting."""
        self._steps -= at - start
        return any(item.element.name in _MARKERS for item in self._open[start + 1 : at])

    def _remove(self, at: int) -> Iterator[Token]:
        element, _, look = self._open.pop(at)
        self._count[element.name] -= 1
        visible = not self._dropped and not look.hidden
        self._dropped -= element.name in _DROPPED
        if visible:
            yield Token(element.name, True, "")

    def _restyle(self, start: int) -> None:
        """Make the looks again of what is open from `start` on, since its parents have changed."""
        self._steps -= len(self._open) - start
        for at in range(start, len(self._open)):
            parent = self._open[at - 1].look if at else PLAIN
            item = self._open[at]
            self._open[at] = item._replace(look=self._styled(parent, item.style))


def _own_style(element: Element) -> Declarations:
    """What attributes declare: `style`, and those of older HTML (HTML section 15.3)."""
    given = element.attributes
    style: Declarations = {}
    if element.name == "a" and "href" in given:
        style["color"] = (_LINK_COLOUR, False)
    if "hidden" in given or given.get("aria-hidden", "").strip().lower() == "true":
        # What is hidden from those who cannot see the screen is not for a reader of text either (WAI-ARIA 1.2).
        style["display"] = ("none", True)
    if element.name == "dialog" and "open" not in given:
        style["display"] = ("none", False)
    if colour := given.get("color" if element.name == "font" else "text" if element.name == "body" else ""):
        style["color"] = (_legacy_colour(colour), False)
    if colour := given.get("bgcolor"):
        style["background-color"] = (_legacy_colour(colour), False)
    if "background" in given:
        style["background-image"] = ("url()", False)
    for name, value in declarations(given.get("style", "")).items():
        if not style.get(name, ("", False))[1] or value[1]:
            style[name] = value
    return style


def _legacy_colour(value: str) -> str:
    """A colour of an attribute, where the mark before its digits may be missing (HTML section 2.3.6)."""
    value = value.strip().lower()
    return f"#{value}" if _HEXADECIMAL.match(value) else value


def _is_speck(image: _Open) -> bool:
    """Whether a picture is at most a pixel wide or high, as those that report the opening of mail are."""
    sizes = [image.element.attributes.get(name, "") for name in ("width", "height")]
    sizes += [image.style[name][0] for name in ("width", "height") if name in image.style]
    return any(size.strip().removesuffix("px") in {"0", "1"} for size in sizes)
