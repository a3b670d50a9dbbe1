"""New mail found by looking: each message told once, whatever the clocks say and whatever fails in between."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from e2a_core.clock import rfc3339
from e2a_core.errors import Unauthorized
from e2a_core.remote import watching
from tests.remote.conftest import Answers, refusal

pytestmark = pytest.mark.anyio

INBOX = "assistant@agents.example"
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


class Mailbox:
    """Lists what it holds from `since` on, with a clock that is a quarter of a century slow."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.refusals: list[Response] = []
        self.looked = asyncio.Event()

    def add(self, seconds: int) -> str:
        row = {
            "id": f"msg_{len(self.rows)}",
            "direction": "inbound",
            "delivered_to": INBOX,
            "subject": "s",
            "read_status": "unread",
            "labels": [],
            "created_at": rfc3339(LONG_AGO + timedelta(seconds=seconds)),
        }
        self.rows.append(row)
        return str(row["id"])

    async def answer(self, request: Request) -> Response:
        self.looked.set()
        if self.refusals:
            return self.refusals.pop()
        query = request.query_params
        since = query.get("since", "")
        rows = sorted(
            (row for row in self.rows if row["created_at"] >= since), key=lambda row: row["created_at"]
        )
        if query["sort"] == "desc":
            rows.reverse()
        return JSONResponse({"items": rows[: int(query["limit"])], "next_cursor": None})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)


async def test_each_message_is_told_once_and_none_of_before(deployed: Answers) -> None:
    mailbox = Mailbox()
    for second in (0, 5, 5):
        mailbox.add(second)
    async with deployed(mailbox.answer) as (_, session), session.watch() as events:
        new = [mailbox.add(5), mailbox.add(9)]
        told = [(await anext(events)).data["message_id"] for _ in new]
        assert told == new
        late = mailbox.add(9)
        event = await anext(events)
        assert (event.type, event.data["message_id"], event.data["agent_email"]) == (
            "email.received",
            late,
            INBOX,
        )


async def test_what_passes_is_waited_out(deployed: Answers) -> None:
    mailbox = Mailbox()
    async with deployed(mailbox.answer) as (_, session), session.watch() as events:
        mailbox.refusals = [refusal(429, "rate_limited", {"Retry-After": "0"}), refusal(503, "unavailable")]
        arrived = mailbox.add(1)
        assert (await anext(events)).data["message_id"] == arrived
        assert mailbox.refusals == []


async def test_what_does_not_pass_ends_the_watch(deployed: Answers) -> None:
    mailbox = Mailbox()
    async with deployed(mailbox.answer) as (_, session), session.watch() as events:
        mailbox.refusals = [refusal(401, "unauthorized")]
        with pytest.raises(Unauthorized):
            await anext(events)


async def test_other_events_are_not_looked_for(deployed: Answers) -> None:
    mailbox = Mailbox()
    async with deployed(mailbox.answer) as (_, session), session.watch(types=["email.sent"]) as events:
        mailbox.add(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(events)
    assert not mailbox.looked.is_set()
