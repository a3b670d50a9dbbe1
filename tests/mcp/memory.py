"""An engine in memory, faithful to the contract as far as protocol tests of the tools need one."""

from __future__ import annotations

import base64
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from e2a_core import errors
from e2a_core.contract.account import AccountUserView, AccountView, LimitsCapsView, LimitsUsageView
from e2a_core.contract.agents import AgentView, CreateAgentRequest, DeleteAgentResult, UpdateAgentRequest
from e2a_core.contract.api_keys import (
    APIKeyView,
    CreateAPIKeyRequest,
    CreateAPIKeyResponse,
    DeleteApiKeyResult,
)
from e2a_core.contract.base import Page
from e2a_core.contract.conversations import ConversationDetailView, ConversationSummaryView
from e2a_core.contract.events import EventEnvelope
from e2a_core.contract.message_views import (
    AttachmentContent,
    AttachmentMetaView,
    AttachmentView,
    Authentication,
    DKIMResult,
    DMARCResult,
    MessageBodyView,
    MessageParsedView,
    MessageSummaryView,
    MessageView,
    SPFResult,
)
from e2a_core.contract.messages import (
    DeleteMessageResult,
    MessageLifecycleTransition,
    MessageQuery,
    UpdateMessageRequest,
    UpdateMessageResultView,
)
from e2a_core.contract.principal import Principal
from e2a_core.contract.protection import (
    ProtectionConfig,
    ProtectionConfigView,
    ProtectionDirection,
    ProtectionGate,
    ProtectionHolds,
    ProtectionScan,
)
from e2a_core.contract.reviews import ApproveRequest, RejectRequest, RejectResultView, ReviewView
from e2a_core.contract.sending import ReplyRequest, SendEmailRequest, SendOptions, SendResultView
from e2a_core.ids import Ids
from e2a_core.settings import Settings

ACCOUNT_KEY = "e2a_acct_test"
AGENT_KEY = "e2a_agt_test"
OTHER_KEY = "e2a_agt_other"
AGENT = "assistant@agents.localhost"
OTHER = "other@agents.localhost"
# Long before any test runs: what is "recent" is told by the real clock.
START = datetime(2020, 11, 22, 10, tzinfo=UTC)


@dataclass
class Mail:
    email: str
    view: MessageView
    attachments: list[AttachmentContent] = field(default_factory=list)
    deleted: bool = False
    pending: bool = False


