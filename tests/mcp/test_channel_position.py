"""How far a channel has read: what others send must not make it forget what the owner said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2a_mcp.channel.position import REMEMBERED, Position

pytestmark = pytest.mark.anyio

STARTED = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


async def test_a_flood_does_not_bring_the_owners_words_in_again(tmp_path: Path) -> None:
    """Mail of the last minutes is looked at again after a restart."""
    position = Position(tmp_path, "", "box@agents.example", STARTED)
    await position.acquire()
    position.saw(STARTED, ["msg_owner"])
    for _ in range(REMEMBERED + 1):
        position.saw(STARTED + timedelta(seconds=1))
    position.release()

    again = Position(tmp_path, "", "box@agents.example", STARTED + timedelta(hours=1))
    await again.acquire()
    assert again.since < "2026-11-02T09:30:00Z"
    assert again.has_seen("msg_owner")
    again.release()


async def test_of_the_owners_mail_the_oldest_is_forgotten(tmp_path: Path) -> None:
    position = Position(tmp_path, "", "box@agents.example", STARTED)
    await position.acquire()
    for number in range(REMEMBERED + 1):
        position.saw(STARTED, [f"msg_{number}"])
    assert not position.has_seen("msg_0")
    assert position.has_seen("msg_1")
    position.release()
