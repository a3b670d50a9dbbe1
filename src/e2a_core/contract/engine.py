"""The contract between the callers (MCP tools, HTTP routes, commands) and the engines.

`LocalEngine` is the full relay in this process; `RemoteEngine` calls the `/v1` API of a deployment. Methods take and
return the models of this package and raise `errors.E2AError`. The engine authorises each call by the credential that
opened the session, so every caller gets the same decision.

An `email` argument names the inbox. The engine normalises it (trimmed, lower case).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from e2a_core.contract.account import Account
from e2a_core.contract.agents import Agents
from e2a_core.contract.api_keys import ApiKeys
from e2a_core.contract.audit import Audit
from e2a_core.contract.contacts import Contacts
from e2a_core.contract.conversations import Conversations
from e2a_core.contract.deployment import Deployment
from e2a_core.contract.domains import Domains
from e2a_core.contract.event_subscriptions import EventSubscriptions
from e2a_core.contract.events import EventEnvelope, Events
from e2a_core.contract.messages import Messages
from e2a_core.contract.metrics import Metrics
from e2a_core.contract.occurrences import Occurrences
from e2a_core.contract.operation import Operation
from e2a_core.contract.principal import Door, Principal
from e2a_core.contract.protection import Protection
from e2a_core.contract.reviews import Reviews
from e2a_core.contract.rows import operations_of
from e2a_core.contract.suppressions import Suppressions
from e2a_core.contract.templates import Templates
from e2a_core.contract.webhooks import Webhooks

__all__ = ["GROUPS", "Engine", "Session", "all_operations"]

GROUPS: dict[str, type] = {
    "messages": Messages,
    "account": Account,
    "api_keys": ApiKeys,
    "agents": Agents,
    "protection": Protection,
    "conversations": Conversations,
    "reviews": Reviews,
    "domains": Domains,
    "templates": Templates,
    "suppressions": Suppressions,
    "contacts": Contacts,
    "metrics": Metrics,
    "webhooks": Webhooks,
    "events": Events,
    "audit": Audit,
}
"""The groups of a session by attribute. Routes are matched in this order, so the most used groups come first."""


def all_operations() -> Iterator[Operation]:
    """Yields every row: first those of the deployment, which need no session, then those of each group."""
    yield from operations_of(Deployment, "")
    for group, protocol in GROUPS.items():
        yield from operations_of(protocol, group)


class Session(Protocol):
    """Everything one credential may call."""

    @property
    def principal(self) -> Principal: ...

    @property
    def messages(self) -> Messages: ...

    @property
    def conversations(self) -> Conversations: ...

    @property
    def agents(self) -> Agents: ...

    @property
    def protection(self) -> Protection: ...

    @property
    def reviews(self) -> Reviews: ...

    @property
    def api_keys(self) -> ApiKeys: ...

    @property
    def account(self) -> Account: ...

    @property
    def domains(self) -> Domains: ...

    @property
    def templates(self) -> Templates: ...

    @property
    def suppressions(self) -> Suppressions: ...

    @property
    def contacts(self) -> Contacts: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def webhooks(self) -> Webhooks: ...

    @property
    def events(self) -> Events: ...

    @property
    def audit(self) -> Audit: ...

    @property
    def occurrences(self) -> Occurrences: ...

    @property
    def event_subscriptions(self) -> EventSubscriptions: ...

    @property
    def told(self) -> frozenset[str] | None:
        """The event types that `watch` can report; None means all."""

    def watch(
        self, *, types: Sequence[str] | None = None, emails: Collection[str] | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[EventEnvelope]]:
        """Yields events from now on that this session may see: those of its agent, or of the whole account.

        With `emails`, only events of these inboxes. Retries temporary failures, such as an engine that does not answer
        for a while. The iteration raises `Unauthorized` once the credential is revoked, and `NotFound` once none of
        `emails` exists.
        """

    def outcomes(self, email: str, message_id: str) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Yields when a message of the inbox may have been decided on or sent, from now on: it is time to look.

        There may be nothing new. The iteration raises as that of `watch`.
        """


class Engine(Deployment, Protocol):
    async def session(self, credential: str, *, door: Door = "api") -> Session:
        """Returns the session of an API key that came by `door`. Raises `Unauthorized`."""

    async def home_session(
        self, *, agent_email: str | None = None, scope: str = "agent", door: Door = "command"
    ) -> Session:
        """Returns the session of the home's owner, who came by `door`. Raises `NotFound` if the inbox does not exist.

        On a remote deployment this is the session of the configured key. The scope `agent` limits it to one inbox.
        """

    async def close(self) -> None: ...
