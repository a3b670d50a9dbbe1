"""Resource subscriptions in both protocol eras, fed by the engine's events.

Up to 2025-11-25 a client names resources one by one and is told on its connection; from 2026-07-28 on it opens a
stream with all it wants. Both watch through the caller's own session, so nobody learns of mail they may not see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from e2a_core.engine import Session
from e2a_core.errors import E2AError
from e2a_core.wire.events import EventEnvelope

from .uris import MailTarget, parse_mail_uri

__all__ = ["Subscriptions"]

Context = ServerRequestContext[Any]
Sessions = Callable[[Context], Awaitable[Session]]

# A stream costs a task and a watcher; one process serves this many and refuses more.
MAX_STREAMS = 1024
MAX_URIS = 200
# How long a revoked credential may still be told that something changed.
RECHECK_SECONDS = 30.0
_STATE_KEY = "e2a.subscriber"


@dataclass(slots=True)
class _Subscriber:
    """What one client wants to hear of; each target under every spelling it was asked for."""

    tell: Callable[[str], Awaitable[None]]
    wanted: dict[MailTarget, set[str]] = field(default_factory=lambda: defaultdict(set))
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def add(self, uris: Iterable[str]) -> None:
        for uri in uris:
            if (target := parse_mail_uri(uri)) is not None:
                self.wanted[target].add(uri)

    def discard(self, uri: str) -> None:
        if (target := parse_mail_uri(uri)) is not None:
            self.wanted[target].discard(uri)
            if not self.wanted[target]:
                del self.wanted[target]

    @property
    def size(self) -> int:
        return sum(len(uris) for uris in self.wanted.values())


class Subscriptions:
    """The subscription handlers of one server."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._tasks: TaskGroup | None = None
        self._streams = 0

    @asynccontextmanager
    async def lifespan(self, server: Server[Any]) -> AsyncIterator[None]:
        """Owns the tasks that outlive the request which started them."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()

    async def listen(
        self, context: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """`subscriptions/listen`: the response is the stream."""
        session = await self._sessions(context)
        bus = InMemorySubscriptionBus()

        async def publish(uri: str) -> None:
            await bus.publish(ResourceUpdated(uri))

        subscriber = _Subscriber(publish)
        subscriber.add((params.notifications.resource_subscriptions or [])[:MAX_URIS])
        async with self._place(), anyio.create_task_group() as tasks:
            await tasks.start(self._feed, context, session, subscriber)
            result = await ListenHandler(bus)(context, params)
            tasks.cancel_scope.cancel()
        return result

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """`resources/subscribe`: what follows goes out on the client's connection."""
        connection = _connection(context)
        subscriber: _Subscriber | None = connection.state.get(_STATE_KEY)
        if subscriber is None:
            assert self._tasks is not None
            session = await self._sessions(context)
            subscriber = _Subscriber(connection.send_resource_updated)
            connection.state[_STATE_KEY] = subscriber
            connection.exit_stack.callback(subscriber.scope.cancel)
            await self._tasks.start(self._feed, context, session, subscriber)
        if subscriber.size >= MAX_URIS:
            raise MCPError(INTERNAL_ERROR, f"at most {MAX_URIS} subscriptions on one connection")
        subscriber.add([params.uri])
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        subscriber: _Subscriber | None = _connection(context).state.get(_STATE_KEY)
        if subscriber is not None:
            subscriber.discard(params.uri)
        return EmptyResult()

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._streams >= MAX_STREAMS:
            raise MCPError(INTERNAL_ERROR, "too many subscription streams are open")
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def _feed(
        self,
        context: Context,
        session: Session,
        subscriber: _Subscriber,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Passes events on until cancelled; started once nothing can be missed any more."""
        with subscriber.scope:
            async with session.watch() as events, anyio.create_task_group() as tasks:
                tasks.start_soon(self._recheck, context, subscriber)
                task_status.started()
                async for event in events:
                    for uri in await _affected(session, subscriber, event):
                        await subscriber.tell(uri)

    async def _recheck(self, context: Context, subscriber: _Subscriber) -> None:
        while True:
            await anyio.sleep(RECHECK_SECONDS)
            try:
                await self._sessions(context)
            except E2AError as problem:
                if not problem.retryable:
                    subscriber.scope.cancel()


def _connection(context: Context) -> Connection:
    # The SDK hands handlers a session without a public way to its connection, whose `state` and `exit_stack` it
    # documents as the place for what a handler keeps.
    return context.session._connection


async def _affected(session: Session, subscriber: _Subscriber, event: EventEnvelope) -> list[str]:
    """The subscribed URIs that the event is about, in a stable order."""
    wanted, data = subscriber.wanted, event.data
    targets = [MailTarget("reviews")] if event.type.startswith("email.review_") else []
    email, message = data.get("agent_email"), data.get("message_id")
    if isinstance(email, str) and isinstance(message, str):
        targets += [MailTarget("inbox", email), MailTarget("message", email, message)]
        if any(target.kind == "conversation" and target.email == email for target in wanted):
            conversation = data.get("conversation_id") or await _conversation_of(session, email, message)
            if conversation:
                targets.append(MailTarget("conversation", email, str(conversation)))
    return [uri for target in targets if target in wanted for uri in sorted(wanted[target])]


async def _conversation_of(session: Session, email: str, message: str) -> str | None:
    try:
        return (await session.messages.get(email, message, peek=True)).conversation_id
    except E2AError:
        return None
