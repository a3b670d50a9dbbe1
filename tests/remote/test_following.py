"""Events of a deployment that lists them newest first: each told once and in order, whatever the backlog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from e2a_core.clock import rfc3339
from e2a_core.errors import InvalidCursor
from e2a_core.remote import event_log, watching
from e2a_core.remote.following import OVERLAP
from tests.remote.conftest import ACCOUNT, Answers

pytestmark = pytest.mark.anyio

INBOX = "assistant@agents.example"
OWNER = {**ACCOUNT, "scope": "account", "agent_email": None}
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
FILTERS = {"agent_email": INBOX}
MAX_CURSOR_CHARS = 2048


class Log:
    """`/v1/events`, newest first, in pages."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, instant: datetime, type: str = "email.received") -> str:
        id = f"evt_{len(self.rows):05}"
        data = {"message_id": f"msg_{id}", "agent_email": INBOX, "direction": "inbound", "subject": id}
        self.rows.append(
            {
                "type": type,
                "id": id,
                "schema_version": "1",
                "created_at": rfc3339(instant),
                "data": data,
                "status": "no_match",
                "agent_email": INBOX,
            }
        )
        return id

    async def answer(self, request: Request) -> Response:
        if not request.url.path.startswith("/v1/events"):
            return JSONResponse({"email": INBOX})
        query = request.query_params
        since, until, type = query.get("since"), query.get("until"), query.get("type")
        rows = sorted(
            (
                row
                for row in self.rows
                if (
                    since is None
                    or datetime.fromisoformat(row["created_at"]) >= datetime.fromisoformat(since)
                )
                and (
                    until is None or datetime.fromisoformat(row["created_at"]) < datetime.fromisoformat(until)
                )
                and type in {None, row["type"]}
            ),
            key=lambda row: (datetime.fromisoformat(row["created_at"]), row["id"]),
            reverse=True,
        )
        begin, limit = int(query.get("cursor", "0")), int(query["limit"])
        end = begin + limit
        return JSONResponse({"items": rows[begin:end], "next_cursor": str(end) if end < len(rows) else None})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.0)


async def polled(session: Any, cursor: str | None, limit: int = 100) -> tuple[list[str], str, bool]:
    """As a client polls: with nothing but the cursor of the answer before."""
    async with session.occurrences.follow("email.received", FILTERS, cursor=cursor) as following:
        if cursor is None:
            return [], following.cursor, False
        page = await following.page(limit=limit)
        return [item.id for item in page.items], page.cursor, page.more


@pytest.mark.parametrize("spread", [timedelta(days=9), timedelta(seconds=700), timedelta(milliseconds=4000)])
@pytest.mark.parametrize("earlier", [0, 3])
async def test_a_backlog_is_told_in_order_and_once(
    deployed: Answers, monkeypatch: pytest.MonkeyPatch, spread: timedelta, earlier: int
) -> None:
    monkeypatch.setattr(event_log, "PAGE", 60)
    log, count = Log(), 400
    for number in range(earlier):
        log.add(BEGAN + number * timedelta(seconds=3))
    async with deployed(log.answer, account=OWNER) as (_, session):
        _, cursor, _ = await polled(session, None)
        wanted = [log.add(BEGAN + timedelta(minutes=1) + number * spread / count) for number in range(count)]
        got: list[str] = []
        more = True
        while more:
            told, cursor, more = await polled(session, cursor, limit=70)
            got += told
            assert len(cursor) <= MAX_CURSOR_CHARS
        assert got == wanted
        assert (await polled(session, cursor))[0] == []


async def test_what_is_committed_late_is_told(deployed: Answers) -> None:
    log = Log()
    async with deployed(log.answer, account=OWNER) as (_, session):
        log.add(BEGAN)
        _, cursor, _ = await polled(session, None)
        first = log.add(BEGAN + timedelta(seconds=30))
        told, cursor, _ = await polled(session, cursor)
        late = log.add(BEGAN + timedelta(seconds=30) - OVERLAP / 2)
        again, cursor, _ = await polled(session, cursor)
        assert (told, again) == ([first], [late])
        assert (await polled(session, cursor))[0] == []


async def test_a_wait_ends_with_the_event_and_can_be_cut_short(deployed: Answers) -> None:
    log = Log()
    async with (
        deployed(log.answer, account=OWNER) as (_, session),
        session.occurrences.follow("email.received", FILTERS) as following,
    ):
        for _ in range(3):
            assert (await following.page(limit=9, wait_seconds=0.005)).items == ()
            log.add(BEGAN, "email.flagged")
            wanted = log.add(BEGAN + timedelta(seconds=1))
            page = await following.page(limit=9, wait_seconds=20)
            assert [item.id for item in page.items] == [wanted]


async def test_another_accounts_cursor_is_refused(deployed: Answers) -> None:
    log = Log()
    async with deployed(log.answer, account=OWNER) as (_, session):
        _, cursor, _ = await polled(session, None)
    other = {**OWNER, "user": {"id": "usr_2", "email": "other@example.org"}}
    async with deployed(log.answer, account=other) as (_, session):
        with pytest.raises(InvalidCursor):
            await polled(session, cursor)
