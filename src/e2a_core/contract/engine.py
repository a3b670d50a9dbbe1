"""The contract between those who ask (MCP tools, HTTP routes, commands) and those who do.

`LocalEngine` is the full relay in this process, `RemoteEngine` any deployment over its `/v1` API. Methods take and
return wire models and raise `errors.E2AError`. Authorisation happens behind this line, so no door can differ from
another: what a session may do is decided by the credential it was opened with.

An `email` argument names the inbox; it is normalised (trimmed, lower-cased) by the engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from e2a_core.contract.account import (
    AccountView,
    APIKeyView,
    CreateAPIKeyRequest,
    CreateAPIKeyResponse,
    DeleteApiKeyResult,
)
from e2a_core.contract.agents import (
    AgentView,
    CreateAgentRequest,
    CreateDelegationRequest,
    DelegationView,
    DeleteAgentResult,
    ProtectionConfig,
    ProtectionConfigView,
    UpdateAgentRequest,
)
from e2a_core.contract.base import Page
from e2a_core.contract.contacts import (
    ContactEngagementView,
    ContactImportResult,
    ContactQuery,
    ContactView,
    CreateContactRequest,
    DeleteContactResult,
    DeleteEngagementResult,
    DeleteImportBatchResult,
    EngagementQuery,
    ImportContactsRequest,
    UpdateContactRequest,
    UpsertEngagementRequest,
)
from e2a_core.contract.conversations import ConversationDetailView, ConversationSummaryView
from e2a_core.contract.deployment import DeploymentInfoView
from e2a_core.contract.domains import (
    DeleteDomainResult,
    DomainView,
    RegisterDomainRequest,
    VerifyDomainView,
)
from e2a_core.contract.events import EventEnvelope
from e2a_core.contract.export import DeleteUserDataResult, UserExport
from e2a_core.contract.messages import (
    AttachmentContent,
    AttachmentView,
    DeleteMessageResult,
    MessageLifecycleTransition,
    MessageQuery,
    MessageSummaryView,
    MessageView,
    UpdateMessageRequest,
    UpdateMessageResultView,
)
from e2a_core.contract.metrics import AccountMetricsView, AgentMetricsView
from e2a_core.contract.principal import Principal
from e2a_core.contract.sending import (
    ApproveRequest,
    ForwardRequest,
    RejectRequest,
    RejectResultView,
    ReplyRequest,
    ReviewView,
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.contract.suppressions import (
    AgentSuppressionView,
    CreateAgentSuppressionRequest,
    DeleteSuppressionResult,
    SuppressionView,
)
from e2a_core.contract.templates import (
    CreateTemplateRequest,
    DeleteTemplateResult,
    StarterTemplateDetailView,
    StarterTemplateView,
    TemplateSummaryView,
    TemplateView,
    UpdateTemplateRequest,
    ValidateTemplateRequest,
    ValidateTemplateResponse,
)

__all__ = [
    "Account",
    "Agents",
    "ApiKeys",
    "Contacts",
    "Conversations",
    "Domains",
    "Engine",
    "Messages",
    "Metrics",
    "Protection",
    "Reviews",
    "Session",
    "Suppressions",
    "Templates",
]


class Messages(Protocol):
    """The mail of one inbox, and sending from it."""

    async def list(self, email: str, query: MessageQuery) -> Page[MessageSummaryView]: ...

    async def get(
        self, email: str, message_id: str, *, peek: bool = False, whole: bool = False
    ) -> MessageView:
        """One message; marks unread inbound mail read unless `peek`.

        `whole` gives the parsed text beyond the 16 KiB that the wire shows of it, for those who page through it.
        """

    async def raw(self, email: str, message_id: str) -> bytes:
        """The message as handed on, RFC 5322; does not mark read. `NotFound` for a held draft."""

    async def update(
        self, email: str, message_id: str, request: UpdateMessageRequest
    ) -> UpdateMessageResultView: ...

    async def mark(self, email: str, message_id: str, *, read: bool) -> None: ...

    async def delete(
        self, email: str, message_id: str, *, permanent: bool = False
    ) -> DeleteMessageResult: ...

    async def restore(self, email: str, message_id: str) -> MessageView: ...

    async def lifecycle(
        self, email: str, message_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> Page[MessageLifecycleTransition]: ...

    async def attachment(
        self, email: str, message_id: str, index: int, *, inline: bool = False
    ) -> AttachmentView: ...

    async def attachment_content(self, email: str, message_id: str, index: int) -> AttachmentContent: ...

    async def send(self, email: str, request: SendEmailRequest, options: SendOptions) -> SendResultView: ...

    async def reply(
        self, email: str, message_id: str, request: ReplyRequest, options: SendOptions
    ) -> SendResultView: ...

    async def forward(
        self, email: str, message_id: str, request: ForwardRequest, options: SendOptions
    ) -> SendResultView: ...


class Conversations(Protocol):
    async def list(
        self,
        email: str,
        *,
        since: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[ConversationSummaryView]: ...

    async def get(self, email: str, conversation_id: str) -> ConversationDetailView: ...


class Agents(Protocol):
    async def list(
        self, *, deleted: bool = False, cursor: str | None = None, limit: int = 100
    ) -> Page[AgentView]: ...

    async def get(self, email: str) -> AgentView: ...

    async def create(self, request: CreateAgentRequest) -> AgentView: ...

    async def update(self, email: str, request: UpdateAgentRequest) -> AgentView: ...

    async def delete(self, email: str, *, permanent: bool = False) -> DeleteAgentResult: ...

    async def restore(self, email: str) -> AgentView: ...

    async def test(self, email: str) -> SendResultView:
        """A test mail from the deployment to the agent."""

    async def delegations(self, email: str) -> Sequence[DelegationView]: ...

    async def delegate(self, email: str, request: CreateDelegationRequest) -> DelegationView: ...

    async def revoke_delegation(self, email: str, delegation_id: str) -> None: ...


class Protection(Protocol):
    async def get(self, email: str) -> ProtectionConfigView: ...

    async def put(self, email: str, config: ProtectionConfig) -> ProtectionConfigView: ...


class Reviews(Protocol):
    """Held mail of the account; only an account credential may look or decide."""

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[ReviewView]: ...

    async def get(self, message_id: str) -> MessageView: ...

    async def approve(
        self, message_id: str, request: ApproveRequest, *, idempotency_key: str | None = None
    ) -> SendResultView: ...

    async def reject(self, message_id: str, request: RejectRequest) -> RejectResultView: ...


class ApiKeys(Protocol):
    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[APIKeyView]: ...

    async def create(
        self, request: CreateAPIKeyRequest, *, idempotency_key: str | None = None
    ) -> CreateAPIKeyResponse: ...

    async def delete(self, key_id: str) -> DeleteApiKeyResult: ...


class Account(Protocol):
    async def get(self) -> AccountView: ...

    async def export(self) -> UserExport:
        """Everything the account holds, trashed objects included, without secrets."""

    async def delete(self) -> DeleteUserDataResult:
        """The account and everything of it, in one transaction; its keys stop at once."""


class Domains(Protocol):
    """Domains of the account, and what they have to publish."""

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[DomainView]: ...

    async def get(self, domain: str) -> DomainView: ...

    async def register(self, request: RegisterDomainRequest) -> DomainView: ...

    async def verify(self, domain: str) -> VerifyDomainView: ...

    async def delete(self, domain: str) -> DeleteDomainResult: ...

    async def rotate_key(self, domain: str) -> DomainView:
        """A new DKIM key beside the present one, which signs on until the new one is found in DNS."""


class Templates(Protocol):
    """Templates of the account, and the starters to copy from."""

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[TemplateSummaryView]: ...

    async def get(self, template_id: str) -> TemplateView: ...

    async def create(self, request: CreateTemplateRequest) -> TemplateView: ...

    async def update(self, template_id: str, request: UpdateTemplateRequest) -> TemplateView: ...

    async def delete(self, template_id: str) -> DeleteTemplateResult: ...

    async def validate(self, request: ValidateTemplateRequest) -> ValidateTemplateResponse: ...

    async def list_starters(
        self, *, cursor: str | None = None, limit: int = 100
    ) -> Page[StarterTemplateView]: ...

    async def get_starter(self, alias: str) -> StarterTemplateDetailView: ...


class Suppressions(Protocol):
    """Addresses not to be written to: by the whole account, or by one agent."""

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[SuppressionView]: ...

    async def delete(self, address: str) -> DeleteSuppressionResult: ...

    async def list_of_agent(
        self, email: str, *, cursor: str | None = None, limit: int = 100
    ) -> Page[AgentSuppressionView]: ...

    async def create_for_agent(
        self, email: str, request: CreateAgentSuppressionRequest
    ) -> AgentSuppressionView: ...

    async def delete_of_agent(self, email: str, address: str) -> DeleteSuppressionResult: ...


class Contacts(Protocol):
    """Contacts of the account and the outreach of agents to them.

    `if_match` is an entity tag made from a view's `updated_at` (`wire.contacts.etag_of`); another state is
    refused with `PreconditionFailed`.
    """

    async def list(self, query: ContactQuery) -> Page[ContactView]: ...

    async def get(self, address: str) -> ContactView: ...

    async def create(
        self, request: CreateContactRequest, *, idempotency_key: str | None = None
    ) -> ContactView: ...

    async def update(
        self, address: str, request: UpdateContactRequest, *, if_match: str | None = None
    ) -> ContactView: ...

    async def delete(self, address: str) -> DeleteContactResult: ...

    async def import_rows(
        self, request: ImportContactsRequest, *, idempotency_key: str | None = None
    ) -> ContactImportResult: ...

    async def delete_import(self, batch_id: str) -> DeleteImportBatchResult: ...

    async def engagements(self, email: str, query: EngagementQuery) -> Page[ContactEngagementView]: ...

    async def engagement(self, email: str, address: str) -> ContactEngagementView: ...

    async def upsert_engagement(
        self, email: str, address: str, request: UpsertEngagementRequest, *, if_match: str | None = None
    ) -> ContactEngagementView: ...

    async def delete_engagement(self, email: str, address: str) -> DeleteEngagementResult: ...


class Metrics(Protocol):
    """Counts over the messages of a window; `start` inclusive, `end` exclusive, RFC 3339."""

    async def of_agent(
        self, email: str, *, start: str | None = None, end: str | None = None
    ) -> AgentMetricsView: ...

    async def of_account(
        self,
        *,
        start: str | None = None,
        end: str | None = None,
        bucket: str | None = None,
        group_by: str | None = None,
    ) -> AccountMetricsView: ...


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


class Engine(Protocol):
    async def session(self, credential: str) -> Session:
        """The session of an API key. Raises `Unauthorized`."""

    async def home_session(self, *, agent_email: str | None = None, scope: str = "agent") -> Session:
        """The session of whoever owns the home's files; `NotFound` when the inbox is not there.

        On a remote deployment it is the session of the configured key, narrowed to one inbox by the scope `agent`.
        """

    async def info(self) -> DeploymentInfoView:
        """What the deployment says of itself to anybody."""

    async def close(self) -> None: ...
