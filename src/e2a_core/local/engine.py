"""The engine that is all of it: relay, store and workers in this process."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

from e2a_core.accounts.credentials import authenticate
from e2a_core.audit.log import AuditLog
from e2a_core.clock import Clock, SystemClock, to_micros
from e2a_core.contract.deployment import API_VERSION, DeploymentInfoView
from e2a_core.contract.principal import Door, Principal, Scope
from e2a_core.core import Core
from e2a_core.errors import InvalidScope, SettingsError, StoreUnavailable
from e2a_core.ids import Ids
from e2a_core.local.home import home_principal, open_home
from e2a_core.local.queries import record_mcp
from e2a_core.local.run_file import read_run_file
from e2a_core.local.session import LocalSession
from e2a_core.settings import Settings
from e2a_core.smtpserver.counters import IntakeCounters
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.lease import HomeLease
from e2a_core.submission.send import Sender
from e2a_core.submission.waiting import Waiting
from e2a_core.subscriptions.verify import Verifier

if TYPE_CHECKING:
    from e2a_core.local.backlog import Backlog
    from e2a_core.local.services import LocalServices

__all__ = ["LocalEngine", "ServicesFactory", "open_local_engine", "relay_services"]

STOP_GRACE_SECONDS = 10.0
LEASE_FILE = "lease"
MCP_RECORDED_EVERY = 60_000_000
"""Microseconds."""
REMEMBERED_SESSIONS = 256
"""Callers whose session is kept: it has no state, and making it takes a fiftieth of what accepting a message takes."""
RETRY_SECONDS = 10.0
"""How long a process that could not run the listeners leaves them to others."""

_log = logging.getLogger(__name__)

ServicesFactory = Callable[["LocalEngine"], "LocalServices"]


class LocalEngine:
    """`engine.Engine` over one home; made by `open_local_engine`.

    Of the processes on one SQLite home exactly one runs the listeners and workers, and another takes over when it
    goes. On PostgreSQL every process runs them.
    """

    def __init__(self, core: Core, *, strict: bool, services: ServicesFactory) -> None:
        self.core = core
        self.strict = strict
        self.feed = EventFeed(core.db)
        self._waiting = Waiting(core, self.feed)
        self._sender = Sender(core, self._waiting)
        self.audit = AuditLog(core)
        self._session_of = lru_cache(REMEMBERED_SESSIONS)(
            partial(LocalSession, core, self._sender, self._waiting, self.feed, Verifier(core), self.audit)
        )
        self._make_services = services
        self._lease = HomeLease(core.settings.home / LEASE_FILE)
        self._services: LocalServices | None = None
        self._leading = asyncio.Event()
        self._leader: asyncio.Task[None] | None = None
        self._mcp_seen: dict[str, int] = {}

    async def session(self, credential: str, *, door: Door = "api") -> LocalSession:
        principal = await authenticate(self.core, credential, door)
        await self._record_mcp(principal)
        return self.session_of(principal)

    async def home_session(
        self, *, agent_email: str | None = None, scope: str = "agent", door: Door = "command"
    ) -> LocalSession:
        if scope not in {"agent", "account"}:
            raise InvalidScope("the scope must be agent or account", location="scope")
        principal = await home_principal(
            self.core, agent_email=agent_email, scope=cast("Scope", scope), door=door
        )
        await self._record_mcp(principal)
        return self.session_of(principal)

    def session_of(self, principal: Principal) -> LocalSession:
        """Returns the session of somebody who was authenticated elsewhere, such as a person who signed in."""
        self._refresh_base_url()
        return self._session_of(principal)

    async def _record_mcp(self, principal: Principal) -> None:
        """Keeps when an MCP host last used the account, at most once a minute, for whoever sets one up."""
        now = to_micros(self.core.clock.now())
        if principal.door != "mcp" or now - self._mcp_seen.get(principal.account_id, 0) < MCP_RECORDED_EVERY:
            return
        self._mcp_seen[principal.account_id] = now
        # A read-only store must not keep hosts out.
        with suppress(StoreUnavailable):
            await self.core.db.write([record_mcp(principal.account_id, now, now - MCP_RECORDED_EVERY)])

    def addresses(self) -> Mapping[str, str]:
        """Where the home is served: `smtp`, `http` and `mcp`; empty while nobody serves it."""
        run = read_run_file(self.core.settings.home) or {}
        return {name: str(run[name]) for name in ("smtp", "http", "mcp") if name in run}

    async def info(self) -> DeploymentInfoView:
        settings = self.core.settings
        return DeploymentInfoView(
            version=API_VERSION,
            shared_domain=settings.shared_domain,
            slug_registration_enabled=bool(settings.shared_domain),
            public_url=settings.public_url or None,
        )

    async def start(self, *, leads: bool = True) -> None:
        """Follow the event log and, if it `leads`, stand in line for the listeners and workers."""
        await self.feed.start()
        if leads:
            self._leader = asyncio.create_task(self._lead(), name="home services")

    async def wait_until_leading(self) -> None:
        """Until this process runs the listeners. Raises what kept them from starting."""
        waiting = asyncio.ensure_future(self._leading.wait())
        leader = self._leader
        if leader is None:
            raise RuntimeError("the engine has not been started")
        await asyncio.wait([waiting, leader], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if leader.done():
            await leader

    async def close(self) -> None:
        if self._leader is not None:
            self._leader.cancel()
            await asyncio.wait([self._leader])
        await self.feed.close()
        await self.core.db.close()

    @property
    def holds_lease(self) -> bool:
        """Whether the listeners and workers of the home are this process's to run."""
        return self.core.db.dialect == "postgresql" or self._lease.held

    def intake_counters(self) -> dict[str, int]:
        """What the SMTP listener counted; all zero where it does not run."""
        listener = self._services.smtp if self._services else None
        return (listener.counters if listener else IntakeCounters()).as_dict()

    async def backlog(self) -> Backlog:
        """What waits to be done in the whole deployment. Raises `StoreUnavailable`."""
        from e2a_core.local.backlog import backlog

        return await backlog(self.core)

    async def _lead(self) -> None:
        """Run the services whenever this process may, until it ends.

        A desktop session whose listeners cannot run is a mailbox all the same, and tries again after leaving the
        home to others for a while; with `strict` what is in the way comes out.
        """
        while True:
            try:
                await self._run_services()
            except (OSError, StoreUnavailable, SettingsError) as problem:
                if self.strict:
                    raise
                _log.error("the listeners cannot run: %s", problem)
            await asyncio.sleep(RETRY_SECONDS)

    async def _run_services(self) -> None:
        """Wait for the lease, and lead until cancelled."""
        shared = self.core.db.dialect == "postgresql"
        if not shared:
            await self._lease.acquire_when_free()
        try:
            services = self._make_services(self)
            await services.start()
            self._services = services
            self._leading.set()
            _log.info("this process runs the listeners of %s", self.core.settings.home)
            try:
                await asyncio.Event().wait()
            finally:
                self._leading.clear()
                await services.stop(STOP_GRACE_SECONDS)
        finally:
            if not shared:
                self._lease.release()

    def _refresh_base_url(self) -> None:
        """Links point at the listener of whichever process runs it."""
        settings = self.core.settings
        if settings.public_url or self._leading.is_set():
            return
        run = read_run_file(settings.home)
        if run and isinstance(run.get("http"), str):
            self.core.links.base_url = run["http"]


def relay_services(engine: LocalEngine) -> LocalServices:
    """The relay and the workers, without HTTP."""
    # Imported when needed: most processes of a home never lead, and answer the sooner for it.
    from e2a_core.local.services import LocalServices

    return LocalServices(engine.core, strict=engine.strict, feed=engine.feed)


async def open_local_engine(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    strict: bool = False,
    leads: bool = True,
    services: ServicesFactory = relay_services,
) -> LocalEngine:
    """Open the home and start; says on standard error what a first start made.

    `services` makes what this process runs whenever it leads; a command that ends at once does not.
    Raises `SettingsError` and `StoreUnavailable`.
    """
    core, made = await open_home(settings, clock or SystemClock(), ids or Ids())
    for line in made:
        sys.stderr.write(f"e2a: {line}\n")
    engine = LocalEngine(core, strict=strict, services=services)
    await engine.start(leads=leads)
    return engine
