"""What every page reads is found by an index, however much mail there is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from e2a_core.clock import SystemClock
from e2a_core.people.queries import frame
from e2a_core.store.open import open_database

pytestmark = pytest.mark.anyio


async def test_the_frame_reads_held_mail_alone(tmp_path: Path) -> None:
    path = tmp_path / "e2a.db"
    await (await open_database(f"sqlite:///{path}", clock=SystemClock())).close()
    statement = frame("account", 100)
    with sqlite3.connect(path) as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement.sqlite}", statement.params).fetchall()
    connection.close()
    assert any("messages_held" in row[3] for row in rows), rows
