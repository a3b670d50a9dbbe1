"""A compiled filter on both databases, against its evaluation in Python."""

from __future__ import annotations

import pytest

from e2a_core.messages.filter import FilterRow, compile_filter, evaluate, parse_filter
from e2a_core.store.database import Database
from e2a_core.store.statement import sql

pytestmark = pytest.mark.anyio

ROWS = {
    "m1": FilterRow("alice@example.org", "Invoice 50% off", 1769860800000000, frozenset({"a", "e2a:spam"})),
    "m2": FilterRow(
        "bob_x@example.net", "RE: it's \\ done", 1769904000000000, frozenset({"b"}), sender_name="Bob Ütz"
    ),
    "m3": FilterRow("", "", 1769947200000000, frozenset()),
}
FILTERS = [
    "",
    "label:a OR label:b",
    "label!=a -label:b",
    "label=e2a:spam",
    "from:EXAMPLE",
    "from:bob_x from!=alice@example.org",
    "from=Bob_X@example.net",
    'from:"BOB "',
    "subject:50%",
    "subject:5_%",
    r'subject:"\\ done"',
    'subject:"it\'s"',
    'subject="invoice 50% OFF"',
    "NOT subject:invoice",
    "created=2026-01-31",
    "created!=2026-01-31",
    "created<2026-02-01 created>=2026-01-31T12:00:00Z",
    "created<=2026-01-31 (label:a OR NOT from:bob)",
    "created>2026-01-31",
]

QUERY = """
WITH fixed (id, sender, from_name, subject, created_at) AS (VALUES {messages}),
     message_labels (message_id, label) AS (VALUES ('m1', 'a'), ('m1', 'e2a:spam'), ('m2', 'b'))
SELECT m.id FROM fixed m WHERE ({condition}) ORDER BY m.id
"""


@pytest.mark.parametrize("text", FILTERS)
async def test_both_databases_agree_with_evaluation(database: Database, text: str) -> None:
    tree = parse_filter(text)
    condition, params = compile_filter(tree)
    values = []
    for number, (key, row) in enumerate(ROWS.items()):
        values.append(
            f"('{key}', CAST(:s{number} AS TEXT), CAST(:n{number} AS TEXT), CAST(:t{number} AS TEXT), "
            f"CAST(:c{number} AS BIGINT))"
        )
        params |= {f"s{number}": row.sender, f"n{number}": row.sender_name}
        params |= {f"t{number}": row.subject, f"c{number}": row.created}
    query = QUERY.format(messages=", ".join(values), condition=condition)
    found = [row["id"] for row in await database.read(sql(query, **params))]
    assert found == [key for key, row in ROWS.items() if evaluate(tree, row)]
