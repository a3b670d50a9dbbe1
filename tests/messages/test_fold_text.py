"""Words as the text index holds them."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2a_core.messages.terms import fold_text


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
