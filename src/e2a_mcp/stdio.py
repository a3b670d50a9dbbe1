"""MCP over standard input and output, as the owner of the home or with a key of another deployment."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.stdio import stdio_server

from e2a_core.clock import SystemClock
from e2a_core.contract.engine import Session
from e2a_core.contract.principal import Scope
from e2a_core.errors import E2AError, NotFound, NotImplementedHere, Unavailable
from e2a_core.ids import Ids
from e2a_core.observer import Unobserved
from e2a_core.settings import Settings
from e2a_mcp.engines import EngineOpener, LazyEngine, lazy_engine
from e2a_mcp.lines import MessageLines, standard_input
from e2a_mcp.owner import OwnersNamed
from e2a_mcp.scope import stdio_scope
from e2a_mcp.server import build_server
from e2a_mcp.tool import Services

__all__ = ["serve_stdio"]

_log = logging.getLogger(__name__)

ANSWER_FIRST_SECONDS = 0.05
"""Lets the answer to `tools/list` go out before the import of the relay takes the processor."""

LAST_ANSWERS_SECONDS = 0.3
"""For the answers in progress when standard input ends."""
CLOSING_SECONDS = 0.4
"""Hosts wait a second or two before they kill the process, which is worse than a close that is cut short."""


class HomeSession:
    """The one session of a stdio server, opened once the engine is open."""

    def __init__(self, engine: LazyEngine, settings: Settings, scope: Scope) -> None:
        self._engine = engine
        self._settings = settings
        self._scope = scope
        self._session: Session | None = None
        self._told = ""
        self._lock = anyio.Lock()

    async def __call__(self, context: ServerRequestContext[Any]) -> Session:
        return await self.get()

    async def get(self) -> Session:
        if self._session is None:
            async with self._lock:
                if self._session is None:
                    self._session = await self._open()
        return self._session

    async def begin(self) -> None:
        """Opens the session of another deployment before anything is asked of it: a wrong key is told of at once."""
        if self._settings.remote:
            await self._engine.settled()
            with suppress(E2AError):
                await self.get()

    async def _open(self) -> Session:
        try:
            return await self._opened()
        except E2AError as problem:
            self._tell(problem)
            raise

    def _tell(self, problem: E2AError) -> None:
        """Logs why there is no session, once as long as the reason is the same."""
        if self._settings.remote and str(problem) != self._told:
            self._told = str(problem)
            elsewhere = isinstance(problem, Unavailable | NotImplementedHere)
            _log.error("%s%s", problem, "; E2A_API_URL names the deployment" if elsewhere else "")

    async def _opened(self) -> Session:
        engine = await self._engine.get()
        email = self._settings.agent_email or None
        try:
            return await engine.home_session(agent_email=email, scope=self._scope, door="mcp")
        except NotFound as problem:
            if email is None:
                raise
            raise NotFound(f"E2A_AGENT_EMAIL names {email}, which is not an inbox") from problem


async def serve_stdio(settings: Settings, opener: EngineOpener, *, with_channel: bool = False) -> bool:
    """Serves until standard input ends or a signal arrives, then closes the engine.

    `with_channel` makes it a channel of its host too, and so binds it to the protocol's handshake era. Returns False
    if the engine could not be opened.
    """
    async with lazy_engine(settings, opener) as engine:
        scope = await stdio_scope(settings, engine)
        services = Services(
            SystemClock(), Ids(), settings.mcp_attachment_roots, OwnersNamed.in_settings(settings)
        )
        session = HomeSession(engine, settings, scope)
        server = _server(settings, engine, scope, session, services)
        async with anyio.create_task_group() as tasks:
            lines = MessageLines(standard_input())
            tasks.start_soon(_stop_on_signal, engine)
            tasks.start_soon(_stop_at_end, lines, engine)
            tasks.start_soon(session.begin)
            async with stdio_server(stdin=lines.as_text_file()) as (incoming, outgoing):
                lines.answers = outgoing
                if with_channel:
                    # Few sessions are a channel, and each starts the sooner for what it does not import.
                    from e2a_mcp.channel.channel import Channel

                    channel = Channel(settings, services, session.get)
                    await channel.serve(server, incoming, outgoing)
                else:
                    options = server.create_initialization_options(NotificationOptions())
                    await server.run(incoming, outgoing, options)
            tasks.cancel_scope.cancel()
    return not engine.failed


def _server(
    settings: Settings, engine: LazyEngine, scope: Scope, session: HomeSession, services: Services
) -> Server[Any]:
    profiles = frozenset(settings.mcp_profile)
    return build_server(
        scope,
        session,
        services,
        Unobserved(),
        profiles=lambda context: profiles,
        legacy_tools=settings.mcp_legacy_tools,
        events_dialect=settings.mcp_events_dialect,
        tell_of_inboxes=not settings.remote,
        on_listed=lambda: engine.want_after(ANSWER_FIRST_SECONDS),
        opened=engine.settled,
    )


async def _stop_on_signal(engine: LazyEngine) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            await engine.close()
            # The thread that reads standard input cannot be interrupted. Everything else is closed already.
            os._exit(0)


async def _stop_at_end(lines: MessageLines, engine: LazyEngine) -> None:
    """Ends the process although its last answers cannot be written, because the host has stopped reading."""
    await lines.ended.wait()
    await anyio.sleep(LAST_ANSWERS_SECONDS)
    status = 1 if engine.failed else 0
    asyncio.get_running_loop().call_later(CLOSING_SECONDS, os._exit, status)
    await engine.close()
    os._exit(status)
