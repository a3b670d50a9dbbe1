"""MCP Events: what is announced and listed, and what `events/poll` and `get_recent_events` tell.

The names in `sep-9999-...` are those of the checks in the scenarios `events-discovery` and `events-poll` of the
conformance suite of the protocol, each beside what shows it here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import jsonschema
import pytest
from mcp_types import Request
from pydantic import BaseModel, ConfigDict

from tests.support.home import ASSISTANT, SHARED, Home

from .conftest import Connect
from .raw_events import EXTENSION, RawHttp, over_http
from .relay import Inbox, Relay
from .results import text_of

pytestmark = pytest.mark.anyio

ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
CHECKS = {
    "sep-9999-capability-events-object": "test_both_eras_announce_events",
    "sep-9999-capability-list-changed-flag": "test_both_eras_announce_events",
    "sep-9999-capability-empty-settings": "test_both_eras_announce_events",
    "sep-9999-list-implemented": "test_the_list_describes_each_event",
    "sep-9999-list-pagination": "test_the_list_describes_each_event",
    "sep-9999-descriptor-name": "test_the_list_describes_each_event",
    "sep-9999-descriptor-description": "test_the_list_describes_each_event",
    "sep-9999-descriptor-delivery-subset": "test_the_list_describes_each_event",
    "sep-9999-descriptor-input-schema": "test_the_list_describes_each_event",
    "sep-9999-descriptor-payload-schema": "test_a_poll_tells_what_happened_since",
    "sep-9999-descriptor-meta": "test_the_list_describes_each_event",
    "sep-9999-error-not-found": "test_a_wrong_request_is_answered_by_the_documented_error",
    "sep-9999-error-server-range": "test_the_dialect_numbers_the_errors",
    "sep-9999-poll-implemented": "test_a_poll_without_a_cursor_begins_now",
    "sep-9999-poll-one-subscription-per-request": "test_a_poll_tells_what_happened_since",
    "sep-9999-poll-bootstraps-subscription": "test_a_poll_without_a_cursor_begins_now",
    "sep-9999-poll-events-array": "test_a_poll_without_a_cursor_begins_now",
    "sep-9999-poll-response-cursor": "test_a_poll_without_a_cursor_begins_now",
    "sep-9999-poll-next-poll-ms": "test_a_poll_without_a_cursor_begins_now",
    "sep-9999-poll-next-poll-ms-ignored-when-has-more": "test_a_batch_is_capped_and_says_that_there_is_more",
    "sep-9999-poll-has-more": "test_a_batch_is_capped_and_says_that_there_is_more",
    "sep-9999-poll-max-events-cap": "test_a_batch_is_capped_and_says_that_there_is_more",
    "sep-9999-poll-stateless-request": "test_a_poll_tells_what_happened_since",
    "sep-9999-poll-errors-are-jsonrpc": "test_a_wrong_request_is_answered_by_the_documented_error",
    "sep-9999-poll-invalid-arguments": "test_a_wrong_request_is_answered_by_the_documented_error",
    "sep-9999-removal-poll-not-found": "test_a_wrong_request_is_answered_by_the_documented_error",
    "sep-9999-occurrence-event-id": "test_a_poll_tells_what_happened_since",
    "sep-9999-occurrence-name": "test_a_poll_tells_what_happened_since",
    "sep-9999-occurrence-timestamp": "test_a_poll_tells_what_happened_since",
    "sep-9999-occurrence-data": "test_a_poll_tells_what_happened_since",
    "sep-9999-occurrence-cursor-optional": "test_a_poll_tells_what_happened_since",
    "sep-9999-occurrence-meta-ungoverned": "test_a_poll_tells_what_happened_since",
    "sep-9999-occurrence-event-id-from-upstream": "test_a_poll_tells_what_happened_since",
    "sep-9999-cursor-opaque": "test_cursors_are_signed_and_of_one_account",
    "sep-9999-cursor-null-starts-from-now": "test_a_poll_without_a_cursor_begins_now",
    "sep-9999-cursor-absent-equals-null": "test_a_poll_without_a_cursor_begins_now",
    "sep-9999-cursor-consistency": "test_a_poll_tells_what_happened_since",
    "sep-9999-cursor-advances-when-quiet": "test_a_quiet_cursor_stays_young",
    "sep-9999-max-age-ms-floor": "test_old_events_are_passed_over_when_asked",
    "sep-9999-max-age-ms-sets-truncated": "test_old_events_are_passed_over_when_asked",
    "sep-9999-max-age-ms-ignored-when-cursor-null": "test_a_poll_without_a_cursor_begins_now",
    "sep-9999-replay-ceiling-sets-truncated": "test_a_cursor_older_than_the_log_is_told_as_truncated",
    "sep-9999-truncated-returns-fresh-cursor": "test_a_cursor_older_than_the_log_is_told_as_truncated",
    "sep-9999-truncated-poll-never-an-error": "test_a_cursor_older_than_the_log_is_told_as_truncated",
}
"""Checks that apply. Not among them: what a server without events answers, an event without polling, and events
without replay.
"""


def test_every_check_has_its_test() -> None:
    assert set(CHECKS.values()) <= set(globals())


@asynccontextmanager
async def as_agent(box: Inbox, **capabilities: Any) -> AsyncIterator[RawHttp]:
    async with over_http(box.relay.base, box.key, **capabilities) as raw:
        yield raw


async def test_both_eras_announce_events(relay: Relay, box: Inbox) -> None:
    async with as_agent(box) as raw:
        for result in (await raw.result("server/discover"), await raw.handshake()):
            assert result["capabilities"]["events"] == {}
            assert result["capabilities"]["extensions"][EXTENSION] == {"listChanged": False}
        assert len((await raw.result("events/list"))["events"]) == 10
        assert (await raw.poll())["events"] == []


async def test_the_list_describes_each_event(relay: Relay, box: Inbox) -> None:
    async with as_agent(box) as raw, over_http(relay.base, relay.home.account_key) as owner:
        listed = await raw.result("events/list", cursor=None)
        assert "nextCursor" not in listed
        assert {event["name"].partition(".")[2] for event in listed["events"]} == {
            *("received", "sent", "failed", "delivered", "bounced", "complained", "flagged"),
            *("review_requested", "review_approved", "review_rejected"),
        }
        for event in listed["events"]:
            assert event["description"]
            assert event["delivery"]
            assert set(event["delivery"]) <= {"poll", "push", "webhook"}
            assert event["inputSchema"]["additionalProperties"] is False
            assert "_meta" not in event
            for schema in (event["inputSchema"], event["payloadSchema"]):
                jsonschema.Draft202012Validator.check_schema(schema)
        [first, *_] = (await owner.result("events/list"))["events"]
        assert first["inputSchema"]["required"] == ["agent_email"]


@pytest.mark.each_store
async def test_a_poll_without_a_cursor_begins_now(relay: Relay, box: Inbox) -> None:
    await box.deliver()
    async with as_agent(box) as raw:
        for params in ({}, {"cursor": None}, {"cursor": None, "maxAgeMs": 300_000, "timeoutMs": 30_000}):
            found = await raw.poll(**params)
            assert (found["events"], found["truncated"], found["hasMore"]) == ([], False, False)
            assert found["nextPollMs"] == 1_000
            assert isinstance(found["cursor"], str)
            assert found["resultType"] == "complete"


@pytest.mark.each_store
async def test_a_poll_tells_what_happened_since(relay: Relay, box: Inbox) -> None:
    async with as_agent(box) as raw:
        before = (await raw.poll())["cursor"]
        message_id = await box.deliver(subject="Invoice \u202e7")
        [event] = (found := await raw.poll(cursor=before))["events"]
        assert re.fullmatch(r"evt_\w+", event["eventId"])
        assert event["name"] == "email.received"
        assert ISO_8601.fullmatch(event["timestamp"])
        assert {"cursor", "_meta", "type"}.isdisjoint(event)
        data = event["data"]
        assert (data["message_id"], data["agent_email"]) == (message_id, box.email)
        assert (data["from"], data["verified"]) == ("alice@example.org", True)
        assert data["subject"] == "Invoice [U+202E]7"
        assert "Good morning" not in str(event)
        [described, *_] = (await raw.result("events/list"))["events"]
        jsonschema.validate(data, described["payloadSchema"])
        # The same question has the same answer, and the new cursor is after it.
        assert (await raw.poll(cursor=before))["events"] == [event]
        assert (await raw.poll(cursor=found["cursor"]))["events"] == []
        assert (await raw.poll(name="email.flagged", cursor=before))["events"] == []


@pytest.mark.each_store
async def test_a_batch_is_capped_and_says_that_there_is_more(relay: Relay, box: Inbox) -> None:
    async with as_agent(box) as raw:
        cursor = (await raw.poll())["cursor"]
        sent = [await box.deliver() for _ in range(3)]
        got, more = [], []
        for _ in range(3):
            found = await raw.poll(cursor=cursor, maxEvents=1)
            got += [event["data"]["message_id"] for event in found["events"]]
            more.append(found["hasMore"])
            cursor = found["cursor"]
        assert got == sent
        assert more == [True, True, False]


@pytest.mark.each_store
async def test_a_waiting_poll_ends_with_the_event_or_empty(relay: Relay, box: Inbox) -> None:
    async with as_agent(box) as raw, anyio.create_task_group() as tasks:
        cursor = (await raw.poll())["cursor"]
        empty = await raw.poll(cursor=cursor, timeoutMs=50)
        assert empty["events"] == []
        tasks.start_soon(box.deliver)
        # Without the event the client of this test gives up first.
        found = await raw.poll(cursor=empty["cursor"], timeoutMs=10**9)
        assert len(found["events"]) == 1


@pytest.mark.each_store
async def test_filters_are_applied_before_delivery(relay: Relay, box: Inbox) -> None:
    async with as_agent(box) as raw:
        cursor = (await raw.poll())["cursor"]
        wanted = await box.deliver(subject="Invoice 7")
        await box.deliver(subject="Offer")
        for arguments in (
            {"subject_contains": "INVOICE", "from": "example.org", "verified_only": True},
            {"agent_email": box.email.upper(), "subject_contains": "invoice"},
        ):
            events = (await raw.poll(cursor=cursor, arguments=arguments))["events"]
            assert [event["data"]["message_id"] for event in events] == [wanted]
        assert (await raw.poll(cursor=cursor, arguments={"from": "other.test"}))["events"] == []


async def test_an_agent_hears_of_its_own_sends_only_when_asked(
    relay: Relay, box: Inbox, connect: Connect
) -> None:
    async with as_agent(box) as raw, connect() as client:
        cursor = (await raw.poll())["cursor"]
        letter = {"to": [box.email], "subject": "Note to self", "text": "x", "wait_sent": True}
        assert not (await client.call_tool("send_message", letter)).is_error
        assert (await raw.poll(cursor=cursor))["events"] == []
        [event] = (await raw.poll(cursor=cursor, arguments={"from": box.email}))["events"]
        assert event["data"]["verified"] is True
        [sent] = (await raw.poll(name="email.sent", cursor=cursor))["events"]
        assert sent["data"]["message_type"] == "send"


@pytest.mark.each_store
async def test_held_mail_is_told_to_the_account_and_its_outcome_to_the_agent(
    relay: Relay, box: Inbox, connect: Connect
) -> None:
    account = {"agent_email": box.email}
    async with (
        as_agent(box) as raw,
        over_http(relay.base, relay.home.account_key) as owner,
        connect() as client,
    ):
        cursor = (await raw.poll())["cursor"]
        await box.hold_sends()
        letter = {"to": ["ann@example.org"], "subject": "Offer", "text": "x"}
        held = (await client.call_tool("send_message", letter)).structured_content
        assert held["status"] == "pending_review"
        for who, arguments in ((raw, {}), (owner, account)):
            asked = {"name": "email.review_requested", "cursor": cursor, "arguments": arguments}
            [event] = (await who.poll(**asked))["events"]
            assert event["data"]["message_id"] == held["message_id"]


async def test_nobody_polls_another_inbox(relay: Relay, box: Inbox) -> None:
    other = await relay.inbox()
    async with as_agent(other) as stranger, over_http(relay.base, relay.home.account_key) as owner:
        cursor = (await stranger.poll())["cursor"]
        await box.deliver()
        assert (await stranger.poll(cursor=cursor))["events"] == []
        refused = await stranger.error(
            "events/poll", name="email.received", arguments={"agent_email": box.email}
        )
        assert refused[:2] == (-32012, "Forbidden")
        nobody = {"agent_email": f"nobody@{SHARED}"}
        assert (await owner.error("events/poll", name="email.received", arguments=nobody))[0] == -32012
        assert len((await owner.poll(cursor=cursor, arguments={"agent_email": box.email}))["events"]) == 1


@pytest.mark.parametrize("method", ["events/poll", "events/stream"])
@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"name": "email.opened"}, -32011, None),
        ({"name": "email.blocked"}, -32011, None),
        ({"name": "message.updated"}, -32011, None),
        ({"name": ""}, -32011, None),
        ({"name": None}, -32602, "name"),
        ({"name": 7}, -32602, "name"),
        ({"arguments": []}, -32602, "arguments"),
        ({"arguments": {"labels": ["x"]}}, -32602, "arguments"),
        ({"arguments": {"from": 1}}, -32602, "arguments.from"),
        ({"arguments": {"from": ""}}, -32602, "arguments.from"),
        ({"arguments": {"verified_only": "yes"}}, -32602, "arguments.verified_only"),
        ({"arguments": {"subject_contains": "\x00"}}, -32602, "arguments.subject_contains"),
        ({"arguments": {"conversation_id": "x" * 129}}, -32602, "arguments.conversation_id"),
        ({"arguments": {"agent_email": "mate@elsewhere.test"}}, -32012, None),
        ({"cursor": "yesterday"}, -32602, "cursor"),
        ({"cursor": ""}, -32602, "cursor"),
        ({"cursor": "." * 5000}, -32602, "cursor"),
        ({"cursor": "\u00e9.\u00e9"}, -32602, "cursor"),
        ({"cursor": 41}, -32602, "cursor"),
        ({"maxAgeMs": -1}, -32602, "maxAgeMs"),
        ({"maxAgeMs": "1h"}, -32602, "maxAgeMs"),
        ({"maxAgeMs": 1.5}, -32602, "maxAgeMs"),
        ({"maxAgeMs": True}, -32602, "maxAgeMs"),
        ({"maxAgeMs": 10**30}, -32602, "maxAgeMs"),
    ],
)
async def test_a_wrong_request_is_answered_by_the_documented_error(
    relay: Relay, box: Inbox, method: str, params: dict[str, Any], code: int, field: str | None
) -> None:
    async with as_agent(box) as raw:
        found, message, data = await raw.error(method, **{"name": "email.received", **params})
    names = {-32011: "NotFound", -32012: "Forbidden", -32602: "InvalidParams"}
    assert (found, message) == (code, names[code])
    assert data.get("field") == field
    assert code != -32011 or data["kind"] == "event"


@pytest.mark.parametrize(
    "params", [{"maxEvents": 0}, {"maxEvents": "5"}, {"timeoutMs": -5}, {"timeoutMs": "1s"}]
)
async def test_a_wrong_size_or_wait_is_named(relay: Relay, box: Inbox, params: dict[str, Any]) -> None:
    async with as_agent(box) as raw:
        code, _, data = await raw.error("events/poll", name="email.received", **params)
        assert (code, data["field"]) == (-32602, next(iter(params)))
        assert (await raw.error("events/list", cursor="next"))[0] == -32602
        assert (await raw.error("events/poll"))[2]["field"] == "name"


async def test_the_dialect_numbers_the_errors(relay: Relay, box: Inbox) -> None:
    async with as_agent(box, extensions={EXTENSION: {}}) as modern, as_agent(box) as sketch:
        assert (await modern.error("events/poll", name="x"))[:2] == (-32023, "NotFound")
        assert (await sketch.error("events/poll", name="x"))[:2] == (-32011, "NotFound")
        other = {"agent_email": "mate@elsewhere.test"}
        assert (await modern.error("events/poll", name="email.sent", arguments=other))[0] == -32024
        assert (await modern.error("events/poll", name="email.sent", cursor="x"))[0] == -32602


@pytest.mark.each_store
async def test_cursors_are_signed_and_of_one_account(relay: Relay, box: Inbox) -> None:
    async with as_agent(box) as raw:
        cursor: str = (await raw.poll())["cursor"]
        payload, _, mac = cursor.partition(".")
        for forged in (payload, f"{payload}.", f"{payload}x.{mac}", f"{payload}.{mac[::-1]}", f"{cursor}="):
            assert (await raw.error("events/poll", name="email.received", cursor=forged))[2][
                "field"
            ] == "cursor"


@pytest.mark.each_store
async def test_a_quiet_cursor_stays_young(home: Home) -> None:
    async with home.listening() as base, over_http(base, home.agent_key) as raw:
        cursor = (await raw.poll())["cursor"]
        for _ in range(4):
            home.clock.advance(days=10)
            found = await raw.poll(cursor=cursor)
            assert found["truncated"] is False
            assert found["cursor"] != cursor
            cursor = found["cursor"]


@pytest.mark.each_store
async def test_a_cursor_older_than_the_log_is_told_as_truncated(home: Home) -> None:
    async with home.listening() as base, over_http(base, home.agent_key) as raw:
        cursor = (await raw.poll())["cursor"]
        home.clock.advance(days=31)
        assert (await home.deliver(to=ASSISTANT)).accepted
        found = await raw.poll(cursor=cursor)
        assert found["truncated"] is True
        assert len(found["events"]) == 1
        assert (await raw.poll(cursor=found["cursor"]))["truncated"] is False


@pytest.mark.each_store
async def test_old_events_are_passed_over_when_asked(home: Home) -> None:
    async with home.listening() as base, over_http(base, home.agent_key) as raw:
        cursor = (await raw.poll())["cursor"]
        assert (await home.deliver(subject="old")).accepted
        home.clock.advance(hours=2)
        assert (await home.deliver(subject="new")).accepted
        young = await raw.poll(cursor=cursor, maxAgeMs=3_600_000)
        assert [event["data"]["subject"] for event in young["events"]] == ["new"]
        assert young["truncated"] is True
        everything = await raw.poll(cursor=cursor, maxAgeMs=10_800_000)
        assert [event["data"]["subject"] for event in everything["events"]] == ["old", "new"]
        assert everything["truncated"] is False


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


async def test_the_official_client_lists_and_polls(relay: Relay, box: Inbox, era: str) -> None:
    async with box.client(era) as client:

        async def ask(method: str, **params: Any) -> dict[str, Any]:
            request = Request[dict[str, Any], str](method=method, params=params)
            return (await client.session.send_request(request, Answer)).model_dump()

        assert len((await ask("events/list"))["events"]) == 10
        cursor = (await ask("events/poll", name="email.received"))["cursor"]
        await box.deliver()
        assert len((await ask("events/poll", name="email.received", cursor=cursor))["events"]) == 1


@pytest.mark.each_store
async def test_recent_events_are_told_newest_first(relay: Relay, box: Inbox, connect: Connect) -> None:
    first, second = await box.deliver(subject="one"), await box.deliver(subject="two \u200b")
    async with connect() as client:
        result = await client.call_tool("get_recent_events", {})
        events = result.structured_content["events"]
        assert [event["data"]["message_id"] for event in events] == [second, first]
        assert result.content[0].meta == {"dev.e2a/untrusted": True}
        assert "\u200b" not in text_of(result)

        async def ids(**arguments: Any) -> list[str]:
            found = await client.call_tool("get_recent_events", arguments)
            assert not found.is_error, text_of(found)
            return [event["data"]["message_id"] for event in found.structured_content["events"]]

        assert await ids(limit=1) == [second]
        assert await ids(event_name="email.sent") == []
        assert await ids(arguments={"subject_contains": "ONE"}) == [first]
        assert await ids(event_id=events[1]["eventId"]) == [first]
        assert await ids(event_id="evt_none") == []
        for wrong in ({"event_name": "x"}, {"arguments": {"labels": 1}}, {"limit": 51}, {"limit": 0}):
            assert (await client.call_tool("get_recent_events", wrong)).is_error
    async with connect("account") as owner:
        told = await owner.call_tool("get_recent_events", {"email": box.email})
        assert told.structured_content["events"] == events
