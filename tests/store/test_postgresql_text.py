"""Named parameters for PostgreSQL."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.store.postgresql.text import translate


@pytest.mark.parametrize(
    ("text", "numbered", "names"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT :a::text, :long_name_2", "SELECT $1::text, $2", ("a", "long_name_2")),
        ("SELECT ':a', 'it''s :b', \":c\", :d", "SELECT ':a', 'it''s :b', \":c\", $1", ("d",)),
        ("SELECT $$ :a $$, $x$ :b $$ $x$, :c", "SELECT $$ :a $$, $x$ :b $$ $x$, $1", ("c",)),
        ("SELECT 1 -- :a\n, :b /* :c */", "SELECT 1 -- :a\n, $1 /* :c */", ("b",)),
        ("SELECT a FROM t WHERE a=:a AND b>:b", "SELECT a FROM t WHERE a=$1 AND b>$2", ("a", "b")),
        ("SELECT 1", "SELECT 1", ()),
    ],
)
def test_parameters_are_numbered(text: str, numbered: str, names: tuple[str, ...]) -> None:
    translated = translate(text)
    assert (translated.text, translated.names) == (numbered, names)
    assert translated.arguments({name: name.upper() for name in (*names, "unused")}) == [
        n.upper() for n in names
    ]


@pytest.mark.parametrize(
    ("text", "returns_rows"),
    [
        ("SELECT 1", True),
        ("  select 1", True),
        ("INSERT INTO t VALUES (1) RETURNING id", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ("WITH x AS (SELECT 1) UPDATE t SET a = 1", False),
        ("WITH x AS (SELECT 1) DELETE FROM t RETURNING a", True),
        ("UPDATE t SET a = (SELECT 1)", False),
        ("CREATE TABLE t (a TEXT)", False),
    ],
)
def test_statements_that_return_rows_are_told_apart(text: str, returns_rows: bool) -> None:
    assert translate(text).returns_rows is returns_rows


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:'\"$-/*\n \\_1", max_size=200))
def test_no_text_breaks_the_translation(text: str) -> None:
    translated = translate(text)
    assert all(f"${number}" in translated.text for number in range(1, len(translated.names) + 1))
