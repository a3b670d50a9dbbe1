"""What is more than a request: methods of which a deployment may offer only a part, or none."""

from __future__ import annotations

import base64
from typing import Any

from e2a_core.contract.account import Account, AccountView
from e2a_core.contract.message_views import (
    AttachmentContent,
    AttachmentMetaView,
    AttachmentTextView,
    MessagePage,
    MessageView,
    PictureContent,
)
from e2a_core.contract.messages import MessageQuery, Messages
from e2a_core.contract.operation import Operation
from e2a_core.contract.rows import operations_of
from e2a_core.contract.sending import (
    ForwardRequest,
    ReplyRequest,
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.documents.reader import DocumentReader
from e2a_core.errors import AttachmentNotFound, NotFound, NotImplementedHere
from e2a_core.ids import Ids
from e2a_core.remote.client import ApiClient
from e2a_core.remote.operations import ApiGroup, perform

__all__ = ["MailByHand", "ScopedAccount"]

KEY_BYTES = 16


class MailByHand(ApiGroup):
    """Of `contract.Messages`: reading without a mark, search, octets, and sends that are not to be repeated."""

    def __init__(self, api: ApiClient, ids: Ids, documents: DocumentReader) -> None:
        super().__init__(api)
        self._ids = ids
        self._documents = documents
        self._rows = {row.name: row for row in operations_of(Messages, "messages")}

    async def list(self, email: str, query: MessageQuery) -> MessagePage:
        row = self._rows["list"]
        if query.query and not await self._takes(row, "query"):
            raise NotImplementedHere(
                "this deployment has no full-text search; use filter, from or subject_contains"
            )
        if query.verdict and not await self._takes(row, "verdict"):
            raise NotImplementedHere("this deployment cannot list by verdict; each row has it")
        found: MessagePage = await perform(self._api, row, {"email": email, "query": query})
        return found

    async def get(
        self, email: str, message_id: str, *, peek: bool = False, whole: bool = False
    ) -> MessageView:
        if peek and not await self._takes(self._rows["get"], "peek"):
            raise NotImplementedHere(
                "this deployment cannot show a message without marking it read; read it without peek"
            )
        view = await self._get(email, message_id, peek=peek)
        return _whole(view) if whole else view

    async def raw(self, email: str, message_id: str) -> bytes:
        """As in the contract, except that a deployment without `peek` marks the message read."""
        view = await self._get(email, message_id, peek=await self._takes(self._rows["get"], "peek"))
        if view.raw_message is None:
            raise NotFound("a draft has no content before it is approved")
        return base64.b64decode(view.raw_message)

    async def attachment_text(
        self, email: str, message_id: str, index: int, *, offset: int = 0, max_chars: int = 20_000
    ) -> AttachmentTextView:
        """As in the contract; where the deployment reads no attachments, they are read here."""
        row = self._rows["attachment_text"]
        if await self._takes(row, "offset"):
            named = {"email": email, "message_id": message_id, "index": index}
            view: AttachmentTextView = await perform(
                self._api, row, {**named, "offset": offset, "max_chars": max_chars}
            )
            return view
        content = await self.attachment_content(email, message_id, index)
        meta = content.meta
        found = await self._documents.text(content.data, meta.content_type or "", meta.filename or "")
        return AttachmentTextView.page(meta, found, offset, max_chars)

    async def attachment_picture(self, email: str, message_id: str, index: int) -> PictureContent:
        content = await self.attachment_content(email, message_id, index)
        return PictureContent.of(content.meta, await self._documents.picture(content.data))

    async def attachment_content(self, email: str, message_id: str, index: int) -> AttachmentContent:
        named = {"email": email, "message_id": message_id, "index": index}
        view = await perform(self._api, self._rows["attachment"], named)
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
        return await self._submit("send", options, email=email, request=request)

    async def reply(
        self, email: str, message_id: str, request: ReplyRequest, options: SendOptions
    ) -> SendResultView:
        return await self._submit("reply", options, email=email, message_id=message_id, request=request)

    async def forward(
        self, email: str, message_id: str, request: ForwardRequest, options: SendOptions
    ) -> SendResultView:
        return await self._submit("forward", options, email=email, message_id=message_id, request=request)

    async def _get(self, email: str, message_id: str, *, peek: bool) -> MessageView:
        named = {"email": email, "message_id": message_id, "peek": peek}
        view: MessageView = await perform(self._api, self._rows["get"], named)
        return view

    async def _submit(self, name: str, options: SendOptions, **arguments: Any) -> SendResultView:
        """Asks the deployment to recognise the same mail, if the caller has no key.

        Where it cannot, a key of this call alone keeps the call from becoming two.
        """
        row = self._rows[name]
        minted, recognised = options.mint_key and options.idempotency_key is None, False
        if minted:
            recognised = await self._takes(row, "dedupe")
        if not recognised:
            key = f"e2a-mcp-{self._ids.secret(KEY_BYTES)}" if minted else options.idempotency_key
            options = options.model_copy(update={"dedupe": None, "idempotency_key": key})
        repeatable = recognised or options.idempotency_key is not None
        result: SendResultView = await perform(
            self._api, row, {**arguments, "options": options}, repeatable=repeatable
        )
        return result

    async def _takes(self, row: Operation, parameter: str) -> bool:
        return await self._api.takes(row.method, row.template, parameter)


class ScopedAccount(ApiGroup):
    """Of `contract.Account`: tells of the session what it may do, not what its key might."""

    def __init__(self, api: ApiClient, email: str | None) -> None:
        super().__init__(api)
        self._email = email

    async def get(self) -> AccountView:
        [row] = [row for row in operations_of(Account, "account") if row.name == "get"]
        account: AccountView = await perform(self._api, row, {})
        return account.model_copy(update={"scope": "agent", "agent_email": self._email})


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
