"""What one credential may do on the local engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from e2a_core.audit.log import AuditLog
from e2a_core.contract.events import OUTCOME_TYPES, EventEnvelope
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.erasure.agents import purge_roles
from e2a_core.local.account import Account
from e2a_core.local.agents import Agents
from e2a_core.local.api_keys import ApiKeys
from e2a_core.local.audit import Audit
from e2a_core.local.contacts import Contacts
from e2a_core.local.conversations import Conversations
from e2a_core.local.domains import Domains
from e2a_core.local.event_subscriptions import EventSubscriptions
from e2a_core.local.events import Events
from e2a_core.local.guard import Guard
from e2a_core.local.messages import Messages
from e2a_core.local.metrics import Metrics
from e2a_core.local.occurrences import Occurrences
from e2a_core.local.protection import Protection
from e2a_core.local.reviews import Reviews
from e2a_core.local.suppressions import Suppressions
from e2a_core.local.templates import Templates
from e2a_core.local.webhooks import Webhooks
from e2a_core.push.catalogue import hidden_from_agents
from e2a_core.push.envelopes import envelope
from e2a_core.push.fanout import CONNECTED
from e2a_core.store.event_feed import EventFeed
from e2a_core.submission.send import Sender
from e2a_core.submission.waiting import Waiting
from e2a_core.subscriptions.verify import Verifier

__all__ = ["LocalSession"]


class LocalSession:
    """`engine.Session` over the services of this process."""

    told: frozenset[str] | None = None

    def __init__(
        self,
        core: Core,
        sender: Sender,
        waiting: Waiting,
        feed: EventFeed,
        verifier: Verifier,
        audit: AuditLog,
        principal: Principal,
    ) -> None:
        self.principal = principal
        guard = Guard(principal, audit)
        reviews = Reviews(core, principal, waiting)
        self.reviews = guard("reviews", reviews)
        self.messages = guard("messages", Messages(core, principal, sender, reviews))
        self.conversations = guard("conversations", Conversations(core, principal))
        self.agents = guard("agents", Agents(core, principal, sender))
        self.protection = guard("protection", Protection(core, principal))
        self.api_keys = guard("api_keys", ApiKeys(core, principal))
        self.account = guard("account", Account(core, principal))
        self.domains = guard("domains", Domains(core, principal, purge_roles))
        self.templates = guard("templates", Templates(core, principal))
        self.suppressions = guard("suppressions", Suppressions(core, principal))
        self.contacts = guard("contacts", Contacts(core, principal))
        self.metrics = guard("metrics", Metrics(core, principal))
        self.webhooks = guard("webhooks", Webhooks(core, principal))
        self.events = guard("events", Events(core, principal))
        self.audit = guard("audit", Audit(core, principal))
        self.occurrences = Occurrences(core, feed, principal)
        subscriptions = EventSubscriptions(core, feed, verifier, principal)
        self.event_subscriptions = guard("event_subscriptions", subscriptions)
        self._feed = feed

    @asynccontextmanager
    async def watch(
        self, *, types: Sequence[str] | None = None, emails: Collection[str] | None = None
    ) -> AsyncIterator[AsyncIterator[EventEnvelope]]:
        bound = self.principal.agent_email if self.principal.scope == "agent" else None
        wanted = None if emails is None else {email.strip().lower() for email in emails}
        async with self._feed.subscribe(
            account_id=self.principal.account_id, agent_email=bound, types=types
        ) as events:
            yield (
                envelope(event)
                async for event in events
                if event.type != CONNECTED
                and (bound is None or not hidden_from_agents(event))
                and (wanted is None or event.agent_email in wanted)
            )

    @asynccontextmanager
    async def outcomes(self, email: str, message_id: str) -> AsyncIterator[AsyncIterator[None]]:
        async with self.watch(types=OUTCOME_TYPES, emails=[email]) as events:
            yield (None async for event in events if event.data.get("message_id") == message_id)
