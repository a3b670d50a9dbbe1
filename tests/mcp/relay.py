"""One whole relay and the `/mcp` in front of it for all tests of a module: each makes inboxes of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ResourceUpdatedNotification

from e2a_core.clock import SystemClock
from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.engine import Engine, Session
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.principal import Scope
from e2a_core.contract.protection import (
    ProtectionConfig,
    ProtectionDirection,
    ProtectionGate,
    ProtectionHolds,
    ProtectionScan,
)
from e2a_core.contract.sending import ReplyRequest, SendOptions
from e2a_core.ids import Ids
from e2a_core.local.engine import LocalEngine
from e2a_core.observer import Unobserved
from e2a_core.remote.engine import open_remote_engine
from e2a_core.settings import Settings
from e2a_mcp.program.application import mcp_application
from e2a_mcp.server import Sessions, build_server
from e2a_mcp.tool import Services
from mcp import Client
from tests.support.home import SHARED, Home
from tests.support.listening import listening

__all__ = [
    "EVERYTHING",
    "LEGACY",
    "MODERN",
    "Inbox",
    "Listener",
    "Relay",
    "Told",
    "local_relay",
    "mcp_listening",
    "remote_relay",
]

LEGACY = "legacy"
MODERN = "2026-07-28"
EVERYTHING = MessageQuery(direction="all", read_status="all", sort="desc", limit=100)
PATIENCE_SECONDS = 20


@dataclass
class Listener:
    """`/mcp` at `base`."""

    base: str

    @property
    def url(self) -> str:
        return f"{self.base}/mcp"

    @asynccontextmanager
    async def client(self, key: str, mode: str = MODERN, **options: Any) -> AsyncIterator[Client]:
        """The official client, over HTTP."""
        async with httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_SECONDS
        ) as http:
            with anyio.fail_after(PATIENCE_SECONDS):
                async with Client(
                    streamable_http_client(self.url, http_client=http), mode=mode, **options
                ) as client:
                    yield client


@asynccontextmanager
async def mcp_listening(engine: Engine, settings: Settings) -> AsyncIterator[Listener]:
    """As `e2a-mcp --http` has it."""
    async with listening(mcp_application(engine, settings)) as base:
        yield Listener(base)


@dataclass
class Inbox:
    """An inbox of the relay with a key for it."""

    relay: Relay
    email: str
    key: str
    key_id: str

    @property
    def uri(self) -> str:
        return f"mail://{self.email}/inbox"

    async def deliver(self, subject: str = "Hello", text: str = "Good morning.", **parts: Any) -> str:
        """Brings mail by SMTP and gives the id of what the inbox has then."""
        exchange = await self.relay.home.deliver(to=self.email, subject=subject, text=text, **parts)
        assert exchange.accepted
        return (await self.newest()).id

    async def newest(self) -> MessageView:
        page = await self.relay.owner.messages.list(self.email, EVERYTHING)
        return await self.get(page.items[0].id)

    async def converse(self) -> tuple[str, dict[str, str]]:
        """Answers the newest mail; gives the conversation, and the headers of an answer to the answer."""
        asked = await self.newest()
        answer = ReplyRequest(text="Noted.")
        sent = await self.relay.owner.messages.reply(self.email, asked.id, answer, SendOptions(wait="sent"))
        raw = await self.relay.owner.messages.raw(self.email, sent.message_id)
        headers = BytesParser(policy=default).parsebytes(raw, headersonly=True)
        return str(sent.conversation_id), {"In-Reply-To": str(headers["Message-ID"])}

    async def get(self, message_id: str) -> MessageView:
        return await self.relay.owner.messages.get(self.email, message_id, peek=True)

    async def hold_sends(self) -> None:
        """Whatever it sends from now on waits for approval."""
        everything = ProtectionGate(policy="allowlist", allowlist=[], action="review")
        await self.relay.owner.protection.put(
            self.email,
            ProtectionConfig(
                inbound=ProtectionDirection(gate=ProtectionGate(), scan=ProtectionScan()),
                outbound=ProtectionDirection(gate=everything, scan=ProtectionScan()),
                holds=ProtectionHolds(),
            ),
        )

    async def revoke(self) -> None:
        await self.relay.owner.api_keys.delete(self.key_id)

    async def trash(self) -> None:
        await self.relay.owner.agents.delete(self.email)

    def client(self, mode: str = MODERN, **options: Any) -> AbstractAsyncContextManager[Client]:
        return self.relay.client(self.key, mode, **options)


@dataclass
class Relay:
    """`engine` is what `/mcp` acts through: the relay itself, or another deployment's client of its API."""

    home: Home
    engine: Engine
    base: str
    owner: Session

    async def inbox(self) -> Inbox:
        email = f"box-{uuid.uuid4().hex[:12]}@{SHARED}"
        await self.owner.agents.create(CreateAgentRequest(email=email))
        made = await self.owner.api_keys.create(CreateAPIKeyRequest(scope="agent", agent_email=email))
        return Inbox(self, email, made.key, made.id)

    def client(self, key: str, mode: str = MODERN, **options: Any) -> AbstractAsyncContextManager[Client]:
        return Listener(self.base).client(key, mode, **options)

    def account(self, mode: str = MODERN, **options: Any) -> AbstractAsyncContextManager[Client]:
        return self.client(self.home.account_key, mode, **options)

    @asynccontextmanager
    async def direct(
        self,
        sessions: Sessions,
        scope: Scope = "agent",
        *,
        mode: str = MODERN,
        ids: Ids | None = None,
        roots: tuple[Path, ...] = (),
        profiles: frozenset[str] = frozenset(),
        legacy_tools: bool = False,
        recheck_seconds: float = 30.0,
        **options: Any,
    ) -> AsyncIterator[Client]:
        """A client of a server whose sessions the test chooses, with no transport between."""
        server = build_server(
            scope,
            sessions,
            Services(SystemClock(), ids or Ids(), roots),
            Unobserved(),
            recheck_seconds=recheck_seconds,
            tell_of_inboxes=isinstance(self.engine, LocalEngine),
            profiles=lambda _: profiles,
            legacy_tools=legacy_tools,
        )
        with anyio.fail_after(PATIENCE_SECONDS):
            async with Client(server, mode=mode, **options) as client:
                yield client


class Told:
    """The updates a client of the older era was told of."""

    def __init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[str](100)

    async def __call__(self, message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            await self._send.send(message.params.uri)

    async def next(self) -> str:
        with anyio.fail_after(10):
            return await self._receive.receive()

    @property
    def waiting(self) -> int:
        return self._receive.statistics().current_buffer_used


@asynccontextmanager
async def local_relay(home: Home) -> AsyncIterator[Relay]:
    """As `e2a serve` has it."""
    async with home.listening() as base:
        yield Relay(home, home.local, base, await home.local.session(home.account_key))


@asynccontextmanager
async def remote_relay(home: Home) -> AsyncIterator[Relay]:
    """As `e2a-mcp --http` has it that acts through the API of this relay."""
    async with home.listening() as api:
        settings: Settings = replace(home.local.core.settings, api_url=api, api_key=home.account_key)
        engine = await open_remote_engine(settings)
        try:
            async with mcp_listening(engine, settings) as found:
                yield Relay(home, engine, found.base, await home.local.session(home.account_key))
        finally:
            await engine.close()
