"""Which index SQLite takes: without statistics its own choice would read the whole inbox to find a few messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from e2a_core.clock import SystemClock
from e2a_core.contract.messages import MessageQuery
from e2a_core.messages.search import MessageSearch
from e2a_core.store.open import open_database

pytestmark = pytest.mark.anyio

NOW = SystemClock().now()
Plan = Callable[[MessageQuery], str]


@pytest.fixture
async def plan(tmp_path: Path) -> Plan:
    database = await open_database(f"sqlite:///{tmp_path}/e2a.db", migration_mode="auto", clock=SystemClock())
    await database.close()
    connection = sqlite3.connect(tmp_path / "e2a.db")

    def explain(query: MessageQuery) -> str:
        statement = MessageSearch.of("bot@example.org", query, NOW).walk(None, 21)
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement.sqlite}", statement.params)
        return "; ".join(row[3] for row in rows)

    return explain


async def test_unread_mail_is_found_in_its_own_index(plan: Plan) -> None:
    for query in (MessageQuery(), MessageQuery(sort="asc"), MessageQuery(labels=["work"])):
        assert plan(query).startswith("SEARCH m USING INDEX messages_unread ")
        assert "TEMP B-TREE" not in plan(query)


async def test_a_conversation_is_found_in_its_own_index(plan: Plan) -> None:
    assert "messages_conversation " in plan(MessageQuery(conversation_id="conv_1"))
    assert "messages_conversation " in plan(MessageQuery(conversation_id="conv_1", direction="all"))


async def test_pages_come_in_the_order_of_an_index(plan: Plan) -> None:
    for query in (
        MessageQuery(read_status="all"),
        MessageQuery(direction="all"),
        MessageQuery(direction="outbound"),
        MessageQuery(deleted=True),
    ):
        assert "TEMP B-TREE" not in plan(query)


async def test_the_index_asked_for_can_always_be_used(plan: Plan) -> None:
    for direction, status, deleted, sort, conversation, words in product(
        ("inbound", "outbound", "all", None),
        ("unread", "read", "all", None),
        (True, False),
        ("asc", "desc"),
        ("conv_1", None),
        ("invoice", None),
    ):
        if direction == "outbound" and status not in {"all", None}:
            continue
        assert plan(
            MessageQuery(
                direction=direction,
                read_status=status,
                deleted=deleted,
                sort=sort,
                conversation_id=conversation,
                query=words,
            )
        )
