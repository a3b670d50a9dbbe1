"""What hides in a result's values is written out."""

from __future__ import annotations

import pytest

from e2a_mcp.results import success
from e2a_mcp.tool import Reply


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("caf\u00e9", "caf\u00e9"),
        ("a\u202eb", "a[U+202E]b"),
        ("\ud800\u202eb", "\ud800[U+202E]b"),
    ],
    ids=["ascii", "letters", "hidden", "beside half a surrogate pair"],
)
def test_a_value_shows_what_hides_in_it(text: str, shown: str) -> None:
    rows = [{"id": "msg_1", "names": [{"name": text}], "size": 1, "read": True}]
    result = success(Reply({"messages": rows, "count": 1}, "one message", untrusted=True))
    assert result["structuredContent"]["messages"][0]["names"] == [{"name": shown}]
    assert result["structuredContent"]["count"] == 1


@pytest.mark.parametrize("name", ["id", "thread_id", "html"])
def test_what_a_caller_hands_back_stays(name: str) -> None:
    result = success(Reply({name: "a\u202eb", "subject": "a\u202eb"}, "a message", untrusted=True))
    assert result["structuredContent"] == {name: "a\u202eb", "subject": "a[U+202E]b"}


def test_our_own_words_are_not_looked_at() -> None:
    assert success(Reply({"note": "a\u202eb"}, "a note"))["structuredContent"] == {"note": "a\u202eb"}