class MemoryEngine:
    """State of one deployment with one account."""

    def __init__(self, hold_sends: bool = False) -> None:
        self.ids = Ids()
        self.agents = {AGENT: _agent(AGENT), OTHER: _agent(OTHER)}
        self.mail: dict[str, Mail] = {}
        self.keys: dict[str, tuple[str, str | None]] = {
            ACCOUNT_KEY: ("account", None),
            AGENT_KEY: ("agent", AGENT),
            OTHER_KEY: ("agent", OTHER),
        }
        self.sent: list[tuple[Any, SendOptions]] = []
        self.hold_sends = hold_sends
        self.protection = _protection()
        self.watchers: list[tuple[Principal, MemoryObjectSendStream[EventEnvelope]]] = []
        self.sessions_opened = 0
        self.closed = False
        self._clock = START

    async def session(self, credential: str) -> MemorySession:
        self.sessions_opened += 1
        if credential not in self.keys:
            raise errors.Unauthorized
        scope, agent = self.keys[credential]
        return MemorySession(self, Principal("acc", "owner@localhost", scope, agent, credential))  # type: ignore[arg-type]

    async def home_session(self, *, agent_email: str | None = None, scope: str = "agent") -> MemorySession:
        email = agent_email or AGENT
        if email not in self.agents:
            raise errors.NotFound("no such agent")
        return MemorySession(self, Principal("acc", "owner@localhost", scope, email, "home"))  # type: ignore[arg-type]

    async def close(self) -> None:
        self.closed = True

    def set_clock(self, instant: datetime) -> None:
        self._clock = instant

    def tick(self) -> datetime:
        self._clock += timedelta(seconds=1)
        return self._clock

    async def deliver(
        self,
        subject: str = "hello",
        text: str = "hi there",
        *,
        email: str = AGENT,
        sender: str = "me@example.org",
        verified: bool = True,
        html: str | None = None,
        quoted: str | None = None,
        conversation: str | None = None,
        attachments: Sequence[tuple[str, str, bytes]] = (),
        pending: bool = False,
    ) -> str:
        """Takes mail in as the relay would."""
        message_id = self.ids.message()
        metas = [
            AttachmentMetaView(index=n, filename=name, content_type=kind, size_bytes=len(data))
            for n, (name, kind, data) in enumerate(attachments)
        ]
        view = MessageView(
            id=message_id,
            direction="inbound",
            header_from=sender,
            envelope_from=sender,
            verified_domain=sender.partition("@")[2] if verified else None,
            authentication=_evidence(sender.partition("@")[2], verified),
            to=[email],
            delivered_to=email,
            subject=subject,
            read_status="unread",
            labels=[],
            conversation_id=conversation or self.ids.conversation(),
            created_at=self.tick(),
            parsed=MessageParsedView(text=text, html=html, truncated=False, quoted_text=quoted),
            attachments=metas,
            content_hash="sha256:" + "0" * 8,
            review_status="pending" if pending else None,
            raw_message=base64.b64encode(
                f"From: {sender}\r\nSubject: {subject}\r\n\r\n{text}".encode()
            ).decode(),
        )
        contents = [AttachmentContent(meta=m, data=a[2]) for m, a in zip(metas, attachments, strict=True)]
        self.mail[message_id] = Mail(email, view, contents, pending=pending)
        kind = "email.review_requested" if pending else "email.received"
        await self.publish(kind, message_id)
        return message_id

    async def publish(self, kind: str, message_id: str) -> None:
        mail = self.mail[message_id]
        data = {
            "message_id": message_id,
            "agent_email": mail.email,
            "direction": mail.view.direction,
            "conversation_id": mail.view.conversation_id,
        }
        event = EventEnvelope(type=kind, id=self.ids.event(), created_at=self.tick(), data=data)
        for principal, stream in list(self.watchers):
            if principal.scope == "account" or principal.agent_email == mail.email:
                stream.send_nowait(event)

    def find(self, email: str, message_id: str) -> Mail:
        mail = self.mail.get(message_id)
        if mail is None or mail.email != email:
            raise errors.NotFound("no such message")
        return mail

    async def submit(self, email: str, request: Any, options: SendOptions, **more: Any) -> SendResultView:
        self.sent.append((request, options))
        if not request.text and not request.html and not getattr(request, "template_id", None):
            raise errors.InvalidRequest("text or html is required", location="body.text", status=422)
        view = MessageView(
            id=self.ids.message(),
            direction="outbound",
            type="send",
            header_from=email,
            to=more["to"],
            delivered_to=email,
            subject=more["subject"],
            read_status="read",
            labels=[],
            conversation_id=more["conversation"],
            created_at=self.tick(),
            body=MessageBodyView(text=request.text, html=request.html),
            content_hash="sha256:" + self.ids.secret(4),
        )
        self.mail[view.id] = Mail(email, view, pending=self.hold_sends)
        status = "pending_review" if self.hold_sends else "accepted"
        await self.publish("email.review_requested" if self.hold_sends else "email.sent", view.id)
        return SendResultView(status=status, message_id=view.id, conversation_id=view.conversation_id)


@dataclass
class MemorySession:
    """All groups of one session; the group properties return the session's own adapters."""

    engine: MemoryEngine
    principal: Principal
    told = None

    @property
    def messages(self) -> _Messages:
        return _Messages(self.engine, self.principal)

    @property
    def conversations(self) -> _Conversations:
        return _Conversations(self.engine, self.principal)

    @property
    def agents(self) -> _Agents:
        return _Agents(self.engine, self.principal)

    @property
    def protection(self) -> _Protection:
        return _Protection(self.engine, self.principal)

    @property
    def reviews(self) -> _Reviews:
        return _Reviews(self.engine, self.principal)

    @property
    def api_keys(self) -> _Keys:
        return _Keys(self.engine, self.principal)

    @property
    def account(self) -> _Account:
        return _Account(self.engine, self.principal)

    @asynccontextmanager
    async def watch(
        self, *, types: Sequence[str] | None = None, emails: Sequence[str] | None = None
    ) -> AsyncIterator[AsyncIterator[EventEnvelope]]:
        send, receive = anyio.create_memory_object_stream[EventEnvelope](math.inf)
        entry = (self.principal, send)
        self.engine.watchers.append(entry)
        try:
            yield _filtered(receive, types)
        finally:
            self.engine.watchers.remove(entry)
            send.close()
            receive.close()


