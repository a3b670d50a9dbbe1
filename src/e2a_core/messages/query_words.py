"""The words of a full-text query: all must occur, or one of those joined with OR."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.messages.terms import (
    ATTACHMENT,
    MAX_TERM_CHARS,
    Wanted,
    all_of,
    any_of,
    fold_text,
    term,
    unspaced,
)
from e2a_core.messages.terms import pieces as pieces_of

__all__ = ["QueryWords", "query_terms", "read_query"]

MAX_WORDS = 20
"""Words looked for; each costs time in every message that is looked through. Further ones are told of."""
MIN_PREFIX = 2
"""Letters from which the last word may be the beginning of a longer one."""

_ATTACHMENT = ("has:attachment", "has:attachments")


@dataclass(frozen=True, slots=True)
class QueryWords:
    """`wanted` is None if the query has no word; `attachment` is True if it asks for mail with attachments.

    `left_out` are the words beyond the limit.
    """

    wanted: Wanted | None
    attachment: bool
    left_out: tuple[str, ...]


def read_query(text: str) -> QueryWords:
    """Reads a query. Apart from OR, AND and `has:attachment` nothing in it is syntax."""
    attachment = any(item.lower() in _ATTACHMENT for item in text.split())
    kept, left_out = _within_limit(text)
    clauses: list[list[Wanted]] = []
    joins = False
    for place, item in enumerate(kept):
        if item == "OR":
            joins = bool(clauses)
            continue
        found = all_of(
            _word(word, last=place == len(kept) - 1 and not left_out) for word in fold_text(item).split()
        )
        if found is not None and joins:
            clauses[-1].append(found)
        elif found is not None:
            clauses.append([found])
        joins = False
    wanted = [any_of(clause) for clause in clauses]
    if attachment:
        wanted.append(term(ATTACHMENT))
    return QueryWords(all_of(wanted), attachment, tuple(left_out))


def _within_limit(text: str) -> tuple[list[str], list[str]]:
    """The words of a query that are looked for, with each OR between them, and the words that are not."""
    kept: list[str] = []
    left_out: list[str] = []
    words = 0
    for item in text.split():
        if item == "AND" or item.lower() in _ATTACHMENT:
            continue
        is_word = item != "OR" and bool(fold_text(item))
        words += is_word
        if words <= MAX_WORDS:
            kept.append(item)
        elif is_word:
            left_out.append(item)
    return kept, left_out


def query_terms(text: str) -> list[str]:
    """The terms of the words of a query, without its syntax."""
    words = [item for item in _within_limit(text)[0] if item != "OR"]
    pieces = (piece for item in words for word in fold_text(item).split() for piece in pieces_of(word))
    return list(dict.fromkeys(found for piece in pieces for found in _terms(piece)))


def _terms(piece: str) -> list[str]:
    if not unspaced(piece):
        return [piece[:MAX_TERM_CHARS]]
    return [piece[place : place + 2] for place in range(max(len(piece) - 1, 1))]


def _word(word: str, *, last: bool) -> Wanted | None:
    pieces = pieces_of(word)
    return all_of(_piece(piece, last=last and place == len(pieces) - 1) for place, piece in enumerate(pieces))


def _piece(piece: str, *, last: bool) -> Wanted | None:
    if not unspaced(piece):
        prefix = last and len(piece) >= MIN_PREFIX
        return term(piece[:MAX_TERM_CHARS], prefix=prefix, checked=True)
    if len(piece) == 1:
        return term(piece, prefix=True, checked=True)
    return all_of(term(pair, checked=True) for pair in dict.fromkeys(_terms(piece)))
