"""The engine that is somewhere else."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast
from weakref import WeakValueDictionary

from e2a_core.clock import Clock, SystemClock
from e2a_core.contract.account import Account
from e2a_core.contract.agents import Agents
from e2a_core.contract.api_keys import ApiKeys
from e2a_core.contract.audit import Audit
from e2a_core.contract.contacts import Contacts
from e2a_core.contract.conversations import Conversations
from e2a_core.contract.deployment import Deployment as DeploymentInfo
from e2a_core.contract.deployment import DeploymentInfoView
from e2a_core.contract.domains import Domains
from e2a_core.contract.events import OUTCOME_TYPES, EventEnvelope, Events
from e2a_core.contract.messages import Messages
from e2a_core.contract.metrics import Metrics
from e2a_core.contract.principal import Door, Principal, Scope
from e2a_core.contract.protection import Protection
from e2a_core.contract.reviews import Reviews
from e2a_core.contract.suppressions import Suppressions
from e2a_core.contract.templates import Templates
from e2a_core.contract.webhooks import Webhooks
from e2a_core.documents.reader import DocumentReader
from e2a_core.errors import Forbidden, InvalidRequest, InvalidScope, Unauthorized
from e2a_core.ids import Ids
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.roles import is_account_only
from e2a_core.remote.client import ApiClient, Deployment
from e2a_core.remote.doorbell import Doorbells
from e2a_core.remote.event_log import EventLog
from e2a_core.remote.event_subscriptions import RemoteEventSubscriptions
from e2a_core.remote.occurrences import RemoteOccurrences
from e2a_core.remote.older import MailByHand, ScopedAccount
from e2a_core.remote.operations import remote_group
from e2a_core.remote.scope import ScopedClient
from e2a_core.remote.watching import Pace, Watch, occasions
from e2a_core.settings import Settings

__all__ = ["RemoteEngine", "RemoteSession", "open_remote_engine"]

KEY_SETTING = "E2A_API_KEY"
"""Where the credential of the home session is set."""
WATCHED_INBOXES = 20
"""Each inbox more is looked at more rarely; who watches particular ones names them."""


class RemoteSession:
    """`engine.Session` over the API with one credential."""

    told: frozenset[str] | None = frozenset({"email.received"})

    def __init__(
        self,
        api: ApiClient,
        principal: Principal,
        ids: Ids,
        pace: Pace,
        bells: Doorbells,
        documents: DocumentReader,
        clock: Clock,
        *,
        log: EventLog,
        account: Account | None = None,
    ) -> None:
        self.principal = principal
        self._pace = pace
        self._bells = bells
        self.messages = remote_group(Messages, "messages", api, ids, documents, by_hand=MailByHand)
        self.conversations = remote_group(Conversations, "conversations", api)
        self.agents = remote_group(Agents, "agents", api)
        self.protection = remote_group(Protection, "protection", api)
        self.reviews = remote_group(Reviews, "reviews", api)
        self.api_keys = remote_group(ApiKeys, "api_keys", api)
        self.account = account or remote_group(Account, "account", api)
        self.domains = remote_group(Domains, "domains", api)
        self.templates = remote_group(Templates, "templates", api)
        self.suppressions = remote_group(Suppressions, "suppressions", api)
        self.contacts = remote_group(Contacts, "contacts", api)
        self.metrics = remote_group(Metrics, "metrics", api)
        self.webhooks = remote_group(Webhooks, "webhooks", api)
        self.events = remote_group(Events, "events", api)
        self.audit = remote_group(Audit, "audit", api)
        self.occurrences = RemoteOccurrences(principal, self.agents, log, bells, pace, clock)
        self.event_subscriptions = RemoteEventSubscriptions()

    @asynccontextmanager
    async def watch(
        self, *, types: Sequence[str] | None = None, emails: Collection[str] | None = None
    ) -> AsyncIterator[AsyncIterator[EventEnvelope]]:
        """New mail as `email.received`; other events a deployment's API does not tell to every key.

        Where the deployment's WebSocket can be observed, it says when to look. Without `emails` the watch of an account
        follows the first `WATCHED_INBOXES` of its inboxes.
        """
        if types is not None and "email.received" not in types:
            yield _nothing()
            return
        inboxes = await self._inboxes() if emails is None else {email.strip().lower() for email in emails}
        async with self._bells.bell(inboxes, ["email.received"]) as bell:
            watch = Watch(self.messages, inboxes, self._pace, bell)
            await watch.begin()
            yield watch.arrivals()

    @asynccontextmanager
    async def outcomes(self, email: str, message_id: str) -> AsyncIterator[AsyncIterator[None]]:
        async with self._bells.bell([email.strip().lower()], OUTCOME_TYPES) as bell:
            yield occasions(bell, self._pace)

    async def _inboxes(self) -> list[str]:
        if self.principal.scope == "agent":
            return [email] if (email := self.principal.agent_email) else []
        return [agent.email for agent in (await self.agents.list(limit=WATCHED_INBOXES)).items]


class RemoteEngine:
    """`engine.Engine` over any deployment's `/v1` API; `credential` is that of its home session."""

    def __init__(self, base_url: str, credential: str, *, clock: Clock, ids: Ids) -> None:
        self._credential = credential
        self._ids = ids
        self._documents = DocumentReader()
        self._clock = clock
        self._deployment = Deployment(base_url, clock)
        self._paces: WeakValueDictionary[str, Pace] = WeakValueDictionary()
        self._bells: WeakValueDictionary[str, Doorbells] = WeakValueDictionary()

    async def session(self, credential: str, *, door: Door = "api") -> RemoteSession:
        """Asks the deployment who this is. Raises `Unauthorized`."""
        setting = KEY_SETTING if credential == self._credential else ""
        try:
            api = ApiClient(self._deployment, credential, setting=setting)
        except InvalidRequest:
            raise Unauthorized(f"{setting or 'the credential'} has characters that no key has") from None
        account = await remote_group(Account, "account", api).get()
        if account.scope not in {"account", "agent"}:
            raise Unauthorized("the deployment gave this credential a scope this version does not know")
        principal = Principal(
            account_id=account.user.id,
            account_email=account.user.email,
            scope=cast("Scope", account.scope),
            agent_email=account.agent_email,
            # The API does not tell a key's id; this stands for it, and for no other key.
            credential_id=hashlib.sha256(credential.encode()).hexdigest()[:32],
            door=door,
        )
        pace, bells = self._pace(principal), self._doorbells(principal, credential)
        log = EventLog(api, api if principal.scope == "account" else None, pace)
        return RemoteSession(api, principal, self._ids, pace, bells, self._documents, self._clock, log=log)

    async def home_session(
        self, *, agent_email: str | None = None, scope: str = "agent", door: Door = "command"
    ) -> RemoteSession:
        """The session of the configured key; `agent_email` is its inbox if the key is bound to none.

        With the scope `agent` an account's key reaches that inbox and nothing else. Raises `NotFound` when the
        deployment has no such inbox.
        """
        if scope not in {"agent", "account"}:
            raise InvalidScope("the scope must be agent or account", location="scope")
        session = await self.session(self._credential, door=door)
        principal = session.principal
        if principal.scope == "agent":
            return session
        email = (agent_email or "").strip().lower() or None
        if email is not None:
            await session.agents.get(email)
        if email is not None and scope == "agent" and is_account_only(normalize_addr_spec(email)):
            raise Forbidden(f"{email} is read with an account session only: set E2A_MCP_SCOPE=account")
        if scope == "account":
            session.principal = replace(principal, agent_email=email)
            return session
        api = ScopedClient(self._deployment, self._credential, email, setting=KEY_SETTING)
        narrowed = replace(principal, scope="agent", agent_email=email)
        account = remote_group(Account, "account", api, email, by_hand=ScopedAccount)
        pace, bells = self._pace(principal), self._doorbells(principal, self._credential)
        log = EventLog(api, ApiClient(self._deployment, self._credential), pace)
        return RemoteSession(
            api, narrowed, self._ids, pace, bells, self._documents, self._clock, log=log, account=account
        )

    def _pace(self, principal: Principal) -> Pace:
        return self._paces.setdefault(principal.credential_id, Pace(self._clock))

    def _doorbells(self, principal: Principal, credential: str) -> Doorbells:
        return self._bells.setdefault(principal.credential_id, Doorbells(self._deployment, credential))

    async def info(self) -> DeploymentInfoView:
        return await remote_group(DeploymentInfo, "", ApiClient(self._deployment, None)).info()

    async def close(self) -> None:
        await self._deployment.close()


async def open_remote_engine(
    settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None
) -> RemoteEngine:
    """The engine of the deployment that `settings` name; nothing is asked of it yet."""
    return RemoteEngine(settings.api_url, settings.api_key, clock=clock or SystemClock(), ids=ids or Ids())


async def _nothing() -> AsyncIterator[EventEnvelope]:
    await asyncio.Event().wait()
    yield  # type: ignore[misc]
