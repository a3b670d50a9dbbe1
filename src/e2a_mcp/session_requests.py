"""Serves the requests of a session: opens and counts sessions, and lets a client resume a broken stream."""

from __future__ import annotations

from mcp_types import INTERNAL_ERROR, INVALID_REQUEST
from mcp_types.version import is_version_at_least
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from e2a_core.clock import Clock
from e2a_mcp.answers import VERSION_HEADER, PlainAnswer, Primed, Resumed, with_header
from e2a_mcp.asgi import SESSION_HEADER, Observed, Refusal, end_session
from e2a_mcp.replay import History, Replays
from e2a_mcp.sessions import AllInUse, SessionBook

__all__ = ["MAX_SESSIONS_EACH", "SessionRequests"]

MAX_SESSIONS_EACH = 50
"""Sessions of one credential. A host opens one for each window, so more than this are leftovers."""
PRIMED_SINCE = "2025-11-25"
"""The version from which on clients understand an event without data."""
LAST_EVENT_HEADER = "last-event-id"
GONE = "what followed this event is not kept any more: repeat the request"


class SessionRequests:
    """The requests of all sessions. The transports of the sessions store their events in `replays`."""

    def __init__(self, clock: Clock, *, idle_seconds: float) -> None:
        self.replays = Replays(clock)
        self._book = SessionBook(clock, each=MAX_SESSIONS_EACH, idle_seconds=idle_seconds)

    async def serve(
        self, serve: ASGIApp, credential: str, scope: Scope, receive: Receive, send: Send, *, plain: bool
    ) -> Refusal | None:
        """Serves one request, or returns why not. With `plain` the client takes JSON where nothing streams."""
        if plain and scope["method"] == "POST":
            send = PlainAnswer(send, self.replays)
        session = Headers(scope=scope).get(SESSION_HEADER)
        if session is None:
            return await self._open(credential, serve, scope, receive, send)
        return await self._within(session, credential, serve, scope, receive, send)

    async def _within(
        self, session: str, credential: str, serve: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> Refusal | None:
        """Serves a request that names a session, which may have ended."""
        history, answer = self._book.history(session, credential), Observed(send)
        with self._book.in_use(session, credential), self.replays.of(history or History()):
            if scope["method"] == "GET" and history is not None:
                if not await self._stream(history, serve, scope, receive, answer):
                    return Refusal(410, INVALID_REQUEST, GONE)
            else:
                await serve(scope, receive, answer)
        if answer.status == 404 or (scope["method"] == "DELETE" and answer.status == 200):
            self._book.ended(session, credential)
        return None

    async def _stream(
        self, history: History, serve: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Serves the stream that no request opened, or a broken one again. Returns False if that one is not kept."""
        headers = Headers(scope=scope)
        last = headers.get(LAST_EVENT_HEADER)
        if last is None:
            if is_version_at_least(headers.get(VERSION_HEADER, ""), PRIMED_SINCE):
                send = Primed(send, await self.replays.prime())
        elif self.replays.resumes(history, last):
            # The transport would begin a resumed stream with an event without data, and lose what comes meanwhile.
            scope, send = with_header(scope, VERSION_HEADER, None), Resumed(send, self.replays)
        else:
            return False
        await serve(scope, receive, send)
        return True

    async def _open(
        self, credential: str, serve: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> Refusal | None:
        """Opens a session; if the credential has too many, its least recently used idle one is ended first."""
        try:
            oldest = self._book.superfluous(credential)
        except AllInUse:
            words = f"{MAX_SESSIONS_EACH} sessions of this credential are in use"
            return Refusal(503, INTERNAL_ERROR, words, {"Retry-After": "5"})
        answer, history = Observed(send), History()
        with self._book.opening(credential), self.replays.of(history):
            if oldest is not None:
                self._book.ended(oldest, credential)
                await end_session(serve, scope, oldest)
            await serve(scope, receive, answer)
        if answer.status < 400 and answer.session is not None:
            self._book.opened(answer.session, credential, history)
        return None
