"""Messages, conversations and reviews of another deployment."""

from __future__ import annotations

import base64
from typing import Any

from e2a_core.contract.base import Page
from e2a_core.contract.conversations import ConversationDetailView, ConversationSummaryView
from e2a_core.contract.messages import (
    AttachmentContent,
    AttachmentMetaView,
    AttachmentView,
    DeleteMessageResult,
    MessageLifecycleTransition,
    MessageQuery,
    MessageSummaryView,
    MessageView,
    UpdateMessageRequest,
    UpdateMessageResultView,
)
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
from e2a_core.errors import AttachmentNotFound, NotFound, NotImplementedHere
from e2a_core.ids import Ids
from e2a_core.remote.client import SEND_DEADLINE_SECONDS, ApiClient
from e2a_core.remote.requests import path

__all__ = ["Conversations", "Messages", "Reviews"]

LIST = "/v1/agents/{email}/messages"
ONE = LIST + "/{id}"
KEY_BYTES = 16


class Messages:
    """`engine.Messages` over HTTP."""

    def __init__(self, api: ApiClient, ids: Ids) -> None:
        self._api = api
        self._ids = ids

    async def list(self, email: str, query: MessageQuery) -> Page[MessageSummaryView]:
        if query.query and not await self._api.takes("GET", LIST, "query"):
            raise NotImplementedHere(
                "this deployment has no full-text search; use filter, from or subject_contains"
            )
        parameters = query.model_dump(by_alias=True, exclude_none=True)
        if query.labels:
            parameters["labels"] = ",".join(query.labels)
        return await self._api.call(
            Page[MessageSummaryView], "GET", path(LIST, email=email), query=parameters
        )

    async def get(
        self, email: str, message_id: str, *, peek: bool = False, whole: bool = False
    ) -> MessageView:
        if peek and not await self._api.takes("GET", ONE, "peek"):
            raise NotImplementedHere(
                "this deployment cannot show a message without marking it read; read it without peek"
            )
        view = await self._get(email, message_id, peek=peek)
        return _whole(view) if whole else view

    async def raw(self, email: str, message_id: str) -> bytes:
        """As in the contract, except that a deployment without `peek` marks the message read."""
        peek = await self._api.takes("GET", ONE, "peek")
        view = await self._get(email, message_id, peek=peek)
        if view.raw_message is None:
            raise NotFound("a draft has no content before it is approved")
        return base64.b64decode(view.raw_message)

    async def update(
        self, email: str, message_id: str, request: UpdateMessageRequest
    ) -> UpdateMessageResultView:
        url = path(ONE, email=email, id=message_id)
        return await self._api.call(UpdateMessageResultView, "PATCH", url, body=request)

    async def mark(self, email: str, message_id: str, *, read: bool) -> None:
        if not read:
            raise NotImplementedHere("a remote deployment cannot mark a message unread")
        await self._get(email, message_id, peek=False)

    async def delete(self, email: str, message_id: str, *, permanent: bool = False) -> DeleteMessageResult:
        query = {"permanent": True, "confirm": "DELETE"} if permanent else {}
        url = path(ONE, email=email, id=message_id)
        return await self._api.call(DeleteMessageResult, "DELETE", url, query=query)

    async def restore(self, email: str, message_id: str) -> MessageView:
        url = path(ONE + "/restore", email=email, id=message_id)
        return await self._api.call(MessageView, "POST", url)

    async def lifecycle(
        self, email: str, message_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> Page[MessageLifecycleTransition]:
        return await self._api.call(
            Page[MessageLifecycleTransition],
            "GET",
            path(ONE + "/lifecycle", email=email, id=message_id),
            query={"cursor": cursor, "limit": limit},
        )

    async def attachment(
        self, email: str, message_id: str, index: int, *, inline: bool = False
    ) -> AttachmentView:
        url = path(ONE + "/attachments/{index}", email=email, id=message_id, index=index)
        return await self._api.call(AttachmentView, "GET", url, query={"inline": inline})

    async def attachment_content(self, email: str, message_id: str, index: int) -> AttachmentContent:
        view = await self.attachment(email, message_id, index)
        if not view.download_url:
            raise AttachmentNotFound("the deployment gave no address for this attachment")
        meta = AttachmentMetaView(
            index=view.index,
            filename=view.filename,
            content_type=view.content_type,
            content_id=view.content_id,
            size_bytes=view.size_bytes,
        )
        return AttachmentContent(meta=meta, data=await self._api.download(view.download_url))

    async def send(self, email: str, request: SendEmailRequest, options: SendOptions) -> SendResultView:
        return await self._submit(LIST, path(LIST, email=email), request, options)

    async def reply(
        self, email: str, message_id: str, request: ReplyRequest, options: SendOptions
    ) -> SendResultView:
        return await self._submit(
            ONE + "/reply", path(ONE + "/reply", email=email, id=message_id), request, options
        )

    async def forward(
        self, email: str, message_id: str, request: ForwardRequest, options: SendOptions
    ) -> SendResultView:
        return await self._submit(
            ONE + "/forward", path(ONE + "/forward", email=email, id=message_id), request, options
        )

    async def _get(self, email: str, message_id: str, *, peek: bool) -> MessageView:
        url = path(ONE, email=email, id=message_id)
        return await self._api.call(MessageView, "GET", url, query={"peek": True} if peek else None)

    async def _submit(
        self,
        template: str,
        url: str,
        request: SendEmailRequest | ReplyRequest | ForwardRequest,
        options: SendOptions,
    ) -> SendResultView:
        """For a caller without a key the deployment recognises the same mail, or else one call is kept from
        becoming two: then the key is of this call alone.
        """
        query: dict[str, Any] = {"wait": "sent"} if options.wait_sent else {}
        key = options.idempotency_key
        recognised = False
        if options.mint_key and key is None:
            recognised = await self._api.takes("POST", template, "dedupe")
            if recognised:
                query["dedupe"] = "content"
            else:
                key = f"e2a-mcp-{self._ids.secret(KEY_BYTES)}"
        return await self._api.call(
            SendResultView,
            "POST",
            url,
            query=query,
            body=request,
            idempotency_key=key,
            repeatable=recognised or key is not None,
            deadline=SEND_DEADLINE_SECONDS,
        )


def _whole(view: MessageView) -> MessageView:
    """`view` with the text that the wire cut, read from the message itself."""
    if view.parsed is None or not view.parsed.truncated or view.raw_message is None:
        return view
    # Only a long text needs the parser, which a session that reads none should not load.
    from e2a_core.mail.parse import parse_message

    read = parse_message(base64.b64decode(view.raw_message)).whole
    parsed = view.parsed.model_copy(
        update={"text": read.text, "quoted_text": read.quoted_text or None, "truncated": read.truncated}
    )
    return view.model_copy(update={"parsed": parsed})


class Conversations:
    """`engine.Conversations` over HTTP."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def list(
        self,
        email: str,
        *,
        since: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[ConversationSummaryView]:
        return await self._api.call(
            Page[ConversationSummaryView],
            "GET",
            path("/v1/agents/{email}/conversations", email=email),
            query={"since": since, "until": until, "cursor": cursor, "limit": limit},
        )

    async def get(self, email: str, conversation_id: str) -> ConversationDetailView:
        url = path("/v1/agents/{email}/conversations/{id}", email=email, id=conversation_id)
        return await self._api.call(ConversationDetailView, "GET", url)


class Reviews:
    """`engine.Reviews` over HTTP."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[ReviewView]:
        query = {"cursor": cursor, "limit": limit}
        return await self._api.call(Page[ReviewView], "GET", "/v1/reviews", query=query)

    async def get(self, message_id: str) -> MessageView:
        return await self._api.call(MessageView, "GET", path("/v1/reviews/{id}", id=message_id))

    async def approve(
        self, message_id: str, request: ApproveRequest, *, idempotency_key: str | None = None
    ) -> SendResultView:
        return await self._api.call(
            SendResultView,
            "POST",
            path("/v1/reviews/{id}/approve", id=message_id),
            body=request,
            idempotency_key=idempotency_key,
            deadline=SEND_DEADLINE_SECONDS,
        )

    async def reject(self, message_id: str, request: RejectRequest) -> RejectResultView:
        url = path("/v1/reviews/{id}/reject", id=message_id)
        return await self._api.call(RejectResultView, "POST", url, body=request)
