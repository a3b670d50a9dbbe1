"""List cursors: they come back as they went out, and serve no other query."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.errors import InvalidCursor
from e2a_core.signing.cursor import decode_cursor, encode_cursor

from . import vectors as v

POSITION: dict[str, Any] = {"created_at": 1782475200000000, "id": v.MESSAGE_ID}
QUERY: dict[str, Any] = {
    "agent": "bot@agents.example.net",
    "direction": "inbound",
    "labels": ["a", "b"],
    "since": None,
}
CURSOR = encode_cursor(POSITION, QUERY, v.SECRET)

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=30)
objects = st.dictionaries(st.text(max_size=10), scalars | st.lists(scalars, max_size=3), max_size=5)


def test_round_trip() -> None:
    assert decode_cursor(CURSOR, QUERY, [v.SECRET]) == POSITION
    assert set(CURSOR) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_the_order_of_query_members_does_not_matter() -> None:
    assert decode_cursor(CURSOR, dict(reversed(QUERY.items())), [v.SECRET]) == POSITION


def test_another_query_is_told_apart_from_damage() -> None:
    with pytest.raises(InvalidCursor, match="another query") as caught:
        decode_cursor(CURSOR, {**QUERY, "direction": "outbound"}, [v.SECRET])
    assert caught.value.status == 400
    assert caught.value.fields[0][0] == "query.cursor"
    with pytest.raises(InvalidCursor, match="was not issued by this server"):
        decode_cursor(CURSOR[:-2], QUERY, [v.SECRET])


def test_old_secrets_still_open_cursors() -> None:
    assert decode_cursor(CURSOR, QUERY, [v.OTHER_SECRET, v.SECRET]) == POSITION
    with pytest.raises(InvalidCursor):
        decode_cursor(CURSOR, QUERY, [v.OTHER_SECRET])


@pytest.mark.parametrize("text", ["", ".", "null", "x" * 5000, CURSOR + "=", CURSOR.replace(".", ""), "é"])
def test_damaged_cursors(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, QUERY, [v.SECRET])


def test_an_approval_token_is_no_cursor() -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(v.APPROVAL_TOKEN, QUERY, [v.SECRET])


@settings(max_examples=200, deadline=None)
@given(objects, objects, objects)
def test_any_position_returns_for_its_query_only(
    position: dict[str, Any], query: dict[str, Any], other: dict[str, Any]
) -> None:
    cursor = encode_cursor(position, query, v.SECRET)
    if len(cursor) <= 2048:
        assert decode_cursor(cursor, query, [v.SECRET]) == position
    if query != other:
        with pytest.raises(InvalidCursor):
            decode_cursor(cursor, other, [v.SECRET])


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=300), st.from_regex(r"[\w-]{0,90}\.[\w-]{0,43}", fullmatch=True)))
def test_nothing_but_the_typed_error_escapes(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, QUERY, [v.SECRET])
