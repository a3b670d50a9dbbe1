"""Waiting for mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from mcp import Client

from .conftest import Connect, Listener
from .memory import AGENT, AGENT_KEY, OTHER, MemoryEngine

pytestmark = pytest.mark.anyio


async def until_watched(engine: MemoryEngine, count: int = 1) -> None:
    with anyio.fail_after(5):
        while len(engine.watchers) < count:  # noqa: ASYNC110 - a condition of the engine, not of this test
            await anyio.sleep(0.005)


async def wait(client: Client, results: list[Any], **arguments: Any) -> None:
    results.append(await client.call_tool("wait_for_message", arguments))


async def test_mail_that_arrives_is_returned_with_codes_and_links(
    connect: Connect, engine: MemoryEngine, era: str
) -> None:
    results: list[Any] = []
    async with connect(mode=era) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(wait, client, results)
        await until_watched(engine)
        message_id = await engine.deliver(
            "Verify your address",
            "Your verification code is 482913.\nOr open https://example.org/verify?token=abc123",
            sender="no-reply@example.org",
        )
    (result,) = results
    content = result.structured_content
    assert content["timed_out"] is False
    assert content["message"]["id"] == message_id
    assert content["codes"] == ["482913"]
    assert content["verification_links"] == ["https://example.org/verify?token=abc123"]
    assert engine.mail[message_id].view.read_status == "read"
    marker = content["message"]["untrusted"]["marker"]
    fenced = result.content[0].text.split(f"\n<<{marker}>>\n")[1]
    assert "Code found: 482913" in fenced


async def test_only_mail_that_passes_every_filter_ends_the_wait(
    connect: Connect, engine: MemoryEngine
) -> None:
    results: list[Any] = []
    async with connect() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: wait(client, results, from_="shop.example", subject_contains="order"))
        await until_watched(engine)
        await engine.deliver("your order", sender="me@example.org")
        await engine.deliver("newsletter", sender="news@shop.example")
        await engine.deliver("your order", sender="news@shop.example", email=OTHER)
        wanted = await engine.deliver("Your ORDER 7", sender="sales@shop.example")
    assert results[0].structured_content["message"]["id"] == wanted


async def test_a_timeout_is_a_result_that_tells_how_to_go_on(connect: Connect, engine: MemoryEngine) -> None:
    async with connect() as client:
        result = await client.call_tool("wait_for_message", {"timeout_seconds": 1})
    assert not result.is_error
    content = result.structured_content
    assert (content["message"], content["timed_out"]) == (None, True)
    assert content["waited_since"] in result.content[0].text
    assert engine.watchers == []


async def test_mail_that_is_already_there_counts_only_since(connect: Connect, engine: MemoryEngine) -> None:
    first = await engine.deliver("one")
    await engine.deliver("two")
    since = engine.mail[first].view.created_at.isoformat()
    async with connect() as client:
        found = await client.call_tool("wait_for_message", {"since": since, "timeout_seconds": 1})
        assert found.structured_content["message"]["id"] == first
        missed = await client.call_tool("wait_for_message", {"timeout_seconds": 1})
    assert missed.structured_content["timed_out"] is True


async def test_unread_mail_of_the_last_minute_need_not_be_waited_for(
    connect: Connect, engine: MemoryEngine
) -> None:
    engine.set_clock(datetime.now(UTC) - timedelta(seconds=10))
    wanted = await engine.deliver("your code", "It is 123456.")
    async with connect() as client:
        found = await client.call_tool("wait_for_message", {"subject_contains": "code"})
        assert found.structured_content["message"]["id"] == wanted
        again = await client.call_tool("wait_for_message", {"timeout_seconds": 1})
    assert again.structured_content["timed_out"] is True, "it has been read by now"


async def test_since_takes_a_span(connect: Connect, engine: MemoryEngine) -> None:
    engine.set_clock(datetime.now(UTC) - timedelta(seconds=100))
    wanted = await engine.deliver("one")
    async with connect() as client:
        result = await client.call_tool("wait_for_message", {"since": "2m", "timeout_seconds": 1})
    assert result.structured_content["message"]["id"] == wanted


async def test_an_unknown_inbox_is_told_at_once(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("wait_for_message", {"email": "nobody@agents.localhost"})
    assert result.is_error
    assert result.structured_content["code"] == "not_found"


async def test_an_agent_cannot_wait_on_another_inbox(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("wait_for_message", {"email": OTHER, "timeout_seconds": 1})
    assert result.structured_content["code"] == "forbidden"


async def test_progress_is_told_over_http_in_both_eras(listener: Listener, era: str) -> None:
    told: list[tuple[float, float | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total))

    async with listener.client(AGENT_KEY, era) as client, anyio.create_task_group() as tasks:

        async def waiting() -> None:
            result = await client.call_tool(
                "wait_for_message", {"timeout_seconds": 9}, progress_callback=progress
            )
            assert result.structured_content["message"]["subject"] == "here"

        tasks.start_soon(waiting)
        await until_watched(listener.engine)
        await listener.engine.deliver("here", email=AGENT)
    assert told[0] == (0.0, 9.0)


async def test_a_client_that_hangs_up_ends_the_wait(listener: Listener) -> None:
    async with listener.client(AGENT_KEY) as client:
        with anyio.move_on_after(0.3):
            await client.call_tool("wait_for_message", {"timeout_seconds": 60})
    with anyio.fail_after(5):
        while listener.engine.watchers:  # noqa: ASYNC110 - a condition of the engine, not of this test
            await anyio.sleep(0.01)
