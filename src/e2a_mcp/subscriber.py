"""What one client is told of: the resources it subscribed to, and for an account the list of its inboxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext

from e2a_core.contract.engine import Session
from e2a_core.contract.events import INBOX_TYPES, EventEnvelope
from e2a_core.errors import E2AError
from e2a_mcp.uris import MailTarget

__all__ = ["INBOXES", "LIST", "Feed", "Subscriber", "affected", "subscriber_of"]

Context = ServerRequestContext[Any]

_STATE_KEY = "e2a.subscriber"
INBOXES = MailTarget("inbox")
"""All inboxes; no URI names this."""
LIST = ""
"""Stands for the list of resources where a resource has its URI."""


@dataclass(slots=True, eq=False)
class Feed:
    """One watch of the engine's events: of `emails`, or with None of all inboxes of the session."""

    emails: frozenset[str] | None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    checking: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def covers(self, target: MailTarget) -> bool:
        return self.emails is None or target.email in self.emails


@dataclass(slots=True, eq=False)
class Subscriber:
    """What one client subscribes to, each target under every URI it was given, and the feeds that serve it.

    `on_end` is called when the last feed has ended.
    """

    tell: Callable[[str], Awaitable[None]]
    on_end: Callable[[], None] = lambda: None
    wanted: dict[MailTarget, set[str]] = field(default_factory=lambda: defaultdict(set))
    feeds: list[Feed] = field(default_factory=list)
    changing: anyio.Lock = field(default_factory=anyio.Lock)

    def discard(self, target: MailTarget, uri: str) -> None:
        self.wanted[target].discard(uri)
        if not self.wanted[target]:
            del self.wanted[target]
        for feed in [feed for feed in self.feeds if not any(map(feed.covers, self.wanted))]:
            feed.scope.cancel()

    @property
    def size(self) -> int:
        return sum(len(uris) for uris in self.wanted.values())

    def ended(self, feed: Feed) -> None:
        self.feeds.remove(feed)
        if not self.feeds:
            self.on_end()

    def end(self) -> None:
        for feed in self.feeds:
            feed.scope.cancel()


def _connection(context: Context) -> Connection:
    # The SDK documents the connection's `state` and `exit_stack` as the place for data of a handler, but its session
    # has no public attribute for the connection.
    return context.session._connection


def subscriber_of(context: Context) -> Subscriber:
    """Returns the subscriber of a client of the older era, new or not; it ends with the connection."""
    connection = _connection(context)
    found: Subscriber | None = connection.state.get(_STATE_KEY)
    if found is not None:
        return found

    async def tell(uri: str) -> None:
        if uri == LIST:
            await connection.send_resource_list_changed()
        else:
            await connection.send_resource_updated(uri)

    connection.state[_STATE_KEY] = subscriber = Subscriber(tell)
    connection.exit_stack.callback(subscriber.end)
    return subscriber


async def affected(session: Session, subscriber: Subscriber, event: EventEnvelope) -> list[str]:
    """Returns the subscribed URIs that the event affects, in a stable order."""
    wanted, data = subscriber.wanted, event.data
    if event.type in INBOX_TYPES:
        return [LIST] if INBOXES in wanted else []
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
