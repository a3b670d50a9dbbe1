"""Notifications on resources in both protocol eras, fed by the engine's events.

Up to 2025-11-25 a client subscribes to resources one by one and is notified on its connection; from 2026-07-28 on it
opens one stream for a list of them. An account is told of changes in its list of inboxes too: up to 2025-11-25
unasked, from `notifications/initialized` on. Both watch through the caller's own session, so they report only its mail.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    EmptyResult,
    NotificationParams,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from e2a_core.contract.engine import Session
from e2a_core.errors import E2AError, InternalError, Unavailable
from e2a_core.observer import Observer, open_stream
from e2a_mcp.results import protocol_error
from e2a_mcp.subscriber import INBOXES, LIST, Feed, Subscriber, affected, subscriber_of
from e2a_mcp.subscription_scope import SubscriptionScope, is_told_of_inboxes
from e2a_mcp.uris import MailTarget, parse_mail_uri

__all__ = ["RECHECK_SECONDS", "Subscriptions"]

Context = ServerRequestContext[Any]
Sessions = Callable[[Context], Awaitable[Session]]

MAX_STREAMS_EACH = 50
"""Streams of one credential. A stream costs two tasks and a watcher."""
MAX_STREAMS = 5_000
"""Streams of one process."""
MAX_URIS = 200
"""Resources of one stream or connection."""
RECHECK_SECONDS = 30.0
"""How long a revoked credential may still be notified of changes."""
_log = logging.getLogger(__name__)


class Subscriptions:
    """The subscription handlers of one server. They check each credential again every `recheck_seconds`.

    `opened` returns once a session can be had without hastening anything.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        opened: Callable[[], Awaitable[object]],
        observer: Observer,
        recheck_seconds: float = RECHECK_SECONDS,
    ) -> None:
        self._sessions = sessions
        self._observer = observer
        self._opened = opened
        self._recheck_seconds = recheck_seconds
        self._tasks: TaskGroup | None = None
        self._streams: Counter[str] = Counter()

    @asynccontextmanager
    async def lifespan(self, server: Server[Any]) -> AsyncIterator[None]:
        """Owns the tasks that outlive the request that started them.

        They catch every error, because an error in one would end them all.
        """
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
        """Handles `subscriptions/listen`: the response is the stream, and its acknowledgement names what it covers."""
        bus = InMemorySubscriptionBus()
        handler = ListenHandler(bus)

        async def publish(uri: str) -> None:
            await bus.publish(ResourcesListChanged() if uri == LIST else ResourceUpdated(uri))

        subscriber = Subscriber(publish, on_end=handler.close)
        with protocol_error(context.protocol_version):
            session = await self._sessions(context)
            asked = (params.notifications.resource_subscriptions or [])[:MAX_URIS]
            found = await SubscriptionScope(session).targets(asked)
            lists = params.notifications.resources_list_changed is True and is_told_of_inboxes(session)
            for uri, target in {**found, **({LIST: INBOXES} if lists else {})}.items():
                subscriber.wanted[target].add(uri)
            with (
                self._place(session.principal.credential_id),
                open_stream(self._observer, "resources"),
            ):
                try:
                    await self._feed(context, session, subscriber, list(subscriber.wanted))
                    if subscriber.wanted and not subscriber.feeds:
                        raise Unavailable("the subscription ended before it could be acknowledged")
                    # Lists of tools and prompts change only with a release, so they need no notification.
                    honoured = SubscriptionFilter(
                        resources_list_changed=lists or None, resource_subscriptions=list(found) or None
                    )
                    return await handler(context, params.model_copy(update={"notifications": honoured}))
                finally:
                    subscriber.end()

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Handles `resources/subscribe`: notifications go out on the client's connection."""
        with protocol_error(context.protocol_version):
            session = await self._sessions(context)
            target = await SubscriptionScope(session).target(params.uri)
            subscriber = subscriber_of(context)
            if subscriber.size >= MAX_URIS:
                raise MCPError(INTERNAL_ERROR, f"at most {MAX_URIS} subscriptions on one connection")
            async with subscriber.changing:
                await self._feed(context, session, subscriber, [target])
                subscriber.wanted[target].add(params.uri)
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        subscriber, target = subscriber_of(context), parse_mail_uri(params.uri)
        if target in subscriber.wanted:
            subscriber.discard(target, params.uri)
        return EmptyResult()

    async def initialized(self, context: Context, params: NotificationParams) -> None:
        """Handles `notifications/initialized`: from now on an account is told of changes in its list of inboxes."""
        if self._tasks is not None:
            self._tasks.start_soon(self._tell_of_inboxes, context)

    async def _tell_of_inboxes(self, context: Context) -> None:
        try:
            await self._opened()
            session = await self._sessions(context)
            if is_told_of_inboxes(session):
                subscriber = subscriber_of(context)
                async with subscriber.changing:
                    subscriber.wanted[INBOXES].add(LIST)
                    await self._feed(context, session, subscriber, [INBOXES])
        except E2AError as problem:
            _log.warning("the list of inboxes is not watched: %s", problem)
        except Exception:  # noqa: BLE001 - as in `_run`
            _log.exception("the list of inboxes is not watched")

    @contextmanager
    def _place(self, credential: str) -> Iterator[None]:
        if self._streams[credential] >= MAX_STREAMS_EACH:
            raise MCPError(
                INTERNAL_ERROR, f"at most {MAX_STREAMS_EACH} subscription streams of one credential"
            )
        if self._streams.total() >= MAX_STREAMS:
            raise MCPError(INTERNAL_ERROR, "too many subscription streams are open")
        self._streams[credential] += 1
        try:
            yield
        finally:
            self._streams[credential] -= 1
            self._streams += Counter()  # drops the entries at zero

    async def _feed(
        self, context: Context, session: Session, subscriber: Subscriber, targets: Iterable[MailTarget]
    ) -> None:
        """Starts watching `targets`; once this returns, no later event is missed."""
        new = [target for target in targets if not any(feed.covers(target) for feed in subscriber.feeds)]
        if not new:
            return
        assert self._tasks is not None
        everywhere = any(not target.email for target in new)
        feed = Feed(None if everywhere else frozenset(target.email for target in new))
        problem: E2AError | None = await self._tasks.start(self._run, session, subscriber, feed)
        if problem is not None:
            raise problem
        self._tasks.start_soon(self._recheck, context, feed)
        for other in subscriber.feeds:
            if everywhere and other is not feed:
                other.scope.cancel()

    async def _run(
        self,
        session: Session,
        subscriber: Subscriber,
        feed: Feed,
        *,
        task_status: anyio.abc.TaskStatus[E2AError | None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Passes events on until cancelled. A failure before the start is returned to the starter as its status."""
        started = False
        failure: E2AError | None = None
        try:
            with feed.scope:
                async with session.watch(emails=feed.emails) as events:
                    subscriber.feeds.append(feed)
                    started = True
                    task_status.started(None)
                    async for event in events:
                        for uri in await affected(session, subscriber, event):
                            await subscriber.tell(uri)
        except E2AError as problem:
            failure = problem
            if started:
                _log.warning("a subscription ended: %s", problem)
        except Exception:  # noqa: BLE001 - the top-level handler of a feed, whose task group is the whole server's
            failure = InternalError("the subscription failed inside the server; its log has the reason")
            _log.exception("a subscription failed")
        finally:
            feed.checking.cancel()
            if started:
                subscriber.ended(feed)
        if failure is not None and not started:
            task_status.started(failure)

    async def _recheck(self, context: Context, feed: Feed) -> None:
        """Ends the feed once its credential is refused."""
        with feed.checking:
            while True:
                await anyio.sleep(self._recheck_seconds)
                try:
                    await self._sessions(context)
                except E2AError as problem:
                    if not problem.retryable:
                        _log.info("a subscription ended, its credential was refused: %s", problem)
                        feed.scope.cancel()
                except Exception:  # noqa: BLE001 - as above
                    _log.exception("the credential of a subscription could not be checked again")
