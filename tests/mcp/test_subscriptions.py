"""Being told of mail: `resources/subscribe` up to 2025-11-25, `subscriptions/listen` from 2026-07-28."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types import ResourceUpdatedNotification

from .conftest import LEGACY, MODERN, Connect, Listener
from .memory import ACCOUNT_KEY, AGENT, AGENT_KEY, OTHER, OTHER_KEY, MemoryEngine
from .test_waiting import until_watched

pytestmark = [
    pytest.mark.anyio,
    # The client warns that the newer era has no such request; the older one is what is tested with it.
    pytest.mark.filterwarnings("ignore:resources/(un)?subscribe:mcp.shared.exceptions.MCPDeprecationWarning"),
]

INBOX = f"mail://{AGENT}/inbox"


class Told:
    """The updates a client of the older era was told of."""

    def __init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[str](100)

    async def __call__(self, message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            await self._send.send(message.params.uri)

    async def next(self) -> str:
        with anyio.fail_after(5):
            return await self._receive.receive()

    @property
    def waiting(self) -> int:
        return self._receive.statistics().current_buffer_used


async def test_a_subscriber_of_the_older_era_is_told_on_its_connection(
    connect: Connect, engine: MemoryEngine
) -> None:
    told = Told()
    async with connect(mode=LEGACY, message_handler=told) as client:
        await client.session.subscribe_resource(INBOX)
        message_id = await engine.deliver()
        assert await told.next() == INBOX
        uri = f"mail://{AGENT}/messages/{message_id}"
        await client.session.subscribe_resource(uri)
        await client.call_tool("update_message_labels", {"message_id": message_id, "add_labels": ["x"]})
        assert {await told.next(), await told.next()} == {INBOX, uri}
        await client.session.unsubscribe_resource(INBOX)
        await client.call_tool("update_message_labels", {"message_id": message_id, "add_labels": ["y"]})
        assert await told.next() == uri
        assert told.waiting == 0
    assert engine.watchers == []


async def test_a_stream_of_the_newer_era_carries_what_was_asked_for(
    connect: Connect, engine: MemoryEngine
) -> None:
    conversation = f"mail://{AGENT}/conversations/conv_1"
    wanted = [INBOX, conversation]
    async with connect(mode=MODERN) as client, client.listen(resource_subscriptions=wanted) as stream:
        await engine.deliver(conversation="conv_1")
        with anyio.fail_after(5):
            uris = {(await anext(stream)).uri, (await anext(stream)).uri}
        assert uris == {INBOX, conversation}
    assert engine.watchers == []


async def test_every_spelling_of_a_resource_is_answered_as_it_was_asked(
    connect: Connect, engine: MemoryEngine
) -> None:
    encoded = INBOX.replace("@", "%40")
    async with connect(mode=MODERN) as client, client.listen(resource_subscriptions=[encoded]) as stream:
        await engine.deliver()
        with anyio.fail_after(5):
            assert (await anext(stream)).uri == encoded


async def test_nobody_is_told_of_another_inbox(listener: Listener) -> None:
    """The stranger asks for the inbox by its right name and hears nothing; the owner and the account do."""
    engine = listener.engine
    async with (
        listener.client(OTHER_KEY) as stranger,
        listener.client(AGENT_KEY) as owner,
        listener.client(ACCOUNT_KEY) as account,
        stranger.listen(resource_subscriptions=[INBOX, f"mail://{OTHER}/inbox"]) as strange,
        owner.listen(resource_subscriptions=[INBOX]) as owned,
        account.listen(resource_subscriptions=[INBOX]) as watched,
    ):
        await until_watched(engine, 3)
        await engine.deliver()
        await engine.deliver(email=OTHER)
        with anyio.fail_after(5):
            assert (await anext(owned)).uri == INBOX
            assert (await anext(watched)).uri == INBOX
            assert (await anext(strange)).uri == f"mail://{OTHER}/inbox"


async def test_the_older_era_is_told_over_http_too(listener: Listener) -> None:
    told = Told()
    async with listener.client(AGENT_KEY, LEGACY, message_handler=told) as client:
        assert client.server_capabilities.resources is not None
        assert client.server_capabilities.resources.subscribe is True
        await client.session.subscribe_resource(INBOX)
        await listener.engine.deliver()
        assert await told.next() == INBOX
    with anyio.fail_after(5):
        while listener.engine.watchers:  # noqa: ASYNC110 - the DELETE of the session ends it
            await anyio.sleep(0.01)


async def test_decisions_change_the_review_queue(connect: Connect, engine: MemoryEngine) -> None:
    async with (
        connect("account") as client,
        client.listen(resource_subscriptions=["mail://reviews"]) as stream,
    ):
        message_id = await engine.deliver(pending=True)
        with anyio.fail_after(5):
            assert (await anext(stream)).uri == "mail://reviews"
            await client.call_tool("approve_review", {"message_id": message_id})
            assert (await anext(stream)).uri == "mail://reviews"
