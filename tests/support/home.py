"""A whole deployment for a test: its home, its listeners, DNS for its correspondents, and mail clients at its door."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from e2a_core.accounts.credentials import ensure_account
from e2a_core.clock import SystemClock, to_micros
from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.engine import Engine, Session
from e2a_core.contract.events import EventEnvelope
from e2a_core.contract.principal import Principal
from e2a_core.domains.queries import DkimKeyRow, insert_dkim_key
from e2a_core.ids import Ids
from e2a_core.local.agents import Agents
from e2a_core.local.api_keys import ApiKeys
from e2a_core.local.engine import LocalEngine, open_local_engine
from e2a_core.local.run_file import read_run_file
from e2a_core.settings import load_settings
from e2a_core.signing.dkim import DkimKey, encrypt_key
from e2a_core.store.statement import sql
from e2a_mcp.program.home import home_application
from tests.support.dns import SERVFAIL, DnsServer, Zones
from tests.support.listening import listening
from tests.support.smtp_client import DkimSigner, SmtpExchange, letter, submit
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import PATIENCE_SECONDS, until

__all__ = [
    "ASSISTANT",
    "SHARED",
    "EventLog",
    "Home",
    "Keys",
    "MovableClock",
    "correspondents",
    "environment_of",
    "open_home_for_test",
    "stranger",
]

SHARED = "agents.example"
ASSISTANT = f"assistant@{SHARED}"
SECRET = "one-secret-of-the-tests-and-of-nothing-else"
LOCAL_SPF = "v=spf1 ip4:127.0.0.1 -all"
NO_SPF = "v=spf1 -all"


class MovableClock:
    """Runs as the system's clock does, and can be set forward."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self._system.now() + self._ahead

    def monotonic(self) -> float:
        return self._system.monotonic()

    def advance(self, **interval: float) -> None:
        """`interval` as for `timedelta`. Whoever sleeps until an instant is not woken by this."""
        self._ahead += timedelta(**interval)


@dataclass(frozen=True)
class Keys:
    """The signing keys of a test run, made once: making one takes longer than most tests."""

    alice: DkimSigner
    shared: DkimKey
    shared_selector: str = "e2a202611"

    @classmethod
    def make(cls) -> Keys:
        private = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        return cls(DkimSigner("example.org", "mail", pem), DkimKey.generate())

    def alice_record(self) -> str:
        return DkimKey.from_pem(self.alice.private_pem).dns_record()


def correspondents(keys: Keys) -> Zones:
    """The domains mail comes from.

    `example.org` and `agents.example` may send from here and ask for DMARC, `plain.example` sends from here without
    a DMARC record, `elsewhere.example` sends from elsewhere and rejects what fails, `list.example` may send from
    here, and the name servers of `broken.example` fail.
    """
    shared = f"{keys.shared_selector}._domainkey.{SHARED}"
    return {
        "example.org": {"TXT": [LOCAL_SPF]},
        "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject"]},
        "mail._domainkey.example.org": {"TXT": [keys.alice_record()]},
        SHARED: {"TXT": [LOCAL_SPF]},
        f"_dmarc.{SHARED}": {"TXT": ["v=DMARC1; p=reject"]},
        shared: {"TXT": [keys.shared.dns_record()]},
        "plain.example": {"TXT": [LOCAL_SPF]},
        "elsewhere.example": {"TXT": [NO_SPF]},
        "_dmarc.elsewhere.example": {"TXT": ["v=DMARC1; p=reject"]},
        "list.example": {"TXT": [LOCAL_SPF]},
        "broken.example": SERVFAIL,
        "_dmarc.broken.example": SERVFAIL,
    }


