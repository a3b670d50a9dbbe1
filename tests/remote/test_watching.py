"""New mail found by looking: each message told once, whatever the clocks say and whatever fails in between."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from e2a_core.clock import rfc3339
from e2a_core.errors import NotFound, Unauthorized
from e2a_core.remote import watching
from e2a_core.remote.watching import Pace
from tests.remote.conftest import ACCOUNT, Answers, refusal

pytestmark = pytest.mark.anyio

INBOX = "assistant@agents.example"
LISTED: dict[str, Any] = {"/v1/agents/{email}/messages": {"get": {}}}
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


class Ticking:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return LONG_AGO


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.001)


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


async def test_an_inbox_that_is_gone_is_dropped_and_the_last_ends_the_watch(deployed: Answers) -> None:
    mailbox, gone = Mailbox(), {"other@agents.example"}

    async def answer(request: Request) -> Response:
        if any(email in request.url.path for email in gone):
            return refusal(404, "not_found")
        return await mailbox.answer(request)

    async with deployed(answer, paths=LISTED) as (_, session):
        async with session.watch(emails=["other@agents.example", f" {INBOX.upper()} "]) as events:
            arrived = mailbox.add(1)
            assert (await anext(events)).data == {
                "message_id": arrived,
                "agent_email": INBOX,
                "direction": "inbound",
                "subject": "s",
            }
            gone.add(INBOX)
            with pytest.raises(NotFound):
                await anext(events)
        with pytest.raises(NotFound):
            async with session.watch(emails=["other@agents.example"]):
                pass


async def test_only_the_inboxes_that_were_named_are_looked_at(deployed: Answers) -> None:
    mailbox = Mailbox()
    account = {**ACCOUNT, "scope": "account", "agent_email": None}
    async with (
        deployed(mailbox.answer, account=account) as (deployment, session),
        session.watch(emails=[INBOX]) as events,
    ):
        mailbox.add(1)
        await anext(events)
        paths = {request.url.path for request in deployment.asked} - {"/v1/openapi.json"}
    assert paths == {"/v1/account", f"/v1/agents/{INBOX}/messages"}


async def test_all_watches_of_a_credential_share_its_reads() -> None:
    clock = Ticking()
    pace = Pace(clock)
    await pace.turn()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(pace.turn())
        await asyncio.sleep(0)
        # Each has the turn after the one before, however often they ask.
        assert pace.next_turn == pytest.approx(5 * watching.LOOK_SECONDS)
    clock.seconds = 100.0
    await pace.turn()
    assert pace.next_turn == pytest.approx(100 + watching.LOOK_SECONDS)


async def test_other_events_are_not_looked_for(deployed: Answers) -> None:
    mailbox = Mailbox()
    async with deployed(mailbox.answer) as (_, session), session.watch(types=["email.sent"]) as events:
        mailbox.add(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(events)
    assert not mailbox.looked.is_set()
