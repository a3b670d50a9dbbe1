"""The terms by which mail is found: what the text index of either database holds, and what a search asks it for.

A message is indexed by the words of what it says, without case and accents. Scripts that do not put blanks between
words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) are indexed by each two neighbouring characters, so that a
word is found inside a text. Further terms, which no word can equal, stand for the inbox, the labels, "has an
attachment", and each three neighbouring characters of author and subject, by which their parts are found. One term
stands for an author that is the inbox itself.
Terms are made here and not by the database, so that both databases find the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

__all__ = [
    "ATTACHMENT",
    "BUCKET",
    "MAX_SEARCHED_CHARS",
    "MAX_TERMS",
    "Wanted",
    "all_of",
    "any_of",
    "author_parts",
    "covering",
    "fold_text",
    "inbox_term",
    "label_term",
    "part_of",
    "part_of_author",
    "parts",
    "pieces",
    "term",
    "unspaced",
    "words_of",
]

MAX_SEARCHED_CHARS = 256 * 1024
"""Of sent mail; as much as of received mail is found by search."""
MAX_TERMS = 20_000
"""Distinct terms of one text. PostgreSQL keeps at most 1 MiB of them for a message, attachments included."""
MAX_TERM_CHARS = 64
"""The beginning of a longer word stands for it; nobody types more."""

BUCKET = 4096
"""Messages, over all inboxes, that share a term of PostgreSQL's index, by which a search is kept to a range."""
ATTACHMENT = "_a"
OWN = "_o"
"""The author is the inbox itself, as of all mail that it sends."""
PART_CHARS = 3
"""Neighbouring characters that make a term of author and subject; shorter parts are not looked up."""

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff"  # Korean, whose particles follow a word without a blank
)
_RUN = re.compile(f"([{_UNSPACED}]+)")
_ASCII_WORDS = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}


class _Folding(dict[int, str]):
    """What each character of a decomposed text becomes: nothing for a mark, a blank for what is no letter or digit."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        letter = char if char.isalnum() else " "
        folded = "" if unicodedata.category(char).startswith("M") else letter
        if len(self) < MAX_TERMS:
            self[code] = folded
        return folded


_FOLDING = _Folding()


def fold_text(text: str) -> str:
    """Returns the words of `text` without case and accents, separated by blanks."""
    if text.isascii():  # The common case; this path is several times faster.
        return " ".join(_ascii_words(text))
    bare = unicodedata.normalize("NFKD", text).casefold()
    # Casefolding may compose again, and Korean syllables are to be whole.
    bare = unicodedata.normalize("NFKD", bare).translate(_FOLDING)
    return " ".join(unicodedata.normalize("NFC", bare).split())


def words_of(text: str) -> list[str]:
    """Returns the distinct terms of a text, in its order."""
    found = dict.fromkeys(_ascii_words(text) if text.isascii() else fold_text(text).split())
    if not text.isascii():
        found = dict.fromkeys(term for word in found for term in _terms(word))
    elif max(map(len, found), default=0) > MAX_TERM_CHARS:
        found = dict.fromkeys(word[:MAX_TERM_CHARS] for word in found)
    return list(found)[:MAX_TERMS]


def _ascii_words(text: str) -> list[str]:
    return text.translate(_ASCII_WORDS).split()


def unspaced(word: str) -> bool:
    return _RUN.fullmatch(word) is not None


def pieces(word: str) -> list[str]:
    """The parts of a folded word in scripts with and without blanks between words."""
    return [piece for piece in _RUN.split(word) if piece]


def _terms(word: str) -> Iterable[str]:
    for piece in pieces(word):
        if unspaced(piece):
            # The last character alone, so that each character begins some term.
            yield from ("".join(pair) for pair in pairwise(piece))
            yield piece[-1]
        else:
            yield piece[:MAX_TERM_CHARS]


def parts(text: str) -> list[str]:
    """Returns the terms of the parts of author or subject; none if `text` is shorter than a part."""
    text = text.lower()
    places = range(len(text) - PART_CHARS + 1)
    if text.isascii():
        digits = text.encode().hex()  # two for each character
        found = ["_t" + digits[2 * place : 2 * (place + PART_CHARS)] for place in places]
    else:
        found = ["_t" + text[place : place + PART_CHARS].encode().hex() for place in places]
    return list(dict.fromkeys(found))


def author_parts(author: str, inbox: str) -> list[str]:
    """Returns the terms by which parts of the author's address are found in this inbox."""
    return [OWN] if author == inbox else parts(author)


