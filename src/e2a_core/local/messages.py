"""Reading, labelling, trashing and sending the mail of one inbox."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from urllib.parse import quote

from e2a_core.agents.lookup import resolve_agent
from e2a_core.clock import from_micros, rfc3339, to_micros
from e2a_core.contract.base import Page
from e2a_core.contract.message_views import (
    AttachmentContent,
    AttachmentTextView,
    AttachmentView,
    MessagePage,
    MessageView,
    PictureContent,
)
from e2a_core.contract.messages import (
    DeleteMessageResult,
    MessageLifecycleTransition,
    MessageQuery,
    UpdateMessageRequest,
    UpdateMessageResultView,
)
from e2a_core.contract.principal import Principal
from e2a_core.contract.reviews import ApproveRequest, RejectRequest, RejectResultView, Reviews
from e2a_core.contract.sending import (
    ForwardRequest,
    ReplyRequest,
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.contract.states import Delivery, Review
from e2a_core.conversations.lookup import conversation_of
from e2a_core.core import Core
from e2a_core.erasure.messages import oldest_claim, purge_message
from e2a_core.errors import (
    AttachmentNotFound,
    AttachmentTooLarge,
    InvalidRequest,
    MessageHeld,
    MessageNotPending,
    NotFound,
    NotInTrash,
    SendInProgress,
)
from e2a_core.extraction.texts import document_text, files_found
from e2a_core.mail.parse import parse_message
from e2a_core.messages import lifecycle, payloads, queries
from e2a_core.messages.conditions import own_labels
from e2a_core.messages.content import load_content, stored_attachment
from e2a_core.messages.events import emit_unique
from e2a_core.messages.index_queries import set_label_cache
from e2a_core.messages.listing import read_page
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.search import MessageSearch
from e2a_core.messages.state import UNDER_WAY
from e2a_core.messages.views import lifecycle_view, message_view, read_status, summary_view
from e2a_core.paging import Position, check_limit, paged
from e2a_core.reviews.decide import Decider, reject, supersede
from e2a_core.signing.cursor import Json, decode_cursor, encode_cursor
from e2a_core.signing.tokens import sign_download
from e2a_core.store.statement import StaleWrite, Statement, first
from e2a_core.submission.conclusion import TRASHED, call_off, cancel_statements, take_up
from e2a_core.submission.draft import drafted_attachment
from e2a_core.submission.send import Sender
from e2a_core.texts import is_storable

__all__ = ["Messages"]

MAX_LABELS_PER_MESSAGE = 100
MAX_INLINE_BYTES = 256 * 1024
WITHDRAWN = "withdrawn by its sender; it will not be sent"
IN_TRASH = "the message is in the trash; restore it first (restore_message, or POST to its /restore)"
DOWNLOAD_LIFETIME = timedelta(minutes=15)


class Messages:
    """`engine.Messages` over the store."""

    def __init__(self, core: Core, principal: Principal, sender: Sender, reviews: Reviews) -> None:
        self._core = core
        self._principal = principal
        self._sender = sender
        self._reviews = reviews

    async def list(self, email: str, query: MessageQuery) -> MessagePage:
        agent = await resolve_agent(self._core, self._principal, email)
        if query.conversation_id:
            known = await conversation_of(self._core, agent.email, query.conversation_id)
            query = query.model_copy(update={"conversation_id": known or query.conversation_id})
        search = MessageSearch.of(agent.email, query, self._core.clock.now())
        check_limit(query.limit)
        place = decode_cursor(query.cursor, search.binding, self._core.secrets) if query.cursor else None
        after = Position(place["t"], place["i"]) if place else None
        rows, following = await read_page(self._core, search, after, query.limit)
        more: dict[str, Json] | None = {"t": following.at, "i": following.key} if following else None
        items = [summary_view(row.bare) for row in rows]
        if query.query:
            with_files = [item.id for item in items if item.attachment_count]
            files = await files_found(self._core, query.query, with_files)
            items = [item.model_copy(update={"found_in": files.get(item.id)}) for item in items]
        return MessagePage(
            items=items,
            next_cursor=encode_cursor(more, search.binding, self._core.secrets.signing) if more else None,
            unsearched=[*search.left_out] or None,
        )

    async def get(
        self, email: str, message_id: str, *, peek: bool = False, whole: bool = False
    ) -> MessageView:
        row = await self._visible(email, message_id)
        if not peek:
            await self._seen(row)
        return await self._view(row, whole=whole)

    async def raw(self, email: str, message_id: str) -> bytes:
        content = await load_content(self._core, await self._visible(email, message_id))
        if content is None:
            raise NotFound("a draft has no content before it is approved")
        return content

    async def update(
        self, email: str, message_id: str, request: UpdateMessageRequest
    ) -> UpdateMessageResultView:
        adding = own_labels(request.add_labels, "body.add_labels")
        removing = own_labels(request.remove_labels, "body.remove_labels")
        row = await self._live(email, message_id)
        labels: Sequence[str] = sorted((set(row.labels) | set(adding)) - set(removing))
        if len(labels) > MAX_LABELS_PER_MESSAGE:
            raise InvalidRequest(
                f"a message may have at most {MAX_LABELS_PER_MESSAGE} labels", location="body.add_labels"
            )
        if labels != sorted(row.labels):
            labels = await self._relabel(row, adding, removing)
        await self._mark(row, request.read_status)
        return UpdateMessageResultView(
            message_id=row.id,
            labels=[*labels],
            read_status=read_status(row.direction, row.read_at) or None,
        )

    async def _mark(self, row: MessageRow, wanted: str | None) -> None:
        if wanted == "read":
            await self._mark_read(row)
        elif wanted == "unread" and row.inbound and row.read_at is not None:
            row.read_at = None
            await self._write(row, "unread", [queries.mark_unread(row.id)])

    async def delete(self, email: str, message_id: str, *, permanent: bool = False) -> DeleteMessageResult:
        if permanent:
            self._principal.require_account()
            return await self._purge(email, message_id)
        row = await self._visible(email, message_id)
        withdrawn = not row.inbound and row.hold.status is Review.PENDING
        if withdrawn:
            await self._withdraw(row)
        waiting = row.submission.delivery_status in UNDER_WAY
        if row.deleted_at is None:
            now = self._now()
            statements = [queries.mark_deleted(row.id, now, oldest_claim(self._core))]
            statements += call_off(self._core, row, now) if waiting else []
            try:
                await self._write(row, "deleted", statements)
            except StaleWrite:
                if row.hold.status is Review.PENDING:
                    raise MessageHeld(
                        "a message awaiting review cannot be deleted; decide the review"
                    ) from None
                raise SendInProgress("the message is being submitted; try again later") from None
        note = WITHDRAWN if withdrawn else _called_off(row, self._now()) if waiting else None
        return DeleteMessageResult(id=row.id, cancelled=True if note else None, note=note)

    async def _withdraw(self, row: MessageRow) -> None:
        """Ends the hold of a draft for its sender, who may always take back what nobody approved."""
        decider = Decider(self._principal.agent_email or self._principal.account_email)
        try:
            await reject(self._core, row, WITHDRAWN, decider)
        except MessageNotPending:
            raise MessageHeld("the draft is being decided; read it again") from None

    async def restore(self, email: str, message_id: str) -> MessageView:
        """Out of the trash; a scheduled message whose instant has passed there is not sent any more.

        What waits otherwise leaves as it was to. The message stays as read or unread as it was.
        """
        row = await self._visible(email, message_id)
        statements = [queries.restore(row.id)]
        due = row.submission.scheduled_at
        if row.submission.delivery_status is Delivery.ACCEPTED and due and due <= self._now():
            statements += cancel_statements(self._core, row, TRASHED, self._now())
        elif row.submission.delivery_status in UNDER_WAY:
            statements += take_up(self._core, row, self._now())
            row.submission.delivery_detail = None
        try:
            await self._write(row, "restored", statements)
        except StaleWrite:
            raise NotInTrash("the message is not in the trash") from None
        row.deleted_at = None
        return await self._view(row)

    async def lifecycle(
        self, email: str, message_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> Page[MessageLifecycleTransition]:
        agent = await resolve_agent(self._core, self._principal, email)
        await self._stored(agent.email, message_id)
        binding = {"list": "lifecycle", "agent": agent.email, "message": message_id}
        return await paged(
            self._core,
            lambda after, count: lifecycle.page(message_id, after, count),
            query=binding,
            cursor=cursor,
            limit=limit,
            columns=("occurred_at", "id"),
            view=lifecycle_view,
            names=("t", "i"),
        )

    async def attachment(
        self, email: str, message_id: str, index: int, *, inline: bool = False
    ) -> AttachmentView:
        row = await self._visible(email, message_id)
        await self._seen(row)
        found = await self._attachment(row, index)
        if inline and found.meta.size_bytes > MAX_INLINE_BYTES:
            raise AttachmentTooLarge(
                f"an attachment over {MAX_INLINE_BYTES} bytes is not inlined; use download_url"
            )
        expires = self._core.clock.now().replace(microsecond=0) + DOWNLOAD_LIFETIME
        token = sign_download(row.id, index, expires, self._core.secrets.signing)
        path = f"/v1/agents/{quote(row.agent_email, safe='@')}/messages/{row.id}/attachments/{index}/download"
        return AttachmentView(
            **found.meta.model_dump(),
            download_url=f"{self._core.links.base_url}{path}?token={token}",
            expires_at=expires,
            data=base64.b64encode(found.data).decode("ascii") if inline else None,
        )

    async def attachment_text(
        self, email: str, message_id: str, index: int, *, offset: int = 0, max_chars: int = 20_000
    ) -> AttachmentTextView:
        row = await self._visible(email, message_id)
        found = await self._attachment(row, index)
        text = await document_text(self._core, row, found)
        return AttachmentTextView.page(found.meta, text, offset, max_chars)

    async def attachment_picture(self, email: str, message_id: str, index: int) -> PictureContent:
        found = await self.attachment_content(email, message_id, index)
        return PictureContent.of(found.meta, await self._core.documents.picture(found.data))

    async def attachment_content(self, email: str, message_id: str, index: int) -> AttachmentContent:
        agent = await resolve_agent(self._core, self._principal, email)
        row = await self._stored(agent.email, message_id)
        # A reviewer looks at what is held, attachments included; for the agent it does not exist.
        if not row.visible and self._principal.scope != "account":
            raise NotFound("no such message")
        if row.content_hash is None and row.hold.draft is not None:
            return drafted_attachment(row.hold.draft, index)
        return await self._attachment(row, index)

    async def send(self, email: str, request: SendEmailRequest, options: SendOptions) -> SendResultView:
        agent = await resolve_agent(self._core, self._principal, email)
        then = self._instead_of_held(agent.email, "") if request.conversation_id else None
        return await self._sender.send(agent, request, options, self._principal.credential_id, then)

    async def reply(
        self, email: str, message_id: str, request: ReplyRequest, options: SendOptions
    ) -> SendResultView:
        agent = await resolve_agent(self._core, self._principal, email)
        parent, credential = await self._parent(email, message_id), self._principal.credential_id
        then = self._instead_of_held(agent.email, parent.thread_id)
        return await self._sender.reply(agent, parent, request, options, credential, then)

    def _instead_of_held(
        self, agent_email: str, thread_id: str
    ) -> Callable[[SendResultView], Awaitable[None]] | None:
        """Ends the agent's held answers in the conversation in which a person has answered; None if it is no person."""
        if not self._principal.is_person:
            return None
        decider = Decider(self._principal.person or self._principal.account_email)

        async def end(result: SendResultView) -> None:
            await supersede(self._core, agent_email, result.conversation_id or "", thread_id, decider)

        return end

    async def forward(
        self, email: str, message_id: str, request: ForwardRequest, options: SendOptions
    ) -> SendResultView:
        agent = await resolve_agent(self._core, self._principal, email)
        parent, credential = await self._parent(email, message_id), self._principal.credential_id
        return await self._sender.forward(agent, parent, request, options, credential)

    async def approve(
        self, email: str, message_id: str, request: ApproveRequest, *, idempotency_key: str | None = None
    ) -> SendResultView:
        await self._require_held_here(email, message_id)
        return await self._reviews.approve(message_id, request, idempotency_key=idempotency_key)

    async def reject(self, email: str, message_id: str, request: RejectRequest) -> RejectResultView:
        await self._require_held_here(email, message_id)
        return await self._reviews.reject(message_id, request)

    async def _require_held_here(self, email: str, message_id: str) -> None:
        """Raises `NotFound` unless the message is one of this inbox: a review is named by its id alone."""
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        await self._stored(agent.email, message_id)

    async def _visible(self, email: str, message_id: str) -> MessageRow:
        agent = await resolve_agent(self._core, self._principal, email)
        row = await self._stored(agent.email, message_id)
        if not row.visible:
            raise NotFound("no such message")
        return row

    async def _stored(self, agent_email: str, message_id: str) -> MessageRow:
        """The message, hidden or not."""
        wanted = queries.by_id(agent_email, message_id)
        found = first(await self._core.db.read(wanted)) if is_storable(message_id) else None
        if found is None:
            raise NotFound("no such message")
        return MessageRow.from_store(found)

    async def _live(self, email: str, message_id: str) -> MessageRow:
        """The message, if it is not in the trash: what is there can only be read and restored."""
        row = await self._visible(email, message_id)
        if row.deleted_at is not None:
            raise NotFound(IN_TRASH)
        return row

    async def _parent(self, email: str, message_id: str) -> MessageRow:
        row = await self._live(email, message_id)
        if row.content_hash is None:
            raise NotFound("a draft can be answered or forwarded only once it is approved")
        return row

    async def _view(self, row: MessageRow, *, whole: bool = False) -> MessageView:
        content = await load_content(self._core, row)
        outcomes = [] if row.inbound else await self._core.db.read(queries.recipients(row.id))
        parsed = await self._core.offload.run(len(content), parse_message, content) if content else None
        return message_view(row, content, parsed, outcomes, whole=whole)

    async def _attachment(self, row: MessageRow, index: int) -> AttachmentContent:
        content = await load_content(self._core, row)
        if content is None:
            raise AttachmentNotFound("a draft's attachments cannot be read before it is approved")
        return await self._core.offload.run(len(content), stored_attachment, content, index)

    async def _seen(self, row: MessageRow) -> None:
        """Marks mail that its agent reads. People leave it as it is, so that the agent does not miss it."""
        if self._principal.door != "dashboard" and self._principal.role == "owner":
            await self._mark_read(row)

    async def _mark_read(self, row: MessageRow) -> None:
        if row.inbound and row.read_at is None:
            row.read_at = self._now()
            await self._write(row, "read", [queries.mark_read(row.id, row.read_at)])

    async def _relabel(
        self, row: MessageRow, adding: Sequence[str], removing: Sequence[str]
    ) -> Sequence[str]:
        """The labels afterwards; under the write lock, since the cached list follows the label rows."""
        async with self._core.db.transaction() as transaction:
            before = [item["label"] for item in await transaction.read(queries.label_rows(row.id))]
            await transaction.write(
                [*queries.insert_labels(row.id, adding), *queries.remove_labels(row.id, removing)]
            )
            rows = await transaction.read(queries.label_rows(row.id))
            labels = sorted(item["label"] for item in rows)
            event = emit_unique(
                self._core, "message.updated", row, payloads.updated(row, "labels"), self._now()
            )
            await transaction.write([*set_label_cache(row.id, before, labels), *event])
        return labels

    async def _write(self, row: MessageRow, change: str, statements: Sequence[Statement]) -> None:
        event = emit_unique(self._core, "message.updated", row, payloads.updated(row, change), self._now())
        await self._core.db.write([*statements, *event])

    async def _purge(self, email: str, message_id: str) -> DeleteMessageResult:
        agent = await resolve_agent(self._core, self._principal, email)
        row = await self._stored(agent.email, message_id)
        await purge_message(self._core, row)
        return DeleteMessageResult(id=row.id)

    def _now(self) -> int:
        return to_micros(self._core.clock.now())


def _called_off(row: MessageRow, now: int) -> str:
    due = row.submission.scheduled_at
    if due is None or due <= now:
        return "it will not be sent, unless it is restored soon"
    return f"it will not be sent, unless it is restored before {rfc3339(from_micros(due))}"
