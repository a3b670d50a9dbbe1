"""Text that no database can hold is refused before one sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2a_core.errors import InvalidRequest
from e2a_core.texts import is_storable, require_storable


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "\udfff!"])
def test_what_cannot_be_stored(text: str) -> None:
    assert not is_storable(text)
    with pytest.raises(InvalidRequest) as refusal:
        require_storable(text, "body.name")
    assert refusal.value.fields == [("body.name", refusal.value.message)]


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_all_other_text_can(text: str) -> None:
    assert require_storable(text, "body.name") == text