def covering(text: str) -> list[str]:
    """Returns those of `parts` that lie side by side: what has them has nearly always all, and a third is asked for."""
    text = text.lower()
    last = max(len(text) - PART_CHARS, 0)
    places = [*range(0, last, PART_CHARS), last]
    return list(dict.fromkeys(found for place in places for found in parts(text[place : place + PART_CHARS])))


def inbox_term(agent_email: str) -> str:
    return "_i" + agent_email.encode().hex()


def label_term(label: str) -> str:
    return "_l" + label.encode().hex()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search of the index as SQLite's FTS5 and as PostgreSQL read it.

    `check` is the same as a condition on the indexed terms `s` of one row, for SQLite alone, and None if the other
    conditions of the search imply it. `prefix` says that it asks for beginnings of words, and `parts` are the searches
    that it joins with AND.
    """

    match: str
    tsquery: str
    check: str | None = None
    prefix: bool = False
    parts: tuple[Wanted, ...] = ()

    @property
    def is_choice(self) -> bool:
        """True if it joins several terms."""
        return self.tsquery.startswith("(")

    @property
    def bare(self) -> str:
        """The one term that it asks for, or the beginning of one."""
        return self.tsquery.removesuffix(":*").strip("'")

    @property
    def conjuncts(self) -> tuple[Wanted, ...]:
        return self.parts or (self,)


def term(text: str, *, prefix: bool = False, checked: bool = False) -> Wanted:
    """Asks for one term, or for those that begin with it. Terms contain letters, digits and `_` only."""
    star, check = "*" if prefix else "", None
    if checked:
        check = f"instr(' ' || s.head || ' ' || s.body || ' ' || s.files || ' ', ' {text}{'' if prefix else ' '}') > 0"
    return Wanted(f'"{text}"{star}', f"'{text}'{':*' if prefix else ''}", check, prefix)


def part_of(text: str) -> Wanted | None:
    """Asks for mail with `text` in its author's name or subject; None if `text` is too short to be looked up."""
    return all_of(term(part) for part in covering(text))


def part_of_author(text: str, inbox: str) -> Wanted | None:
    """Asks for mail with `text` in its author's name or address, as `author_parts` indexes that."""
    found = part_of(text)
    return any_of([found, term(OWN)]) if text.lower() in inbox else found


def all_of(wanted: Iterable[Wanted | None]) -> Wanted | None:
    """Joins searches, ignoring those that ask for nothing."""
    return _joined([item for item in wanted if item is not None], ("AND", "&", "AND"))


def any_of(wanted: Iterable[Wanted | None]) -> Wanted | None:
    """Any of the searches; None if one of them asks for nothing."""
    given = list(wanted)
    kept = [item for item in given if item is not None]
    return _joined(kept, ("OR", "|", "OR")) if len(kept) == len(given) else None


def _joined(wanted: list[Wanted], words: tuple[str, str, str]) -> Wanted | None:
    if len(wanted) < 2:
        return wanted[0] if wanted else None
    match, tsquery, check = (f" {word} " for word in words)
    checks = [item.check for item in wanted if item.check is not None]
    return Wanted(
        f"({match.join(item.match for item in wanted)})",
        f"({tsquery.join(item.tsquery for item in wanted)})",
        f"({check.join(checks)})" if checks else None,
        any(item.prefix for item in wanted),
        tuple(part for item in wanted for part in item.conjuncts) if words[0] == "AND" else (),
    )
