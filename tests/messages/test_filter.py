"""The list filter: its grammar, its positioned errors, and its SQL against an independent evaluation."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.clock import to_micros
from e2a_core.errors import InvalidFilter
from e2a_core.messages.filter import FilterRow, compile_filter, evaluate, parse_filter
from e2a_core.messages.filter_syntax import And, Comparison, Interval, Node, Not, Or


def micros(*parts: int) -> int:
    return to_micros(datetime(*parts, tzinfo=UTC))  # type: ignore[misc, arg-type]


A = Comparison("label", ":", "a")
B = Comparison("label", ":", "b")
C = Comparison("label", ":", "c")
DAY = Interval(micros(2026, 1, 31), micros(2026, 2, 1))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", And(())),
        ("  \t", And(())),
        ("label:a", A),
        ("label : A", A),
        ("label:a label:b", And((A, B))),
        ("label:a AND label:b", And((A, B))),
        ("label:a OR label:b", Or((A, B))),
        # AIP-160: OR binds tighter than both kinds of AND.
        ("label:a label:b OR label:c", And((A, Or((B, C))))),
        ("label:a OR label:b label:c", And((Or((A, B)), C))),
        ("label:a AND label:b OR label:c", And((A, Or((B, C))))),
        ("label:a OR label:b AND label:c", And((Or((A, B)), C))),
        ("(label:a label:b) OR label:c", Or((And((A, B)), C))),
        ("NOT label:a", Not(A)),
        ("-label:a", Not(A)),
        ("-(label:a OR label:b)", Not(Or((A, B)))),
        ("NOT label:a OR label:b", Or((Not(A), B))),
        ("NOT NOT label:a", A),
        ("((label:a))", A),
        ("label:a(label:b)", And((A, B))),
        ("label=e2a:spam", Comparison("label", "=", "e2a:spam")),
        ("label!=a", Comparison("label", "!=", "a")),
        ("from:Alice@Example.org", Comparison("from", ":", "alice@example.org")),
        ("from = prvs-1@x.org", Comparison("from", "=", "prvs-1@x.org")),
        ('subject:"out of (office)"', Comparison("subject", ":", "out of (office)")),
        (r'subject="a \"b\" \\ c"', Comparison("subject", "=", r'a "b" \ c')),
        ("subject:'it\\'s'", Comparison("subject", ":", "it's")),
        ('subject:"AND"', Comparison("subject", ":", "AND")),
        ("subject:50%_x", Comparison("subject", ":", "50%_x")),
        ("created>=2026-01-31", Comparison("created", ">=", DAY)),
        ('created = "2026-01-31"', Comparison("created", "=", DAY)),
        (
            "created<2026-01-31T01:00:00+01:00",
            Comparison("created", "<", Interval(DAY.start, DAY.start + 1)),
        ),
        (
            "created>2026-01-31t00:00:00.000001999z",
            Comparison("created", ">", Interval(DAY.start + 1, DAY.start + 2)),
        ),
    ],
)
def test_grammar(text: str, tree: Node) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("text", "position", "hint"),
    [
        ("to:bob", 0, "label, from, subject, has and created"),
        ("Label:a", 0, "unknown field"),
        ("label:a and label:b", 8, "capitals"),
        ("label:a AND", 11, "ends"),
        ("OR label:a", 0, "between two terms"),
        ("label:a OR OR label:b", 11, "between two terms"),
        ("hello", 0, "unknown field"),
        ('"hello"', 0, "subject:"),
        ("label", 5, ": = !="),
        ("label>a", 5, ": = !="),
        ("subject<a", 7, ": = !="),
        ("created:2026-01-31", 7, "<="),
        ("label:", 6, "value"),
        ("label:a label:", 14, "value"),
        ("label:a=b", 6, "a-z"),
        ("label:sp\u00e4m", 6, "a-z"),
        ("label:" + "a" * 65, 6, "64"),
        ('subject:""', 8, "must not be empty"),
        ("subject:*", 8, "quotes"),
        ("subject:a*", 8, "quotes"),
        ("subject:AND", 8, "quotes"),
        ('subject:"open', 8, "never closed"),
        ("(label:a", 0, "never closed"),
        ("label:b ((label:a)", 8, "never closed"),
        ("label:a)", 7, "never opened"),
        ("()", 1, "term"),
        ("created>yesterday", 8, "2026-01-31"),
        ("created>2026-02-30", 8, "2026-01-31"),
        ("created>2026-01-31T00:00:00+1", 8, "2026-01-31T12:00:00Z"),
        ("created > 2026-01-31T25:00:00Z", 10, "timestamp"),
        ("subject:a\x00b", 9, "control"),
        ("subject:\ud800", 8, "surrogate"),
        ("-", 1, "ends"),
        ("label:a, label:b", 7, "label:urgent"),
        ("label:a" + " " * 500, 500, "500"),
    ],
)
def test_errors_name_the_place_and_what_is_right(text: str, position: int, hint: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse_filter(text)
    assert caught.value.position == position
    assert hint in caught.value.message
    assert caught.value.code == "invalid_filter"


@pytest.mark.parametrize(
    "text", ["(" * 500, "-" * 500, "NOT " * 125, "(-" * 250, "(" * 21 + "label:a" + ")" * 21]
)
def test_nesting_is_bounded(text: str) -> None:
    with pytest.raises(InvalidFilter):
        parse_filter(text)


def test_values_travel_as_parameters_only() -> None:
    text, params = compile_filter(parse_filter('subject:"\'; DROP TABLE messages; --" from:50%_\\x'))
    assert "DROP" not in text
    assert params == {"f0": "%'; DROP TABLE messages; --%", "f1": "%50\\%\\_\\\\x%"}


CREATED = (DAY.start - 1, DAY.start, DAY.start + 1, DAY.end - 1, DAY.end, 0)
TEXTS = ("", "invoice", "Invoice 50%", "50_", "5\\0", "ÉTÉ", "été", "straße", "a@example.org", "İ", "x'y")
LABELS = ("a", "b", "e2a:spam")

rows = st.builds(
    FilterRow,
    sender=st.sampled_from([text.lower() for text in TEXTS]) | st.text(max_size=6).map(str.lower),
    sender_name=st.sampled_from(TEXTS) | st.text(max_size=6),
    subject=st.sampled_from(TEXTS) | st.text(max_size=6),
    created=st.sampled_from(CREATED),
    labels=st.frozensets(st.sampled_from(LABELS)),
)
comparisons = st.one_of(
    st.builds(Comparison, st.just("label"), st.sampled_from([":", "=", "!="]), st.sampled_from(LABELS)),
    st.builds(
        Comparison,
        st.sampled_from(["from", "subject"]),
        st.sampled_from([":", "=", "!="]),
        st.sampled_from(TEXTS[1:]) | st.text(min_size=1, max_size=2),
    ),
    st.builds(
        Comparison,
        st.just("created"),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.sampled_from([DAY, Interval(DAY.start, DAY.start + 1), Interval(0, 1)]),
    ),
)
trees = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.create_function("lower", 1, str.lower, deterministic=True)
    connection.executescript(
        "CREATE TABLE messages (id TEXT, sender TEXT, from_name TEXT, subject TEXT, created_at BIGINT);"
        "CREATE TABLE message_labels (message_id TEXT, label TEXT);"
    )
    yield connection
    connection.close()


def matches(database: sqlite3.Connection, row: FilterRow, tree: Node) -> bool:
    database.execute("DELETE FROM messages")
    database.execute("DELETE FROM message_labels")
    database.execute(
        "INSERT INTO messages VALUES ('m1', ?, ?, ?, ?), ('m2', 'other', '', 'other', 7)",
        (row.sender, row.sender_name, row.subject, row.created),
    )
    labels = [("m1", label) for label in sorted(row.labels)]
    database.executemany("INSERT INTO message_labels VALUES (?, ?)", labels)
    condition, params = compile_filter(tree)
    found = database.execute(f"SELECT 1 FROM messages m WHERE m.id = 'm1' AND ({condition})", params)
    return found.fetchone() is not None


def encodable(*texts: str) -> bool:
    """What a filter lets through and a database can hold."""
    return not any("\x00" in text or not text.isprintable() for text in texts)


@settings(max_examples=200, deadline=None)
@given(row=rows, tree=trees)
def test_sql_agrees_with_evaluation(database: sqlite3.Connection, row: FilterRow, tree: Node) -> None:
    if encodable(row.sender, row.sender_name, row.subject, str(tree)):
        assert matches(database, row, tree) is evaluate(tree, row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label:a", True),
        ("label:b", False),
        ("label!=b", True),
        ("from:@EXAMPLE.org", True),
        ("from=example.org", False),
        ("from=alice@example.org", True),
        ("subject:INVOICE", True),
        ('subject:"50%"', True),
        ("subject:5_%", False),
        ("subject:été", True),
        ('subject="invoice 50% été"', True),
        ("created=2026-01-31", True),
        ("created>2026-01-31", False),
        ("created>=2026-01-31 created<=2026-01-31", True),
        ("created<2026-01-31", False),
        ("created!=2026-01-31T12:00:00Z", False),
        ("created=2026-01-31T12:00:00Z", True),
        ("label:b OR subject:invoice -from:bob", True),
    ],
)
def test_meaning(database: sqlite3.Connection, text: str, expected: bool) -> None:
    row = FilterRow("alice@example.org", "Invoice 50% ÉTÉ", micros(2026, 1, 31, 12), frozenset({"a"}))
    tree = parse_filter(text)
    assert evaluate(tree, row) is expected
    assert matches(database, row, tree) is expected


pieces = st.one_of(
    st.sampled_from(["label", "from", "subject", "created", "AND", "OR", "NOT", "-", "(", ")", " "]),
    st.sampled_from([":", "=", "!=", "<", ">=", '"', "'", "\\", "a", "*", "é", "\x00"]),
    st.sampled_from(["2026-01-31", "9999-12-31", "0001-01-01T00:00:00+23:59"]),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(pieces, max_size=40).map("".join)))
def test_any_text_is_parsed_or_refused_with_a_position(database: sqlite3.Connection, text: str) -> None:
    try:
        tree = parse_filter(text)
    except InvalidFilter as error:
        position = error.position
    else:
        position = 0
        matches(database, FilterRow("a@example.org", "hello", 0, ()), tree)
    assert position is not None
    assert 0 <= position <= len(text)