@dataclass
class Home:
    """One running deployment. `account_key` and `agent_key` open sessions on it through any engine."""

    local: LocalEngine
    clock: MovableClock
    keys: Keys
    smtp: tuple[str, int]
    account_key: str
    agent_key: str
    secret: bytes = SECRET.encode()

    async def deliver(
        self,
        content: bytes | None = None,
        *,
        mail_from: str = "alice@example.org",
        to: str | Sequence[str] = ASSISTANT,
        signer: DkimSigner | None = None,
        before_content: Callable[[], Awaitable[None]] | None = None,
        **parts: Any,
    ) -> SmtpExchange:
        """Bring a message over SMTP: `content`, or a letter of these `parts` with a Message-ID of its own."""
        if content is None:
            parts.setdefault("message_id", f"<{uuid.uuid4().hex}@example.org>")
            content = letter(**parts)
        if signer is not None:
            content = signer.sign(content)
        recipients = [to] if isinstance(to, str) else to
        return await submit(
            self.smtp, content, mail_from=mail_from, recipients=recipients, before_content=before_content
        )

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The URL of its API, pages and `/mcp`, which the links in its mail then begin with."""
        async with listening(home_application(self.local)) as url:
            self.local.core.links.base_url = url
            yield url

    async def wake(self) -> None:
        """Have the workers look at the queue, as they do after any commit; needed behind `clock.advance`."""
        await self.local.core.db.write(
            [
                sql(
                    "INSERT INTO meta (key, value) VALUES ('wake', '1') "
                    "ON CONFLICT (key) DO UPDATE SET value = meta.value || '1'"
                )
            ]
        )

    async def advance(self, **interval: float) -> None:
        """Let time pass, as for `timedelta`, and whatever falls due happen.

        A leap ends the leases of jobs that run, which then run twice: those that end soon are waited for.
        """
        with suppress(TimeoutError):
            await until(self.idle, seconds=3)
        self.clock.advance(**interval)
        await self.wake()

    async def idle(self) -> bool:
        busy = sql(
            "SELECT id FROM jobs WHERE lease IS NOT NULL OR due_at <= :now", now=to_micros(self.clock.now())
        )
        return not await self.local.core.db.read(busy)


class EventLog:
    """What a session's watch told, in order."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.seen: list[EventEnvelope] = []
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._entered = asyncio.Event()

    async def __aenter__(self) -> EventLog:
        self._task = asyncio.create_task(self._follow())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._entered.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def wait(
        self, event_type: str, message_id: str | None = None, timeout: float = PATIENCE_SECONDS
    ) -> EventEnvelope:
        """The first event of this type (and message), now or soon."""
        async with asyncio.timeout(timeout):
            while True:
                for event in self.seen:
                    if event.type == event_type and message_id in (None, event.data.get("message_id")):
                        return event
                await self.next()

    async def next(self) -> None:
        """Until there is one more."""
        self._told.clear()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._told.wait()

    def types(self, message_id: str | None = None) -> list[str]:
        return [
            event.type
            for event in self.seen
            if message_id in (None, event.data.get("message_id")) and event.type.startswith("email.")
        ]

    async def _follow(self) -> None:
        async with self._session.watch() as events:
            self._entered.set()
            async for event in events:
                self.seen.append(event)
                self._told.set()


def environment_of(
    folder: Path, database_url: str, dns: DnsServer, sink: SmtpSink | None = None, **settings: str
) -> dict[str, str]:
    """The settings of a home in `folder`; without a `sink` it is a sandbox.

    `settings` are by environment name without `E2A_`, in lower case.
    """
    environment = {
        "E2A_HOME": str(folder / "home"),
        "E2A_DATABASE_URL": database_url,
        "E2A_SMTP_LISTEN": "127.0.0.1:0",
        "E2A_HTTP_LISTEN": "127.0.0.1:0",
        "E2A_DNS_SERVER": dns.address,
        "E2A_SHARED_DOMAIN": SHARED,
        "E2A_HMAC_SECRET": SECRET,
        "E2A_PUSH_ALLOW_LOOPBACK": "true",
        **{f"E2A_{name.upper()}": value for name, value in settings.items()},
    }
    if sink is not None:
        environment |= {"E2A_OUTBOUND_SMTP_HOST": sink.host, "E2A_OUTBOUND_SMTP_PORT": str(sink.port)}
    return environment


@asynccontextmanager
async def open_home_for_test(
    folder: Path,
    database_url: str,
    dns: DnsServer,
    keys: Keys,
    *,
    sink: SmtpSink | None = None,
    **settings: str,
) -> AsyncIterator[Home]:
    """A deployment whose owner has the default inbox; for the parameters see `environment_of`."""
    environment = environment_of(folder, database_url, dns, sink, **settings)
    clock = MovableClock()
    engine = await open_local_engine(load_settings(environment), clock=clock, strict=True)
    try:
        await engine.wait_until_leading()
        await _use_key(engine, keys, clock.now())
        host, _, port = str((read_run_file(engine.core.settings.home) or {})["smtp"]).rpartition(":")
        account_key, agent_key = await _credentials(engine)
        yield Home(engine, clock, keys, (host, int(port)), account_key, agent_key)
    finally:
        await engine.close()


async def stranger(home: Home, agent_email: str) -> str:
    """An account key of somebody else on the same deployment, who has this one agent."""
    core = home.local.core
    account_id, _ = await ensure_account(core, "stranger@example.net")
    principal = Principal(account_id, "stranger@example.net", "account", None, "test")
    await Agents(core, principal).create(CreateAgentRequest(email=agent_email))
    return (await ApiKeys(core, principal).create(CreateAPIKeyRequest())).key


async def _use_key(engine: LocalEngine, keys: Keys, now: datetime) -> None:
    """Have the shared domain sign with a key that is published already."""
    blob = encrypt_key(keys.shared, SHARED, SECRET.encode(), Ids())
    row = DkimKeyRow(
        domain=SHARED,
        selector=keys.shared_selector,
        algorithm=keys.shared.algorithm,
        private_key=blob,
        public_key=keys.shared.dns_record(),
        created_at=to_micros(now.astimezone(UTC)),
    )
    await engine.core.db.write([insert_dkim_key(row)])


async def _credentials(engine: Engine) -> tuple[str, str]:
    owner = await engine.home_session(scope="account")
    account = await owner.api_keys.create(CreateAPIKeyRequest(name="owner"))
    agent = await owner.api_keys.create(
        CreateAPIKeyRequest(name="assistant", scope="agent", agent_email=ASSISTANT)
    )
    return account.key, agent.key
