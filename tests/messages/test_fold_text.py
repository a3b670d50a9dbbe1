"""Words as the text index holds them."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2a_core.messages.terms import MAX_TERM_CHARS, fold_text, parts, words_of


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Re: Your Invoice #42_b", "re your invoice 42 b"),
        ("  ", ""),
        ("Café—Zürich", "cafe zurich"),
        ("STRASSE straße", "strasse strasse"),
        ("ﬁne", "fine"),
        ("a\x1fb\r\nc", "a b c"),
    ],
)
def test_words_lose_case_and_accents(text: str, folded: str) -> None:
    assert fold_text(text) == folded


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_folded_like_any_other_text(text: str) -> None:
    assert fold_text(text + " é") == f"{fold_text(text)} e".strip()


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    folded = fold_text(text)
    assert not re.search(r"[\W_]{2}", folded)
    assert not any(unicodedata.combining(char) for char in folded)


@given(st.text(st.sampled_from("aB1 .-_\r\n") | st.characters(max_codepoint=127)))
def test_the_terms_of_ascii_are_its_distinct_words(text: str) -> None:
    words = [word[:MAX_TERM_CHARS] for word in fold_text(text).split()]
    assert words_of(text) == list(dict.fromkeys(words))
    assert words_of(f"{text} é") == list(dict.fromkeys([*words, "e"]))


def test_a_long_word_is_cut_to_one_term() -> None:
    long = "x" * (MAX_TERM_CHARS + 9)
    assert words_of(f"a {long} {long}y b") == ["a", long[:MAX_TERM_CHARS], "b"]


@given(st.text(st.characters(max_codepoint=127)))
def test_parts_are_made_alike_for_ascii_and_other_text(text: str) -> None:
    assert parts(f"{text}abcé")[: len(parts(text))] == parts(text)
    assert all(bytes.fromhex(part[2:]).decode() in text.lower() for part in parts(text))
