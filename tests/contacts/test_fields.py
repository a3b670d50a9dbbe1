"""What callers write: whatever it is, it is taken or refused, and nothing else happens."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.contacts.fields import check_match, check_metadata, stored_metadata
from e2a_core.errors import InvalidRequest, PreconditionFailed

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=200), ANYTHING, max_size=60))
def test_metadata_that_is_taken_comes_back_as_it_was(metadata: dict[str, object]) -> None:
    try:
        check_metadata(metadata, "body.metadata")
    except InvalidRequest:
        return
    assert len(metadata) <= 50
    assert json.loads(stored_metadata(metadata)) == metadata


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_an_entity_tag_that_nobody_made_matches_nothing(tag: str) -> None:
    if "*" in tag or '"7"' in tag:
        return
    with pytest.raises((PreconditionFailed, InvalidRequest)):
        check_match(tag, 7)


@pytest.mark.parametrize("tag", ['"7"', 'W/"7"', "*", '"1", W/"7"', ' "7" '])
def test_the_tag_of_this_state_matches(tag: str) -> None:
    check_match(tag, 7)
    with pytest.raises(PreconditionFailed):
        check_match(tag, None)