async def _filtered(
    stream: MemoryObjectReceiveStream[EventEnvelope], types: Sequence[str] | None
) -> AsyncIterator[EventEnvelope]:
    async for event in stream:
        if types is None or event.type in types:
            yield event


@dataclass
class _Group:
    engine: MemoryEngine
    principal: Principal

    def reach(self, email: str) -> str:
        email = email.strip().lower()
        if email not in self.engine.agents:
            raise errors.NotFound("no such agent")
        self.principal.require_reach(email, "acc")
        return email


class _Messages(_Group):
    async def list(self, email: str, query: MessageQuery) -> Page[MessageSummaryView]:
        email = self.reach(email)
        direction, status = query.direction or "inbound", query.read_status or "unread"
        views = [
            mail.view
            for mail in self.engine.mail.values()
            if mail.email == email
            and mail.deleted == query.deleted
            and not mail.pending
            and direction in ("all", mail.view.direction)
            and (status == "all" or mail.view.direction == "outbound" or mail.view.read_status == status)
            and (query.from_ or "").lower() in (mail.view.header_from or "").lower()
            and (query.subject_contains or "").lower() in mail.view.subject.lower()
            and query.conversation_id in (None, mail.view.conversation_id)
            and (query.query or "").lower() in (mail.view.subject + _text(mail.view)).lower()
            and set(query.labels or ()) <= set(mail.view.labels)
            and (query.since is None or mail.view.created_at >= datetime.fromisoformat(query.since))
        ]
        views.sort(key=lambda view: view.created_at, reverse=query.sort != "asc")
        if query.cursor is not None and not query.cursor.isdigit():
            raise errors.InvalidCursor("the cursor is not one of this list", location="query.cursor")
        start = int(query.cursor or 0)
        page = views[start : start + query.limit]
        more = str(start + query.limit) if start + query.limit < len(views) else None
        return Page(items=[_summary(view) for view in page], next_cursor=more)

    async def get(
        self, email: str, message_id: str, *, peek: bool = False, whole: bool = False
    ) -> MessageView:
        mail = self.engine.find(self.reach(email), message_id)
        if not peek:
            mail.view = mail.view.model_copy(update={"read_status": "read"})
        return mail.view

    async def raw(self, email: str, message_id: str) -> bytes:
        view = self.engine.find(self.reach(email), message_id).view
        if view.raw_message is None:
            raise errors.NotFound("no raw message yet")
        return base64.b64decode(view.raw_message)

    async def update(
        self, email: str, message_id: str, request: UpdateMessageRequest
    ) -> UpdateMessageResultView:
        mail = self.engine.find(self.reach(email), message_id)
        labels = sorted(
            set(mail.view.labels) - set(request.remove_labels or ()) | set(request.add_labels or ())
        )
        mail.view = mail.view.model_copy(update={"labels": labels})
        await self.engine.publish("message.updated", message_id)
        return UpdateMessageResultView(message_id=message_id, labels=labels)

    async def delete(self, email: str, message_id: str, *, permanent: bool = False) -> DeleteMessageResult:
        self.engine.find(self.reach(email), message_id).deleted = True
        return DeleteMessageResult(id=message_id)

    async def restore(self, email: str, message_id: str) -> MessageView:
        mail = self.engine.find(self.reach(email), message_id)
        if not mail.deleted:
            raise errors.NotInTrash("the message is not in the trash")
        mail.deleted = False
        return mail.view

    async def lifecycle(
        self, email: str, message_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> Page[MessageLifecycleTransition]:
        view = self.engine.find(self.reach(email), message_id).view
        row = MessageLifecycleTransition(
            id="mlt_1",
            message_id=message_id,
            direction=view.direction,
            stage="acceptance",
            outcome="succeeded",
            reason_code="accepted",
            retryable=False,
            evidence={"smtp_detail": "250 ok"},
            correlation_ids={},
            occurred_at=view.created_at,
        )
        return Page(items=[row])

    async def attachment(
        self, email: str, message_id: str, index: int, *, inline: bool = False
    ) -> AttachmentView:
        content = await self.attachment_content(email, message_id, index)
        return AttachmentView(
            **content.meta.to_wire(),
            download_url="http://127.0.0.1/download",
            expires_at=START,
            data=base64.b64encode(content.data).decode() if inline else None,
        )

    async def attachment_content(self, email: str, message_id: str, index: int) -> AttachmentContent:
        mail = self.engine.find(self.reach(email), message_id)
        if index >= len(mail.attachments):
            raise errors.AttachmentNotFound("no attachment of that index")
        return mail.attachments[index]

    async def send(self, email: str, request: SendEmailRequest, options: SendOptions) -> SendResultView:
        conversation = request.conversation_id or self.engine.ids.conversation()
        return await self.engine.submit(
            self.reach(email),
            request,
            options,
            to=request.to,
            subject=request.subject or "",
            conversation=conversation,
        )

    async def reply(
        self, email: str, message_id: str, request: ReplyRequest, options: SendOptions
    ) -> SendResultView:
        view = self.engine.find(self.reach(email), message_id).view
        return await self.engine.submit(
            email,
            request,
            options,
            to=[view.header_from],
            subject=f"Re: {view.subject}",
            conversation=view.conversation_id,
        )

    async def forward(
        self, email: str, message_id: str, request: Any, options: SendOptions
    ) -> SendResultView:
        view = self.engine.find(self.reach(email), message_id).view
        self.engine.sent.append((request, options))
        return SendResultView(status="accepted", message_id=f"msg_fwd_{view.id}")


class _Conversations(_Group):
    async def list(self, email: str, **_: Any) -> Page[ConversationSummaryView]:
        email = self.reach(email)
        ids = {mail.view.conversation_id for mail in self.engine.mail.values() if mail.email == email}
        return Page(
            items=[_conversation(self._of(email, item), ConversationSummaryView) for item in sorted(ids)]
        )

    async def get(self, email: str, conversation_id: str) -> ConversationDetailView:
        views = self._of(self.reach(email), conversation_id)
        if not views:
            raise errors.NotFound("no such conversation")
        return _conversation(views, ConversationDetailView)

    def _of(self, email: str, conversation_id: str) -> list[MessageView]:
        return [
            mail.view
            for mail in self.engine.mail.values()
            if mail.email == email and mail.view.conversation_id == conversation_id
        ]


class _Agents(_Group):
    async def list(
        self, *, deleted: bool = False, cursor: str | None = None, limit: int = 100
    ) -> Page[AgentView]:
        self.principal.require_account()
        return Page(items=list(self.engine.agents.values())[:limit])

    async def get(self, email: str) -> AgentView:
        return self.engine.agents[self.reach(email)]

    async def create(self, request: CreateAgentRequest) -> AgentView:
        self.principal.require_account()
        if request.email in self.engine.agents:
            raise errors.AgentTaken("the address is taken")
        self.engine.agents[request.email] = _agent(request.email, request.name or "")
        return self.engine.agents[request.email]

    async def update(self, email: str, request: UpdateAgentRequest) -> AgentView:
        email = self.reach(email)
        self.engine.agents[email] = self.engine.agents[email].model_copy(update={"name": request.name})
        return self.engine.agents[email]

    async def delete(self, email: str, *, permanent: bool = False) -> DeleteAgentResult:
        return DeleteAgentResult(email=self.reach(email), messages_deleted=0)

    async def restore(self, email: str) -> AgentView:
        return self.engine.agents[self.reach(email)]


class _Protection(_Group):
    async def get(self, email: str) -> ProtectionConfigView:
        self.reach(email)
        return ProtectionConfigView(**self.engine.protection.model_dump())

    async def put(self, email: str, config: ProtectionConfig) -> ProtectionConfigView:
        self.engine.protection = config
        return await self.get(email)


class _Reviews(_Group):
    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[ReviewView]:
        self.principal.require_account()
        return Page(
            items=[
                ReviewView(
                    id=mail.view.id,
                    agent_email=mail.email,
                    direction=mail.view.direction,
                    header_from=mail.view.header_from,
                    to=mail.view.to,
                    subject=mail.view.subject,
                    review_status="pending",
                    created_at=mail.view.created_at,
                )
                for mail in self.engine.mail.values()
                if mail.pending
            ]
        )

    async def get(self, message_id: str) -> MessageView:
        return self._pending(message_id).view

    def _pending(self, message_id: str) -> Mail:
        self.principal.require_account()
        mail = self.engine.mail.get(message_id)
        if mail is None:
            raise errors.NotFound("no such message")
        if not mail.pending:
            raise errors.MessageNotPending("the message is not held")
        return mail

    async def approve(
        self, message_id: str, request: ApproveRequest, *, idempotency_key: str | None = None
    ) -> SendResultView:
        mail = self._pending(message_id)
        if request.content_hash not in (None, mail.view.content_hash):
            raise errors.DraftChanged("the draft has changed since it was read")
        self.engine.sent.append((request, SendOptions(idempotency_key=idempotency_key)))
        mail.pending = False
        await self.engine.publish("email.review_approved", message_id)
        return SendResultView(status="accepted", message_id=message_id)

    async def reject(self, message_id: str, request: RejectRequest) -> RejectResultView:
        self._pending(message_id).pending = False
        return RejectResultView(message_id=message_id, status="rejected", rejection_reason=request.reason)


class _Keys(_Group):
    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[APIKeyView]:
        self.principal.require_account()
        return Page(
            items=[
                APIKeyView(
                    id=f"apk_{key}",
                    name="",
                    key_prefix=key[:8],
                    scope=scope,
                    agent_email=agent,
                    created_at=START,
                )
                for key, (scope, agent) in self.engine.keys.items()
            ]
        )

    async def create(
        self, request: CreateAPIKeyRequest, *, idempotency_key: str | None = None
    ) -> CreateAPIKeyResponse:
        self.principal.require_account()
        key = f"e2a_agt_{self.engine.ids.secret(8)}"
        self.engine.keys[key] = (request.scope or "agent", request.agent_email)
        return CreateAPIKeyResponse(
            id=f"apk_{key}",
            name=request.name or "",
            key_prefix=key[:8],
            scope=request.scope or "agent",
            agent_email=request.agent_email,
            created_at=START,
            key=key,
        )

    async def delete(self, key_id: str) -> DeleteApiKeyResult:
        self.principal.require_account()
        if self.engine.keys.pop(key_id.removeprefix("apk_"), None) is None:
            raise errors.NotFound("no such key")
        return DeleteApiKeyResult(id=key_id)


class _Account(_Group):
    async def get(self) -> AccountView:
        return AccountView(
            user=AccountUserView(id="acc", email="owner@localhost"),
            scope=self.principal.scope,
            agent_email=self.principal.agent_email,
            plan_code="default",
            limits=LimitsCapsView(max_agents=9, max_domains=9, max_messages_month=9, max_storage_bytes=9),
            usage=LimitsUsageView(agents=2, domains=0, messages_month=len(self.engine.mail), storage_bytes=0),
            upgrade_url="",
        )


async def open_memory_engine(settings: Settings) -> MemoryEngine:
    return MemoryEngine()


def _agent(email: str, name: str = "") -> AgentView:
    domain = email.partition("@")[2]
    return AgentView(
        email=email,
        domain=domain,
        registered_domain=domain,
        name=name,
        domain_verified=True,
        created_at=START,
    )


def _protection() -> ProtectionConfig:
    def direction() -> ProtectionDirection:
        return ProtectionDirection(gate=ProtectionGate(), scan=ProtectionScan())

    return ProtectionConfig(inbound=direction(), outbound=direction(), holds=ProtectionHolds())


def _evidence(domain: str, verified: bool) -> Authentication:
    status = "pass" if verified else "none"
    return Authentication(
        spf=SPFResult(status=status, domain=domain, aligned=verified),
        dkim=[DKIMResult(status=status, domain=domain, selector="s1", aligned=verified)],
        dmarc=DMARCResult(
            status=status, domain=domain, policy="reject", aligned_by=["dkim"] if verified else []
        ),
    )


def _text(view: MessageView) -> str:
    return (view.parsed.text if view.parsed else "") or (view.body.text if view.body else None) or ""


def _summary(view: MessageView) -> MessageSummaryView:
    names = MessageSummaryView.model_fields.keys() & MessageView.model_fields.keys()
    shared = {name: getattr(view, name) for name in names}
    return MessageSummaryView(
        **shared, preview=_text(view)[:140] or None, attachment_count=len(view.attachments) or None
    )


def _conversation(views: list[MessageView], kind: Any) -> Any:
    values: dict[str, Any] = {
        "id": views[0].conversation_id,
        "message_count": len(views),
        "inbound_count": sum(view.direction == "inbound" for view in views),
        "outbound_count": sum(view.direction == "outbound" for view in views),
        "has_unread": any(view.read_status == "unread" for view in views),
        "latest_subject": views[-1].subject,
        "latest_from": views[-1].header_from or "",
        "first_message_at": views[0].created_at,
        "last_message_at": views[-1].created_at,
    }
    if kind is ConversationDetailView:
        values |= {
            "participants": sorted({view.header_from or "" for view in views}),
            "labels": [],
            "messages": [_summary(view) for view in views],
        }
    return kind(**values)
