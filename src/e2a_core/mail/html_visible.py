"""Yields the tokens of HTML mail that a person sees in a browser, with every tag closed.

Elements are opened and closed as browsers do it where it matters to what is seen: tags that close others, formatting
that goes on behind the block it was opened in, cells that end it (HTML section 13.2.6). The general algorithm takes
quadratic time and memory for some input, also in the libraries that offer it, so the depth and the steps are capped:
what comes after a cap is left out, and `truncated` says so.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import NamedTuple

from e2a_core.mail.html_elements import (
    CLOSES_P,
    DROPPED,
    FORMATTING,
    HEAD_ONLY,
    IMPLIED,
    LEAVES,
    MARKERS,
    SCOPE,
    SPECIAL,
    TABLE_PARTS,
    TABLE_SCOPE,
    VOID,
)
from e2a_core.mail.html_looks import Element, Looks, Tag
from e2a_core.mail.html_rules import Rules
from e2a_core.mail.html_tokens import STYLE_SHEET, Token, tokens

__all__ = ["MAX_HTML_CHARS", "MAX_HTML_TOKENS", "Visible", "visible"]

MAX_HTML_CHARS = 1024 * 1024
"""The rest of the HTML is left out. Images embedded as `data:` URLs make HTML long without adding tokens."""
MAX_HTML_TOKENS = 64_000
"""Tokens read, which bounds the time; a newsletter has about 5,000, a table of 4,000 rows 60,000."""
MAX_OPEN = 512
"""Elements open at once: where browsers stop nesting too."""
MAX_STEPS = 150_000
"""Comparisons of elements with each other and with rules."""
MAX_ALIKE = 3
"""Formatting elements that are alike and go on behind a block (HTML section 13.2.4.3)."""


class Visible(NamedTuple):
    """What a browser shows of HTML. `hidden_chars` counts the letters and digits of text that styles hide.

    `steps` counts the work that it took: tokens and comparisons.
    """

    tokens: list[Token]
    hidden_chars: int
    truncated: bool
    steps: int


def visible(html: str) -> Visible:
    """The visible tokens of `html`."""
    found = list(islice(tokens(html[:MAX_HTML_CHARS]), MAX_HTML_TOKENS + 1))
    rules = Rules()
    for token in found:
        if token.name == STYLE_SHEET:
            rules.add(token.body)
    truncated = len(html) > MAX_HTML_CHARS or len(found) > MAX_HTML_TOKENS or rules.truncated
    tree = _Tree(Looks(rules))
    finished = tree.read(found[:MAX_HTML_TOKENS])
    return Visible(tree.shown, tree.hidden_chars, truncated or not finished, len(found) + tree.steps)


class _Tree:
    """The elements that are open, and in `shown` what has been seen of them."""

    def __init__(self, looks: Looks) -> None:
        self.shown: list[Token] = []
        self.hidden_chars = 0
        self._looks = looks
        self._open: list[Element] = []
        self._count: defaultdict[str, int] = defaultdict(int)
        self._alike: defaultdict[Tag, int] = defaultdict(int)
        self._dropped = 0
        self._walked = 0

    @property
    def steps(self) -> int:
        """The comparisons made."""
        return self._walked + self._looks.steps

    def read(self, found: list[Token]) -> bool:
        """Take the tokens, then close what is open. Returns False if a limit cut the rest off."""
        finished = True
        for token in found:
            if not token.name:
                self._text(token)
            elif token.closing:
                self._end(token.name)
            elif token.name != STYLE_SHEET:
                self._start(token)
                if len(self._open) > MAX_OPEN or self._walked + self._looks.steps > MAX_STEPS:
                    finished = False
                    break
        while self._open:
            self._remove(-1)
        return finished

    def _text(self, token: Token) -> None:
        if self._dropped and self._count["head"] and not token.body.isspace():
            self._close_names(frozenset({"head"}), frozenset())
        if self._dropped:
            return
        place = self._open[-1].place if self._open else self._looks.root
        if place.shows:
            self.shown.append(token)
        else:
            self.hidden_chars += sum(map(str.isalnum, token.body))

    def _start(self, token: Token) -> None:
        name = token.name
        if self._dropped:
            self._leave_dropped(name)
        if name in LEAVES:
            self._leave(name)
        element = self._looks.open(self._open[-1].place if self._open else self._looks.root, token)
        if name not in VOID:
            self._open.append(element)
            self._count[name] += 1
            self._alike[element.tag] += 1
            self._dropped += name in DROPPED
        if not self._dropped and not element.hidden:
            self.shown.append(token)

    def _leave_dropped(self, name: str) -> None:
        """Close what is not shown, but ends where this tag opens."""
        if self._count["head"] and name not in HEAD_ONLY and name != "head":
            self._close_names(frozenset({"head"}), frozenset())
        if name in SPECIAL and (self._count["svg"] or self._count["math"]):
            self._close_names(frozenset({"svg", "math"}), frozenset())

    def _leave(self, name: str) -> None:
        """Close what ends where this tag opens."""
        if name in CLOSES_P and self._count["p"]:
            self._close_names(frozenset({"p"}), SCOPE | {"button"})
        if name in IMPLIED:
            self._close_names(*IMPLIED[name])
        elif name == "a" and self._count["a"]:
            self._end("a")

    def _end(self, name: str) -> None:
        if self._open and self._open[-1].name == name:
            self._remove(-1)
        elif not self._count[name]:
            if name == "p":
                self.shown.append(Token("p", True, ""))
        elif name in FORMATTING:
            self._end_formatting(name)
        elif name in SPECIAL:
            barrier = TABLE_SCOPE if name in TABLE_PARTS else SCOPE
            self._close_names(frozenset({name}), barrier - {name})
        else:
            self._close_names(frozenset({name}), SPECIAL)

    def _end_formatting(self, name: str) -> None:
        """Close the last formatting element of that name, also if blocks are open in it."""
        for at in range(len(self._open) - 1, -1, -1):
            self._walked += 1
            found = self._open[at].name
            if found == name:
                self._remove(at)
                self._restyle(at)
                return
            if found in MARKERS:
                return

    def _close_names(self, names: frozenset[str], barrier: frozenset[str]) -> None:
        """Close the outermost of the innermost run of elements with these names, up to the barrier."""
        found = -1
        for at in range(len(self._open) - 1, -1, -1):
            self._walked += 1
            name = self._open[at].name
            if name in barrier:
                break
            if name in names:
                found = at
                if len(names) == 1:
                    break
        if found < 0:
            return
        if found == len(self._open) - 1:
            self._remove(found)
        else:
            self._close(found)

    def _close(self, start: int) -> None:
        """Close the elements from `start` on, except those that go on in what follows."""
        going_on = self._going_on(start)
        for at in range(len(self._open) - 1, start - 1, -1):
            if at not in going_on:
                self._remove(at)
        self._restyle(start)

    def _going_on(self, start: int) -> set[int]:
        """Where the formatting is that goes on behind the element at `start`; a cell in it ends what it holds."""
        self._walked += len(self._open) - start
        found: set[int] = set()
        ended: defaultdict[Tag, int] = defaultdict(int)
        if self._open[start].name in MARKERS:
            return found
        for at in range(start + 1, len(self._open)):
            name, tag = self._open[at].name, self._open[at].tag
            if name in MARKERS:
                break
            if name in FORMATTING and self._alike[tag] - ended[tag] <= MAX_ALIKE:
                found.add(at)
            else:
                ended[tag] += 1
        return found

    def _remove(self, at: int) -> None:
        element = self._open.pop(at)
        self._count[element.name] -= 1
        self._alike[element.tag] -= 1
        if not self._dropped and not element.hidden:
            self.shown.append(element.end)
        self._dropped -= element.name in DROPPED

    def _restyle(self, start: int) -> None:
        """Find the places again of what is open from `start` on, since what is around it has changed."""
        self._walked += len(self._open) - start
        place = self._open[start - 1].place if start else self._looks.root
        for at in range(start, len(self._open)):
            self._open[at] = element = self._looks.reopen(place, self._open[at].tag)
            place = element.place
