"""The channel of one stdio session: follows its inbox and lets the owner's mail in, and nobody else's."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.runner import serve_loop
from mcp.server.session import ServerSession
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import NotificationParams, ServerNotification

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageSummaryView
from e2a_core.contract.messages import MessageQuery
from e2a_core.errors import E2AError, NotFound, SettingsError
from e2a_core.settings import Settings
from e2a_mcp.channel.permissions import MAX_PENDING, Permissions, looks_like_a_verdict
from e2a_mcp.channel.position import Position
from e2a_mcp.channel.wire import (
    CAPABILITIES,
    INSTRUCTIONS,
    PERMISSION_REQUEST,
    Note,
    PermissionRequest,
    event,
    permission,
)
from e2a_mcp.owner import OwnerMail, Owners, OwnersNamed, look
from e2a_mcp.tool import Services

__all__ = ["Channel", "require_owners_outside"]

Context = ServerRequestContext[Any]

RETRY_SECONDS = 5.0
ROWS = 100

_log = logging.getLogger(__name__)


def require_owners_outside(settings: Settings) -> None:
    """Raises `SettingsError` if a named owner is a mailbox of this deployment, so that an agent could answer itself."""
    owners = OwnersNamed.in_settings(settings).among(settings.owner_addresses, settings.agent_email)
    if owners.left_out:
        raise SettingsError(
            f"E2A_OWNER_ADDRESSES must name mailboxes outside this deployment, unlike {', '.join(owners.left_out)}"
        )


class Channel:
    """`sessions` opens the session of the engine, at first use."""

    def __init__(
        self, settings: Settings, services: Services, sessions: Callable[[], Awaitable[Session]]
    ) -> None:
        self._services = services
        self._sessions = sessions
        self._folder: Path = settings.home / "channels"
        self._deployment = settings.api_url if settings.remote else ""
        self._started = services.clock.now()
        self._permissions = Permissions(services.clock.monotonic, preview=settings.channel_preview)
        self._host: ServerSession | None = None
        self._initialized = anyio.Event()
        self._put, self._asked = anyio.create_memory_object_stream[PermissionRequest](MAX_PENDING)

    async def serve(
        self,
        server: Server[Any],
        incoming: ReadStream[SessionMessage | Exception],
        outgoing: WriteStream[SessionMessage],
    ) -> None:
        """Serves one connection until its input ends, in the handshake era alone.

        Hosts register a channel only on a server without `server/discover`, which gets "method not found" here.
        """
        server.add_notification_handler("notifications/initialized", NotificationParams, self._on_initialized)
        server.add_notification_handler(PERMISSION_REQUEST, PermissionRequest, self._on_permission_request)
        server.instructions = f"{server.instructions or ''}{INSTRUCTIONS}"
        options = server.create_initialization_options(NotificationOptions(), dict(CAPABILITIES))
        async with server.lifespan(server) as state, anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            await serve_loop(server, incoming, outgoing, lifespan_state=state, init_options=options)
            tasks.cancel_scope.cancel()

    async def _run(self) -> None:
        """If the channel cannot be open, logs why and returns: the tools work all the same."""
        await self._initialized.wait()
        try:
            session = await self._sessions()
            inbox = session.principal.agent_email
            if inbox is None:
                raise NotFound("a channel needs one inbox: set E2A_AGENT_EMAIL")
            owners = self._services.owners.of(session.principal, inbox)
            if not owners.addresses:
                raise NotFound("nobody may write into it: set E2A_OWNER_ADDRESSES")
            assert self._host is not None
            await _Open(
                self._host, session, inbox, owners, self._services, self._permissions, self._position(inbox)
            ).run(self._asked)
        except (E2AError, OSError) as problem:
            _log.error("the channel is closed: %s", problem)

    def _position(self, inbox: str) -> Position:
        return Position(self._folder, self._deployment, inbox, self._started)

    async def _on_initialized(self, context: Context, params: NotificationParams) -> None:
        self._host = context.session
        self._initialized.set()

    async def _on_permission_request(self, context: Context, params: PermissionRequest) -> None:
        try:
            self._put.send_nowait(params)
        except anyio.WouldBlock:
            _log.warning("the permission %s is not asked for: too many wait", params.request_id)


class _Open:
    """A channel between a host and an inbox."""

    def __init__(
        self,
        host: ServerSession,
        session: Session,
        inbox: str,
        owners: Owners,
        services: Services,
        permissions: Permissions,
        position: Position,
    ) -> None:
        self._host = host
        self._session = session
        self._inbox = inbox
        self._owners = owners
        self._services = services
        self._permissions = permissions
        self._position = position
        self._handling = anyio.Lock()

    async def run(self, asked: anyio.abc.ObjectReceiveStream[PermissionRequest]) -> None:
        """Raises what ends the channel."""
        ended: list[E2AError] = []
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._lead)
                tasks.start_soon(self._ask, asked)
                _log.info("the channel of %s is open to %s", self._inbox, ", ".join(self._owners.addresses))
                try:
                    await self._follow()
                except E2AError as problem:
                    # Raised here, it would be wrapped in an exception group.
                    ended.append(problem)
                tasks.cancel_scope.cancel()
        finally:
            self._position.release()
        raise ended[0]

    async def _lead(self) -> None:
        """Waits until no other session has the inbox, then brings what came since."""
        await self._position.acquire()
        try:
            await self._catch_up()
        except E2AError as problem:
            # What follows the inbox meets the same failure, tries again, and looks for what was missed.
            _log.warning("the channel did not get all mail yet: %s", problem)

    async def _ask(self, asked: anyio.abc.ObjectReceiveStream[PermissionRequest]) -> None:
        async for request in asked:
            await self._permissions.ask(self._session, self._inbox, self._owners, request)

    async def _follow(self) -> None:
        while True:
            try:
                async with self._session.watch(types=("email.received",), emails=(self._inbox,)) as events:
                    if self._position.held:
                        await self._catch_up()
                    async for told in events:
                        await self._handle(str(told.data.get("message_id")))
            except E2AError as problem:
                if not problem.retryable:
                    raise
                _log.warning("the channel does not hear of mail for a while: %s", problem)
            await anyio.sleep(RETRY_SECONDS)

    async def _catch_up(self) -> None:
        cursor: str | None = None
        while True:
            query = MessageQuery(
                direction="inbound",
                read_status="all",
                sort="asc",
                since=self._position.since,
                limit=ROWS,
                cursor=cursor,
            )
            page = await self._session.messages.list(self._inbox, query)
            for row in page.items:
                await self._consider(row)
            cursor = page.next_cursor
            if not cursor:
                return

    async def _consider(self, row: MessageSummaryView) -> None:
        if self._owners.may_be(row.header_from):
            await self._handle(row.id)
        else:
            self._position.saw(row.created_at)

    async def _handle(self, message_id: str) -> None:
        """Looks at one message, once: two may tell of it."""
        async with self._handling:
            if self._position.has_seen(message_id):
                return
            try:
                view = await look(self._session, self._inbox, message_id)
            except NotFound:
                return
            mail = OwnerMail(view)
            why_not = self._owners.refusal(view, self._inbox, now=self._services.clock.now())
            if why_not is None and mail.by_signature_alone and self._position.has_seen(mail.fingerprint):
                why_not = "it is a copy of one that came before"
            if why_not is None:
                await self._from_owner(mail)
            elif self._owners.may_be(view.header_from):
                _log.warning("%s, given as an owner's, does not enter the channel: %s", view.id, why_not)
            if self._position.held:
                known = (view.id, mail.fingerprint) if why_not is None else ()
                self._position.saw(view.created_at, known)

    async def _from_owner(self, mail: OwnerMail) -> None:
        verdict = await self._permissions.verdict(self._session, self._inbox, mail)
        if verdict is not None:
            await self._tell(permission(verdict.request_id, allowed=verdict.allowed))
        elif looks_like_a_verdict(mail):
            _log.info("%s is no chat: it looks like an answer to a permission prompt", mail.view.id)
        elif self._position.held and mail.words:
            await self._tell(event(mail, self._services.ids))

    async def _tell(self, note: Note) -> None:
        # The host's methods are none of MCP's own, which the type of the parameter lists.
        await self._host.send_notification(cast("ServerNotification", note))
