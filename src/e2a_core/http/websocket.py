"""The WebSocket of an inbox: new mail as it arrives, in the envelopes that webhooks get.

A listener has the inbox to itself and is told its unread mail first. Others may observe beside it, and may be told of
what becomes of its mail too.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from e2a_core.agents.lookup import resolve_agent
from e2a_core.agents.queries import AgentRow
from e2a_core.clock import Clock
from e2a_core.contract.engine import Engine
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import E2AError, Forbidden, NotFound, StoreUnavailable, Unauthorized, Unavailable
from e2a_core.http.answers import answer, error_response
from e2a_core.http.edge import bearer
from e2a_core.observer import Observer, Unobserved, open_stream
from e2a_core.push.arrivals import Arrivals, Rivals
from e2a_core.push.envelopes import body_of
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.events import EventRecord

__all__ = ["WEBSOCKET_PATH", "websocket_routes"]

PATH = "/v1/agents/{email}/ws"
WEBSOCKET_PATH = re.compile(r"/v1/agents/[^/]+/ws")
OPERATION = "websocket"
OBSERVE = "observe"
ARRIVALS, EVENTS = "true", "events"
"""What an observer may ask for: new mail, or all events of the inbox."""
MAX_OBSERVERS = 50
"""Of one inbox in a process, so that one key cannot take the places of all others."""
FRESH_SECONDS = 1.0
"""How long mail may still be told after the key was revoked or the inbox trashed."""
CHECK_SECONDS = 10.0
"""How soon an idle connection ends whose key is revoked or whose inbox is gone."""

Observed = Callable[[], AbstractAsyncContextManager[AsyncIterator[EventRecord]]]


@dataclass(frozen=True, slots=True)
class _Close:
    """How a connection ends (RFC 6455 section 7.4): clients connect again unless the code is 1008 or 4000."""

    code: int
    reason: str


REPLACED = _Close(4000, "replaced")
REVOKED = _Close(1008, "unauthorized")
GONE = _Close(1008, "not_found")
SHUTTING_DOWN = _Close(1001, "shutting_down")
STORE_UNAVAILABLE = _Close(1013, "store_unavailable")


def websocket_routes(
    engine: Engine, core: Core, feed: EventFeed, observer: Observer | None = None
) -> list[BaseRoute]:
    watcher = observer or Unobserved()
    observers = _Observers()

    async def connect(socket: WebSocket) -> None:
        socket.scope["e2a.operation"] = OPERATION
        with ExitStack() as place:
            try:
                principal, agent = await _admitted(socket, engine, core)
                if socket.query_params.get(OBSERVE) in (ARRIVALS, EVENTS):
                    place.enter_context(observers.place(agent.email))
            except E2AError as refused:
                await socket.send_denial_response(error_response(socket, refused))
                return
            await serve(socket, principal, agent)

    async def serve(socket: WebSocket, principal: Principal, agent: AgentRow) -> None:
        await socket.accept()
        admission = _Admission(lambda: _admitted(socket, engine, core), core.clock)
        arrivals = Arrivals(core, feed, agent.account_id, agent.email)
        observed = {
            ARRIVALS: lambda: arrivals.follow(unread=False),
            EVENTS: lambda: arrivals.everything(agent=principal.scope == "agent"),
        }
        connection = _Connection(socket, arrivals, admission)
        with open_stream(watcher, "websocket"):
            await connection.run(observed.get(socket.query_params.get(OBSERVE, "")))

    async def plain(request: Request) -> Response:
        """The handshake's refusals, and for a request that is none the upgrade it needs (RFC 9110 section 15.5.22)."""
        request.scope["e2a.operation"] = OPERATION
        await _admitted(request, engine, core)
        error = {"code": "upgrade_required", "message": "connect with a WebSocket"}
        body = {"error": {**error, "request_id": request.scope.get("e2a.request_id", "")}}
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        return answer(body, 426, upgrade)

    route = Route(PATH, plain, name=OPERATION)
    route.methods = {"GET"}
    return [WebSocketRoute(PATH, connect), route]


