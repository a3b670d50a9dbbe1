"""The contract between those who ask (MCP tools, HTTP routes, commands) and those who do.

`LocalEngine` is the full relay in this process, `RemoteEngine` any deployment over its `/v1` API. Methods take and
return the models of this package and raise `errors.E2AError`. Authorisation happens behind this line, so no door can
differ from another: the credential a session was opened with decides what it may do.

An `email` argument names the inbox; the engine normalises it (trimmed, lower case).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from e2a_core.contract.account import Account
from e2a_core.contract.agents import Agents
from e2a_core.contract.api_keys import ApiKeys
from e2a_core.contract.contacts import Contacts
from e2a_core.contract.conversations import Conversations
from e2a_core.contract.deployment import Deployment
from e2a_core.contract.domains import Domains
from e2a_core.contract.events import EventEnvelope
from e2a_core.contract.messages import Messages
from e2a_core.contract.metrics import Metrics
from e2a_core.contract.operation import Operation
from e2a_core.contract.principal import Principal
from e2a_core.contract.protection import Protection
from e2a_core.contract.reviews import Reviews
from e2a_core.contract.rows import operations_of
from e2a_core.contract.suppressions import Suppressions
from e2a_core.contract.templates import Templates

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
}
"""The groups of a session by attribute; routes are matched in this order, so what is asked most comes first."""


def all_operations() -> Iterator[Operation]:
    """Every row: of the deployment, which needs no session, and of each group."""
    yield from operations_of(Deployment, "")
    for group, protocol in GROUPS.items():
        yield from operations_of(protocol, group)


class Session(Protocol):
    """What one credential may do."""

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
    def told(self) -> frozenset[str] | None:
        """The types of events that `watch` can tell of at all; None means every one."""

    def watch(
        self, *, types: Sequence[str] | None = None, emails: Collection[str] | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[EventEnvelope]]:
        """Events from now on that this session may see: its agent's, or all of the account's; of `emails` only.

        What passes, as an engine that does not answer for a while, is waited out. What does not is raised by the
        iteration: `Unauthorized` for a credential that was revoked, `NotFound` when none of `emails` is there any more.
        """


class Engine(Deployment, Protocol):
    async def session(self, credential: str) -> Session:
        """The session of an API key. Raises `Unauthorized`."""

    async def home_session(self, *, agent_email: str | None = None, scope: str = "agent") -> Session:
        """The session of whoever owns the home's files; `NotFound` when the inbox is not there.

        On a remote deployment it is the session of the configured key, narrowed to one inbox by the scope `agent`.
        """

    async def close(self) -> None: ...
