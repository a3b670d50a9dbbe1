"""MCP over streamable HTTP: one ASGI application for every credential.

A request is checked in this order: host and origin, credential, size, JSON. So a stranger's body is never parsed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal, get_args

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import INVALID_REQUEST
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from e2a_core.clock import Clock, SystemClock
from e2a_core.contract.engine import Engine, Session
from e2a_core.contract.principal import Principal
from e2a_core.contract.principal import Scope as Granted
from e2a_core.errors import E2AError, InvalidRequest, Unauthorized, Unavailable, UnsupportedMediaType
from e2a_core.http.edge import Replay, bearer, read_body
from e2a_core.ids import Ids
from e2a_core.observer import Observer, Unobserved
from e2a_core.settings import Settings
from e2a_mcp.answers import BOTH_TYPES, VERSION_HEADER, Accepted, accepted, with_header
from e2a_mcp.asgi import (
    MAX_BODY_BYTES,
    PREFLIGHT,
    SESSION_HEADER,
    Refusal,
    Stamped,
    opens_session,
    rpc_refusal,
)
from e2a_mcp.auth import CredentialCache
from e2a_mcp.messages import faults_in
from e2a_mcp.origins import HostPolicy
from e2a_mcp.owner import OwnersNamed
from e2a_mcp.profiles import asked_profiles
from e2a_mcp.server import build_server
from e2a_mcp.session_requests import SessionRequests
from e2a_mcp.tool import Services

__all__ = ["McpApp", "mcp_app"]

MAX_SESSIONS = 5_000
"""Sessions of one scope, a bound on memory."""
SESSION_IDLE_SECONDS = 15 * 60

_STREAMED = (
    b'"progressToken"',
    b'"subscriptions/listen"',
    b'"wait_for_message"',
    b'"wait_for_review"',
    b'"events/stream"',
    b'"timeoutMs"',
)
"""Without a session, a body with one of these may be answered as an event stream: it reports progress, or takes so long
that the client may hang up. Plain JSON is quicker for the rest. A body that only quotes one is harmless.
"""

Style = Literal["json", "stream", "session"]


class McpApp:
    """The ASGI application. It serves requests while `run` is entered; `serving` is True then.

    The scope of a credential decides its tools. A client that begins with `initialize` gets a session, because the
    older protocol sends notifications only within one. All other requests need no session, so any replica can answer.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        *,
        clock: Clock,
        ids: Ids,
        observer: Observer,
        sessions: bool,
        fresh_seconds: float,
    ) -> None:
        self._observer = observer
        self._sessions = sessions
        self._profiles = frozenset(settings.mcp_profile)
        self._credentials = CredentialCache(engine, clock, fresh_seconds=fresh_seconds)
        self._policy = HostPolicy(
            listener_host=settings.http_listen.host,
            public_url=settings.public_url,
            hosts=settings.mcp_allowed_hosts,
            origins=settings.mcp_allowed_origins,
        )
        self._in_sessions = SessionRequests(clock, idle_seconds=SESSION_IDLE_SECONDS)
        self.serving = False
        self._managers: dict[tuple[Granted, Style], StreamableHTTPSessionManager] = {}
        # Callers bring their own credentials, so that the list is for one account among many.
        owners = OwnersNamed.in_settings(settings, account=settings.owner_email)
        for granted in get_args(Granted):
            self._add_managers(granted, settings, Services(clock, ids, owners=owners), observer)

    def _add_managers(
        self, granted: Granted, settings: Settings, services: Services, observer: Observer
    ) -> None:
        for style in ("json", "stream", "session"):
            server = build_server(
                granted,
                self._session_of,
                services,
                observer,
                profiles=_profiles_of,
                legacy_tools=settings.mcp_legacy_tools,
                subscribe=style == "session",
                streams=style != "json",
                events_dialect=settings.mcp_events_dialect,
                tell_of_inboxes=not settings.remote,
            )
            self._managers[granted, style] = StreamableHTTPSessionManager(
                server,
                event_store=self._in_sessions.replays if style == "session" else None,
                json_response=style == "json",
                stateless=style != "session",
                max_request_body_size=MAX_BODY_BYTES,
                session_idle_timeout=SESSION_IDLE_SECONDS,
                max_sessions=MAX_SESSIONS,
            )

    async def _session_of(self, context: ServerRequestContext[Any]) -> Session:
        """Returns the session found while authenticating, once; later calls for the same request look it up again."""
        assert context.request is not None
        scope = context.request.scope
        found: Session | None = scope.pop("e2a.session", None)
        return found or await self._credentials.session(scope["e2a.credential"])

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Runs the application, once; leaving the block ends all requests and sessions."""
        async with AsyncExitStack() as stack:
            for manager in self._managers.values():
                await stack.enter_async_context(manager.run())
            self.serving = True
            try:
                yield
            finally:
                self.serving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        known = self._policy.allows_origin(origin)
        answer = Stamped(send, origin if known else None)
        if not self._policy.allows_request(scope):
            refusal = Refusal(421, INVALID_REQUEST, "this host is not served here")
            await self._refuse(refusal, scope, receive, answer)
        elif not known:
            refusal = Refusal(403, INVALID_REQUEST, "this origin is not allowed")
            await self._refuse(refusal, scope, receive, answer)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=PREFLIGHT)(scope, receive, answer)
        else:
            try:
                asked = asked_profiles(QueryParams(scope["query_string"]).getlist("profile"))
            except InvalidRequest as problem:
                refusal = Refusal(400, INVALID_REQUEST, problem.message)
                await self._refuse(refusal, scope, receive, answer)
                return
            scope["e2a.profiles"] = asked or self._profiles
            await self._authenticated(headers, scope, receive, answer)

    async def _authenticated(self, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            credential = bearer(headers)
            session = await self._credentials.session(credential)
        except E2AError as problem:
            # If the engine cannot check the credential, the caller gets 503 and not 401.
            refused = (
                problem
                if isinstance(problem, Unauthorized)
                else Unavailable(problem.message, details=problem.details)
            )
            await self._refuse_error(refused, scope, receive, send)
            return
        principal = session.principal
        scope["e2a.credential"] = credential
        scope["e2a.session"] = session
        # The transport compares this, so that a session serves only the credential that opened it.
        scope["user"] = AuthenticatedUser(
            AccessToken(token="", client_id=principal.credential_id, scopes=[principal.scope])
        )
        await self._dispatch(principal, headers, scope, receive, send)

    async def _dispatch(
        self, principal: Principal, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> None:
        body = b""
        if scope["method"] == "POST":
            try:
                body = await _json_body(Request(scope, receive))
            except E2AError as problem:
                await self._refuse_error(problem, scope, receive, send)
                return
            for fault in faults_in(body)[:1]:
                refusal = Refusal(400, fault.code, fault.message, id=fault.id)
                await self._refuse(refusal, scope, receive, send)
                return
        elif not self._sessions or SESSION_HEADER not in headers:
            refusal = Refusal(405, INVALID_REQUEST, "there is no stream without a session", {"Allow": "POST"})
            await self._refuse(refusal, scope, receive, send)
            return
        await self._answer(principal, headers, body, scope, receive, send)

    async def _answer(
        self, principal: Principal, headers: Headers, body: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        version = headers.get(VERSION_HEADER)
        modern = version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS
        takes = accepted(scope)
        style = self._style(headers, body, takes, modern=modern)
        if takes.stream and not modern and body:
            # The older versions let a server answer with either type, but the transport insists that both are accepted.
            scope = with_header(scope, "accept", BOTH_TYPES)
        serve = self._managers[principal.scope, style].handle_request
        if style != "session":
            await serve(scope, Replay(body, receive), send)
            return
        refusal = await self._in_sessions.serve(
            serve, principal.credential_id, scope, Replay(body, receive), send, plain=takes.json
        )
        if refusal is not None:
            await self._refuse(refusal, scope, receive, send)

    def _style(self, headers: Headers, body: bytes, takes: Accepted, *, modern: bool) -> Style:
        if body and not takes.stream:
            return "json"
        if not modern and self._sessions and (SESSION_HEADER in headers or opens_session(body)):
            return "session"
        return "stream" if not takes.json or any(mark in body for mark in _STREAMED) else "json"

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        self._observer.refusal(refusal.status)
        await refusal.response(scope)(scope, receive, send)

    async def _refuse_error(self, problem: E2AError, scope: Scope, receive: Receive, send: Send) -> None:
        self._observer.refusal(problem.status)
        await rpc_refusal(Request(scope), problem)(scope, receive, send)


async def _json_body(request: Request) -> bytes:
    """Returns the body of the request. Raises `E2AError` for a wrong media type or a body that is too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("Content-Type must be application/json")
    return await read_body(request, MAX_BODY_BYTES + 1)


def _profiles_of(context: ServerRequestContext[Any]) -> frozenset[str]:
    assert context.request is not None
    profiles: frozenset[str] = context.request.scope["e2a.profiles"]
    return profiles


def mcp_app(
    engine: Engine,
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    observer: Observer | None = None,
    sessions: bool = True,
    fresh_seconds: float = 0,
) -> McpApp:
    """Returns the application to mount at `/mcp`; enter its `run()` for as long as it serves.

    `sessions` must be False if the next request may reach another process. What the engine says about a credential is
    reused for `fresh_seconds`.
    """
    return McpApp(
        engine,
        settings,
        clock=clock or SystemClock(),
        ids=ids or Ids(),
        observer=observer or Unobserved(),
        sessions=sessions,
        fresh_seconds=fresh_seconds,
    )