class _Observers:
    """Counts the observers of each inbox."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()

    @contextmanager
    def place(self, email: str) -> Iterator[None]:
        """Holds a place. Raises `Unavailable` when there is none."""
        if self._counted[email] >= MAX_OBSERVERS:
            raise Unavailable("too many observe this inbox")
        self._counted[email] += 1
        try:
            yield
        finally:
            self._counted[email] -= 1
            self._counted += Counter()  # drops the entries at zero


class _Admission:
    """Whether the credential still reaches the inbox; raises what the handshake would be refused with."""

    def __init__(self, check: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._check = check
        self._clock = clock
        self._checked = clock.monotonic()

    async def renew(self, seconds: float = 0.0) -> None:
        """Checks again unless that was done less than `seconds` ago."""
        if self._clock.monotonic() - self._checked >= seconds:
            await self._check()
            self._checked = self._clock.monotonic()


class _Connection:
    """One accepted WebSocket, until either side ends it."""

    def __init__(self, socket: WebSocket, arrivals: Arrivals, admission: _Admission) -> None:
        self._socket = socket
        self._arrivals = arrivals
        self._admission = admission

    async def run(self, observed: Observed | None) -> None:
        """As the listener of the inbox, or as an observer of what `observed` opens."""
        try:
            close = await (self._listen() if observed is None else self._observe(observed))
        except Unauthorized:
            close = REVOKED
        except (Forbidden, NotFound):
            close = GONE
        except StoreUnavailable:
            close = STORE_UNAVAILABLE
        except WebSocketDisconnect:
            close = None
        if close is not None:
            with suppress(WebSocketDisconnect):
                await self._socket.close(close.code, close.reason)

    async def _observe(self, observed: Observed) -> _Close | None:
        async with observed() as events:
            return await _first_end(self._read(self._ignore), self._tell(events), self._check())

    async def _listen(self) -> _Close | None:
        async with self._arrivals.follow(unread=True) as events, self._arrivals.alone() as rivals:
            return await _first_end(self._read(self._acknowledge), self._tell(events), self._give_way(rivals))

    async def _read(self, take: Callable[[str], Awaitable[None]]) -> None:
        """Takes what the client says, one frame after the other, until it is gone."""
        while (message := await self._socket.receive())["type"] == "websocket.receive":
            if message.get("text"):
                await take(message["text"])

    async def _ignore(self, text: str) -> None:
        pass

    async def _acknowledge(self, text: str) -> None:
        if (event_id := _acknowledged(text)) is not None:
            await self._arrivals.acknowledge(event_id)

    async def _tell(self, events: AsyncIterator[EventRecord]) -> _Close:
        async for event in events:
            await self._admission.renew(FRESH_SECONDS)
            await self._socket.send_text(body_of(event).decode())
        return SHUTTING_DOWN

    async def _give_way(self, rivals: Rivals) -> _Close:
        while True:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    return REPLACED if await rivals.come() else SHUTTING_DOWN
            except TimeoutError:
                await self._admission.renew()

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self._admission.renew()


async def _admitted(connection: HTTPConnection, engine: Engine, core: Core) -> tuple[Principal, AgentRow]:
    """Who asks, and the inbox that the request names. Raises `Unauthorized`, `Forbidden` and `NotFound`."""
    scheme, _, _ = connection.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized
    session = await engine.session(bearer(connection.headers))
    return session.principal, await resolve_agent(core, session.principal, connection.path_params["email"])


async def _first_end(*jobs: Coroutine[Any, Any, _Close | None]) -> _Close | None:
    """Runs the jobs until one of them ends, and returns or raises what it ended with."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return next((close for task in tasks if task in done and (close := task.result())), None)


def _acknowledged(text: str) -> str | None:
    """The event that a frame acknowledges; other frames mean nothing (RFC 6455 leaves them to the application)."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(frame, Mapping) or frame.get("type") != "ack":
        return None
    event_id = frame.get("id")
    return event_id if isinstance(event_id, str) else None
