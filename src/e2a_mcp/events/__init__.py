"""MCP Events (SEP-3415): hosts ask for events, follow them on a stream, or have them delivered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server

from e2a_core.contract.engine import Session
from e2a_core.observer import Observer, Unobserved
from e2a_mcp.events.announce import announce_events
from e2a_mcp.events.errors import DialectChoice
from e2a_mcp.events.places import Places
from e2a_mcp.events.poll import Polling
from e2a_mcp.events.stream import HEARTBEAT_SECONDS, Streaming
from e2a_mcp.events.subscribing import Subscribing
from e2a_mcp.events.wire import EventParams

__all__ = ["DialectChoice", "add_events"]


def add_events(
    server: Server[Any],
    sessions: Callable[[ServerRequestContext[Any]], Awaitable[Session]],
    *,
    dialect: DialectChoice,
    streams: bool,
    recheck_seconds: float,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    observer: Observer | None = None,
) -> None:
    """Adds the methods to a server and announces them. `streams` says whether its transport carries notifications."""
    places = Places()
    polling = Polling(sessions, places, dialect)
    streaming = Streaming(
        sessions,
        places,
        dialect,
        offered=streams,
        recheck_seconds=recheck_seconds,
        heartbeat_seconds=heartbeat_seconds,
        observer=observer or Unobserved(),
    )
    server.add_request_handler("events/list", EventParams, polling.list)
    server.add_request_handler("events/poll", EventParams, polling.poll)
    server.add_request_handler("events/stream", EventParams, streaming.stream)
    subscribing = Subscribing(sessions, dialect)
    server.add_request_handler("events/subscribe", EventParams, subscribing.subscribe)
    server.add_request_handler("events/unsubscribe", EventParams, subscribing.unsubscribe)
    server.middleware.append(announce_events)
