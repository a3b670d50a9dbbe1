"""Text that no database can hold is refused before one sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2a_core.errors import InvalidRequest
from e2a_core.texts import is_storable, one_line, require_storable, visible_text


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "\udfff!"])
def test_what_cannot_be_stored(text: str) -> None:
    assert not is_storable(text)
    with pytest.raises(InvalidRequest) as refusal:
        require_storable(text, "body.name")
    assert refusal.value.fields == [("body.name", refusal.value.message)]


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_all_other_text_can(text: str) -> None:
    assert require_storable(text, "body.name") == text


@pytest.mark.parametrize(
    "hidden",
    ["\U000e0148\U000e0149", "\ufe00\ufe01", "\u034f", "\u17b5", "\u180b", "\u202e", "\u200b", "\u2066"],
)
def test_nothing_hides_in_what_is_shown(hidden: str) -> None:
    assert hidden not in one_line(f"invoice{hidden}.pdf")
    assert visible_text(f"invoice{hidden}.pdf") == "invoice.pdf"


@pytest.mark.parametrize("filler", ["\u115f", "\u1160", "\u2800", "\u3164", "\uffa0"])
def test_a_letter_without_a_shape_is_a_space(filler: str) -> None:
    assert one_line(f"a{filler}b") == visible_text(f"a{filler}b") == "a b"


def test_joiners_stay_where_they_join() -> None:
    assert (
        visible_text("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )
    assert visible_text("a\u200d\u200c\u200db") == "ab"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x@\u0430pple.com", "x@\u0430pple.com [xn--pple-43d.com]"),
        ("see https://\u0430pple.com/login now", "see https://\u0430pple.com [xn--pple-43d.com]/login now"),
        ("x@m\u00fcller.example, y", "x@m\u00fcller.example [xn--mller-kva.example], y"),
        ("x@plain.example \u00fc", "x@plain.example \u00fc"),
        ("\u00fc@ and ://", "\u00fc@ and ://"),
        ("info@example.com\u307e\u3067", "info@example.com\u307e\u3067"),
    ],
)
def test_a_domain_that_may_mislead_has_its_a_label(text: str, shown: str) -> None:
    assert one_line(text) == visible_text(text) == shown
