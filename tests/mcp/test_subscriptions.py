"""Being told of mail: `resources/subscribe` up to 2025-11-25, `subscriptions/listen` from 2026-07-28."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.server.subscriptions import ResourcesListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import ResourceListChangedNotification
from pydantic import ValidationError

from e2a_core.contract.engine import Session
from e2a_core.contract.events import EventQuery
from e2a_core.contract.webhooks import CreateWebhookRequest
from e2a_core.errors import StoreUnavailable
from e2a_core.local.engine import LocalEngine
from e2a_mcp import subscriptions
from mcp import Client
from tests.support.home import SHARED

from .relay import LEGACY, MODERN, Relay, Told

pytestmark = [
    pytest.mark.anyio,
    # The client warns that the newer era has no such request; the older one is what is tested with it.
    pytest.mark.filterwarnings("ignore:resources/(un)?subscribe:mcp.shared.exceptions.MCPDeprecationWarning"),
]

REVIEWS = "mail://reviews"


async def next_uri(stream: Any) -> str:
    with anyio.fail_after(10):
        return str((await anext(stream)).uri)


async def until_over(stream: Any) -> None:
    """Until the server has ended the stream, whatever else it told before."""
    with anyio.fail_after(10):
        async for _ in stream:
            pass


async def label(client: Any, message_id: str, name: str) -> None:
    result = await client.call_tool("update_message_labels", {"message_id": message_id, "add_labels": [name]})
    assert not result.is_error


async def test_a_subscriber_of_the_older_era_is_told_on_its_connection(relay: Relay) -> None:
    box, told = await relay.inbox(), Told()
    async with box.client(LEGACY, message_handler=told) as client:
        assert client.server_capabilities.resources is not None
        assert client.server_capabilities.resources.subscribe is True
        await client.session.subscribe_resource(box.uri)
        await box.deliver()
        assert await told.next() == box.uri
        await client.session.unsubscribe_resource(box.uri)
        conversation_id, answering = await box.converse()
        conversation = f"mail://{box.email}/conversations/{conversation_id}"
        await client.session.subscribe_resource(conversation)
        await box.deliver(headers=answering)
        assert await told.next() == conversation
        assert told.waiting == 0


@pytest.mark.local_only("the API tells of arrivals alone")
async def test_changes_of_a_message_are_told(relay: Relay) -> None:
    box, told = await relay.inbox(), Told()
    message_id = await box.deliver()
    uri = f"mail://{box.email}/messages/{message_id}"
    async with box.client(LEGACY, message_handler=told) as client:
        await client.session.subscribe_resource(box.uri)
        await client.session.subscribe_resource(uri)
        await label(client, message_id, "x")
        assert {await told.next(), await told.next()} == {box.uri, uri}
        await client.session.unsubscribe_resource(box.uri)
        await label(client, message_id, "y")
        assert await told.next() == uri
        assert told.waiting == 0


@pytest.mark.each_store
async def test_a_stream_of_the_newer_era_carries_what_was_asked_for(relay: Relay) -> None:
    box = await relay.inbox()
    await box.deliver()
    conversation_id, answering = await box.converse()
    conversation = f"mail://{box.email}/conversations/{conversation_id}"
    wanted = [box.uri, conversation]
    async with box.client(MODERN) as client, client.listen(resource_subscriptions=wanted) as stream:
        assert stream.honored.resource_subscriptions == wanted
        await box.deliver(headers=answering)
        assert {await next_uri(stream), await next_uri(stream)} == set(wanted)


async def test_every_spelling_of_a_resource_is_answered_as_it_was_asked(relay: Relay) -> None:
    box = await relay.inbox()
    encoded = box.uri.replace("@", "%40")
    async with box.client(MODERN) as client, client.listen(resource_subscriptions=[encoded]) as stream:
        await box.deliver()
        assert await next_uri(stream) == encoded


async def test_nobody_is_told_of_another_inbox(relay: Relay) -> None:
    """The stranger asks for the inbox by its right name and hears nothing; the owner and the account do."""
    box, other = await relay.inbox(), await relay.inbox()
    async with (
        other.client() as stranger,
        box.client() as keeper,
        relay.account() as account,
        stranger.listen(resource_subscriptions=[box.uri, other.uri]) as strange,
        keeper.listen(resource_subscriptions=[box.uri]) as kept,
        account.listen(resource_subscriptions=[box.uri]) as watched,
    ):
        assert strange.honored.resource_subscriptions == [other.uri]
        await box.deliver()
        await other.deliver()
        assert await next_uri(kept) == box.uri
        assert await next_uri(watched) == box.uri
        assert await next_uri(strange) == other.uri


async def test_what_can_never_be_told_is_not_acknowledged(relay: Relay) -> None:
    box = await relay.inbox()
    message = f"mail://{box.email}/messages/{await box.deliver()}"
    silent = [
        "mail://typo/inbxo",
        f"mail://nobody-{box.email}/inbox",
        f"{message}/raw",
        f"{message}/attachments/0",
        f"mail://{box.email}/messages/none",
        REVIEWS,
    ]
    async with box.client() as client, client.listen(resource_subscriptions=[*silent, box.uri]) as stream:
        assert stream.honored.resource_subscriptions == [box.uri]
    async with box.client(LEGACY) as client:
        for uri in silent:
            with pytest.raises(MCPError) as refused:
                await client.session.subscribe_resource(uri)
            assert refused.value.error.data["code"] in {
                "not_found",
                "forbidden",
                "invalid_request",
                "not_implemented",
            }
    async with relay.account() as owner, owner.listen(resource_subscriptions=[*silent, message]) as stream:
        told = [REVIEWS, message] if relay.engine is relay.home.local else None
        assert stream.honored.resource_subscriptions == told


@pytest.mark.each_store
@pytest.mark.local_only("the API tells of arrivals alone")
async def test_decisions_change_the_review_queue(relay: Relay) -> None:
    box = await relay.inbox()
    async with relay.account() as owner, owner.listen(resource_subscriptions=[REVIEWS]) as stream:
        gate = {"outbound_gate_policy": "allowlist", "outbound_gate_action": "review"}
        await owner.call_tool("update_protection", {"email": box.email, **gate})
        letter = {"email": box.email, "to": ["bob@example.net"], "subject": "s", "text": "t"}
        held = (await owner.call_tool("send_message", letter)).structured_content
        assert held["status"] == "pending_review"
        assert await next_uri(stream) == REVIEWS
        await owner.call_tool("approve_review", {"message_id": held["message_id"]})
        assert await next_uri(stream) == REVIEWS


@pytest.mark.each_store
async def test_an_account_of_many_inboxes_is_told_of_each(relay: Relay) -> None:
    boxes = [await relay.inbox() for _ in range(22)]
    async with relay.account() as owner:
        for box in (boxes[0], boxes[-1]):
            async with owner.listen(resource_subscriptions=[box.uri]) as stream:
                await box.deliver()
                assert await next_uri(stream) == box.uri


async def test_an_inbox_that_goes_away_leaves_the_others_watched(relay: Relay, era: str) -> None:
    gone, box, told = await relay.inbox(), await relay.inbox(), Told()
    async with relay.account(era, message_handler=told) as owner:
        if era == LEGACY:
            await owner.session.subscribe_resource(gone.uri)
            await owner.session.subscribe_resource(box.uri)
            await gone.trash()
            await box.deliver()
            assert await told.next() == box.uri
        else:
            async with owner.listen(resource_subscriptions=[gone.uri, box.uri]) as stream:
                await gone.trash()
                await box.deliver()
                assert await next_uri(stream) == box.uri
        assert not (await owner.call_tool("whoami", {})).is_error


async def test_a_revoked_key_is_told_nothing_and_harms_nobody(relay: Relay, era: str) -> None:
    revoked, box = await relay.inbox(), await relay.inbox()

    async def sessions(context: Any) -> Session:
        return await relay.engine.session(revoked.key)

    told = Told()
    async with (
        relay.direct(sessions, mode=era, recheck_seconds=0.05, message_handler=told) as client,
        box.client() as bystander,
        bystander.listen(resource_subscriptions=[box.uri]) as theirs,
    ):
        if era == LEGACY:
            await client.session.subscribe_resource(revoked.uri)
            await revoked.revoke()
            with anyio.fail_after(10):
                while not (await client.call_tool("whoami", {})).is_error:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            with pytest.raises(MCPError) as refused:
                await client.session.subscribe_resource(revoked.uri)
            assert refused.value.error.data["code"] == "unauthorized"
        else:
            async with client.listen(resource_subscriptions=[revoked.uri]) as stream:
                await revoked.revoke()
                await until_over(stream)
        await box.deliver()
        assert await next_uri(theirs) == box.uri
        assert told.waiting == 0


class Faltering:
    """A session whose watch fails as told, once for each failure, and is real otherwise."""

    def __init__(self, session: Session, *, entering: list[Exception], watching: list[Exception]) -> None:
        self._session = session
        self._entering = entering
        self._watching = watching

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    @asynccontextmanager
    async def watch(self, **options: Any) -> AsyncIterator[AsyncIterator[Any]]:
        if self._entering:
            raise self._entering.pop()
        async with self._session.watch(**options) as events:
            yield self._until_failing(events)

    async def _until_failing(self, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for event in events:
            if self._watching:
                raise self._watching.pop()
            yield event


@pytest.mark.parametrize("failure", [StoreUnavailable("gone"), ValueError("a mistake")])
async def test_a_feed_that_fails_ends_its_own_subscription_only(
    relay: Relay, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    box, other = await relay.inbox(), await relay.inbox()
    faltering = Faltering(await relay.engine.session(box.key), entering=[], watching=[failure])
    whole = await relay.engine.session(other.key)
    turns: list[Any] = [faltering, whole]

    async def sessions(context: Any) -> Session:
        return turns.pop(0) if turns else whole

    with caplog.at_level(logging.WARNING, subscriptions.__name__):
        async with (
            relay.direct(sessions) as client,
            client.listen(resource_subscriptions=[box.uri]) as failing,
            client.listen(resource_subscriptions=[other.uri]) as standing,
        ):
            await box.deliver()
            await until_over(failing)
            await other.deliver()
            assert await next_uri(standing) == other.uri
    assert "a subscription" in caplog.text


@pytest.mark.parametrize("failure", [StoreUnavailable("gone"), ValueError("a mistake")])
async def test_a_subscription_that_could_not_begin_is_refused_and_can_be_asked_for_again(
    relay: Relay, era: str, failure: Exception
) -> None:
    box, told = await relay.inbox(), Told()
    session = Faltering(await relay.engine.session(box.key), entering=[failure], watching=[])

    async def sessions(context: Any) -> Any:
        return session

    async with relay.direct(sessions, mode=era, message_handler=told) as client:
        code = "store_unavailable" if isinstance(failure, StoreUnavailable) else "internal_error"
        if era == LEGACY:
            with pytest.raises(MCPError) as refused:
                await client.session.subscribe_resource(box.uri)
            await client.session.subscribe_resource(box.uri)
            await box.deliver()
            assert await told.next() == box.uri
        else:
            with pytest.raises(MCPError) as refused:
                async with client.listen(resource_subscriptions=[box.uri]):
                    raise AssertionError("it began")
            async with client.listen(resource_subscriptions=[box.uri]) as stream:
                await box.deliver()
                assert await next_uri(stream) == box.uri
        assert refused.value.error.data["code"] == code


async def test_one_credential_cannot_take_every_stream(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MAX_STREAMS_EACH", 1)
    greedy, box = await relay.inbox(), await relay.inbox()
    async with (
        greedy.client() as client,
        client.listen(resource_subscriptions=[greedy.uri]),
        box.client() as other,
    ):
        with pytest.raises(MCPError, match="at most 1"):
            async with client.listen(resource_subscriptions=[greedy.uri]):
                raise AssertionError("it began")
        async with other.listen(resource_subscriptions=[box.uri]) as stream:
            await box.deliver()
            assert await next_uri(stream) == box.uri
    async with greedy.client() as client, client.listen(resource_subscriptions=[greedy.uri]) as stream:
        await greedy.deliver()
        assert await next_uri(stream) == greedy.uri


class Lists:
    """Counts how often a client of the older era was told that the list of resources changed."""

    def __init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[None](100)

    async def __call__(self, message: Any) -> None:
        if isinstance(message, ResourceListChangedNotification):
            await self._send.send(None)

    async def next(self) -> None:
        with anyio.fail_after(10):
            await self._receive.receive()

    @property
    def waiting(self) -> int:
        return self._receive.statistics().current_buffer_used


async def uris(client: Any) -> set[str]:
    found, cursor = set(), None
    while True:
        page = await client.list_resources(cursor=cursor)
        found |= {item.uri for item in page.resources}
        cursor = page.next_cursor
        if cursor is None:
            return found


async def until_watched(relay: Relay, lists: Lists) -> None:
    """The older era has no acknowledgement: inboxes come until one is told of."""
    while not lists.waiting:
        await relay.inbox()
        await anyio.sleep(0.05)
    with anyio.move_on_after(0.3):
        while True:
            await lists.next()


@pytest.mark.local_only("another deployment does not tell")
async def test_an_account_of_the_older_era_is_told_when_inboxes_come_and_go(relay: Relay) -> None:
    lists = Lists()
    async with relay.account(LEGACY, message_handler=lists) as client:
        await until_watched(relay, lists)
        box = await relay.inbox()
        await lists.next()
        assert box.uri in await uris(client)
        await box.trash()
        await lists.next()
        assert box.uri not in await uris(client)
        await relay.owner.agents.restore(box.email)
        await lists.next()
        assert box.uri in await uris(client)
        await box.deliver()
        await relay.owner.agents.delete(box.email, permanent=True)
        await lists.next()
        assert box.uri not in await uris(client)
        assert lists.waiting == 0


@pytest.mark.each_store
@pytest.mark.local_only("another deployment does not tell")
async def test_a_stream_of_the_newer_era_tells_when_inboxes_come_and_go(relay: Relay) -> None:
    kept = await relay.inbox()
    async with (
        relay.account() as client,
        client.listen(resources_list_changed=True, resource_subscriptions=[kept.uri]) as stream,
        client.listen(resource_subscriptions=[kept.uri]) as other,
    ):
        assert stream.honored.resources_list_changed is True
        assert other.honored.resources_list_changed is None
        box = await relay.inbox()
        for change in (
            box.trash,
            lambda: relay.owner.agents.restore(box.email),
            lambda: relay.owner.agents.delete(box.email, permanent=True),
        ):
            with anyio.fail_after(10):
                assert isinstance(await anext(stream), ResourcesListChanged)
            await change()
        with anyio.fail_after(10):
            assert isinstance(await anext(stream), ResourcesListChanged)
        await kept.deliver()
        assert await next_uri(stream) == await next_uri(other) == kept.uri


@pytest.mark.local_only("another deployment does not tell")
async def test_the_list_alone_can_be_listened_to(relay: Relay) -> None:
    async with relay.account() as client, client.listen(resources_list_changed=True) as stream:
        assert stream.honored.resource_subscriptions is None
        box = await relay.inbox()
        with anyio.fail_after(10):
            assert isinstance(await anext(stream), ResourcesListChanged)
        await box.deliver()
        await box.trash()
        with anyio.fail_after(10):
            assert isinstance(await anext(stream), ResourcesListChanged)


@pytest.mark.local_only("another deployment does not tell")
async def test_a_role_that_gets_its_first_mail_is_a_new_resource(relay: Relay) -> None:
    async with relay.account() as client, client.listen(resources_list_changed=True) as stream:
        exchange = await relay.home.deliver(to=f"abuse@{SHARED}", subject="Spam")
        assert exchange.accepted
        with anyio.fail_after(10):
            assert isinstance(await anext(stream), ResourcesListChanged)
        assert f"mail://abuse@{SHARED}/inbox" in await uris(client)
        assert (await relay.home.deliver(to=f"abuse@{SHARED}", subject="More")).accepted
        await relay.inbox()
        with anyio.fail_after(10):
            assert isinstance(await anext(stream), ResourcesListChanged)
        with anyio.move_on_after(0.3) as patience:
            await anext(stream)
        assert patience.cancelled_caught, "the second mail made no inbox"


@pytest.mark.parametrize("mode", [LEGACY, "auto"])
async def test_nobody_is_promised_what_is_not_told(relay: Relay, mode: str) -> None:
    """An agent has one inbox; another deployment tells of mail alone."""
    box, local = await relay.inbox(), isinstance(relay.engine, LocalEngine)
    async with box.client(mode) as client:
        assert promised(client) == (False, False, False)
    async with relay.account(mode) as client:
        assert promised(client) == (local, False, False)


def promised(client: Client) -> tuple[bool | None, bool | None, bool | None]:
    found = client.server_capabilities
    assert found.resources is not None
    assert found.tools is not None
    assert found.prompts is not None
    return found.resources.list_changed, found.tools.list_changed, found.prompts.list_changed


async def test_a_list_that_nobody_tells_of_is_not_acknowledged(relay: Relay) -> None:
    box = await relay.inbox()
    keys = [box.key, *([] if isinstance(relay.engine, LocalEngine) else [relay.home.account_key])]
    for key in keys:
        async with relay.client(key) as client, client.listen(resources_list_changed=True) as stream:
            assert stream.honored.resources_list_changed is None


async def test_events_of_inboxes_stay_inside(relay: Relay) -> None:
    box = await relay.inbox()
    await box.trash()
    page = await relay.owner.events.list(EventQuery(agent_email=box.email))
    assert [event.type for event in page.items] == []
    with pytest.raises(ValidationError):
        CreateWebhookRequest.model_validate({"url": "https://example.com", "events": ["agent.created"]})
