"""Messages: lists, the full view, attachments, labels, the lifecycle ledger and sending."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import BeforeValidator, Field, PlainSerializer

from e2a_core.contract.base import Moment, Page, Query, Request, Timestamp, View
from e2a_core.contract.message_views import (
    AttachmentContent,
    AttachmentTextView,
    AttachmentView,
    MessagePage,
    MessageView,
    PictureContent,
    Verdict,
)
from e2a_core.contract.operation import (
    READS,
    REPEATS,
    Access,
    Budget,
    Confirm,
    Hints,
    NoTool,
    Tool,
    engine_only,
    operation,
)
from e2a_core.contract.parameters import (
    Cursor,
    IdempotencyKey,
    Index,
    Limit,
    MaxChars,
    MessageId,
    Offset,
    Peek,
    Whole,
)
from e2a_core.contract.reviews import ApproveRequest, RejectRequest, RejectResultView
from e2a_core.contract.sending import (
    DECISION_ERRORS,
    SEND_ERRORS,
    SENT,
    ForwardRequest,
    ReplyRequest,
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.contract.states import DirectionText, OutcomeText, StageText
from e2a_core.errors import (
    AttachmentNotFound,
    AttachmentTooLarge,
    DraftChanged,
    InvalidCursor,
    InvalidFilter,
    MessageHeld,
    MessageNotPending,
    NotFound,
    NotInTrash,
    SendInProgress,
)

__all__ = [
    "Messages",
    "DeleteMessageResult",
    "MessageLifecycleTransition",
    "MessageQuery",
    "UpdateMessageRequest",
    "UpdateMessageResultView",
]


class MessageLifecycleTransition(View):
    id: str
    message_id: str
    direction: DirectionText
    recipient: str | None = None
    stage: StageText
    outcome: OutcomeText
    reason_code: str
    retryable: bool
    evidence: dict[str, Any]
    correlation_ids: dict[str, str]
    occurred_at: Timestamp
    reconstructed: bool = False


Labels = Annotated[
    list[str],
    BeforeValidator(
        lambda given: given.split(",") if isinstance(given, str) else given, json_schema_input_type=str
    ),
    PlainSerializer(",".join, return_type=str, when_used="json"),
    Field(description="Comma-separated; all must match."),
]


class UpdateMessageRequest(Request):
    add_labels: list[str] | None = None
    remove_labels: list[str] | None = None
    read_status: Literal["read", "unread"] | None = None


class UpdateMessageResultView(View):
    message_id: str
    labels: list[str]
    read_status: str | None = None


class DeleteMessageResult(View):
    deleted: bool = True
    id: str
    cancelled: bool | None = None
    """True if the message had not left, and now will not."""
    note: str | None = None


class MessageQuery(Query):
    """Filters of a message list, as given. The engine applies the defaults.

    `since` is inclusive and `until` exclusive, both RFC 3339. `filter` is a filter expression; `query` is full text.
    """

    direction: Literal["inbound", "outbound", "all"] | None = None
    read_status: Literal["unread", "read", "all"] | None = None
    verdict: Verdict | None = None
    sort: Literal["asc", "desc"] | None = None
    from_: str | None = Field(default=None, alias="from")
    subject_contains: str | None = None
    conversation_id: str | None = None
    labels: Labels | None = None
    since: Moment | None = None
    until: Moment | None = None
    filter: str | None = None
    query: Annotated[str | None, Field(description="Full text over subject, addresses and body.")] = None
    deleted: bool = False
    cursor: Cursor = None
    limit: Limit = 100


class Messages(Protocol):
    """The mail of one inbox, and sending from it."""

    @operation(
        "GET",
        "/v1/agents/{email}/messages",
        id="list_messages",
        access=Access.AGENT,
        budget=Budget.POLL,
        errors=(InvalidCursor, InvalidFilter, NotFound),
        tool=Tool(
            "List and search mail",
            "Find mail; does not mark read. Default: unread inbound, newest first.",
            READS,
        ),
    )
    async def list(self, email: str, query: MessageQuery) -> MessagePage:
        """List and search the messages of an inbox."""

    @operation(
        "GET",
        "/v1/agents/{email}/messages/{id}",
        id="get_message",
        access=Access.AGENT,
        budget=Budget.POLL,
        errors=(NotFound,),
        tool=Tool(
            "Read a message",
            "Read one message and mark it read. Long bodies: continue at next_offset.",
            REPEATS,
        ),
    )
    async def get(
        self, email: str, message_id: MessageId, *, peek: Peek = False, whole: Whole = False
    ) -> MessageView:
        """Get one message. Marks unread inbound mail as read unless `peek` is set.

        `whole` returns the parsed text beyond the 16 KiB that the API shows.
        """

    @engine_only("the API returns the octets as `raw_message`")
    async def raw(self, email: str, message_id: str) -> bytes:
        """Returns the message as transmitted (RFC 5322) without marking it read. Raises `NotFound` for a held draft."""

    @operation(
        "PATCH",
        "/v1/agents/{email}/messages/{id}",
        id="update_message",
        access=Access.AGENT,
        errors=(NotFound,),
        tool=Tool(
            "Label messages, mark them read or unread",
            "Add or remove labels, mark read or unread; returns the labels after the change.",
            REPEATS,
            name="update_message_labels",
        ),
    )
    async def update(
        self, email: str, message_id: MessageId, request: UpdateMessageRequest
    ) -> UpdateMessageResultView:
        """Add and remove labels, and mark received mail read or unread."""

    @operation(
        "DELETE",
        "/v1/agents/{email}/messages/{id}",
        id="delete_message",
        access=Access.AGENT,
        confirm=Confirm.PERMANENT,
        errors=(MessageHeld, NotFound, NotInTrash, SendInProgress),
        tool=Tool(
            "Move messages to the trash",
            "Trash messages; calls off scheduled sends, withdraws held drafts. Undo: restore_message.",
            Hints(destructive=True, idempotent=True),
        ),
    )
    async def delete(
        self, email: str, message_id: MessageId, *, permanent: bool = False
    ) -> DeleteMessageResult:
        """Move a message to the trash, or delete a trashed message for good with `permanent`.

        A message that waits to be sent is called off, and a draft held for review is withdrawn.
        `permanent` needs an account credential.
        """

    @operation(
        "POST",
        "/v1/agents/{email}/messages/{id}/restore",
        id="restore_message",
        access=Access.AGENT,
        errors=(NotFound, NotInTrash),
        tool=Tool("Take messages out of the trash", "Undo delete_message."),
    )
    async def restore(self, email: str, message_id: MessageId) -> MessageView:
        """Restore a message from the trash."""

    @operation(
        "GET",
        "/v1/agents/{email}/messages/{id}/lifecycle",
        id="get_message_lifecycle",
        access=Access.AGENT,
        errors=(InvalidCursor, NotFound),
        tool=Tool(
            "Delivery history of a message",
            "What happened to a message: accepted, authenticated, queued, delivered, bounced.",
            READS,
        ),
    )
    async def lifecycle(
        self, email: str, message_id: MessageId, *, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[MessageLifecycleTransition]:
        """List what happened to a message, oldest first."""

    @operation(
        "GET",
        "/v1/agents/{email}/messages/{id}/attachments/{index}",
        id="get_attachment",
        access=Access.AGENT,
        errors=(AttachmentNotFound, AttachmentTooLarge, NotFound),
        tool=Tool(
            "Read an attachment",
            "Words of PDF, DOCX, calendar, HTML, text; pictures shown; else a link.",
            READS,
        ),
    )
    async def attachment(
        self, email: str, message_id: MessageId, index: Index, *, inline: bool = False
    ) -> AttachmentView:
        """Get an attachment with a download link. `inline` adds the bytes of a small attachment."""

    @operation(
        "GET",
        "/v1/agents/{email}/messages/{id}/attachments/{index}/text",
        id="get_attachment_text",
        access=Access.AGENT,
        slow=True,
        errors=(AttachmentNotFound, NotFound),
        tool=NoTool("get_attachment shows the text"),
    )
    async def attachment_text(
        self,
        email: str,
        message_id: MessageId,
        index: Index,
        *,
        offset: Offset = 0,
        max_chars: MaxChars = 20_000,
    ) -> AttachmentTextView:
        """Read the text of an attachment: text files, HTML, PDF, DOCX, calendars and whole messages, in pages.

        Does not mark the message read.
        """

    @engine_only("the API serves pictures as they are, through a signed link")
    async def attachment_picture(self, email: str, message_id: str, index: int) -> PictureContent:
        """Returns a picture scaled to what a model takes; the outcome says so if it cannot be shown."""

    @engine_only("the API serves the bytes through a signed link")
    async def attachment_content(self, email: str, message_id: str, index: int) -> AttachmentContent:
        """Returns an attachment with its bytes. An account credential can also read held mail."""

    @operation(
        "POST",
        "/v1/agents/{email}/messages",
        id="send_message",
        access=Access.AGENT,
        answer=SENT,
        files=True,
        slow=True,
        budget=Budget.SENDING,
        errors=SEND_ERRORS,
        tool=Tool(
            "Send a new message",
            "Start a new conversation by mail. To answer mail use reply_to_message, which keeps the thread.",
            Hints(open_world=True),
        ),
    )
    async def send(self, email: str, request: SendEmailRequest, options: SendOptions) -> SendResultView:
        """Send a new message."""

    @operation(
        "POST",
        "/v1/agents/{email}/messages/{id}/reply",
        id="reply_to_message",
        access=Access.AGENT,
        answer=SENT,
        files=True,
        slow=True,
        budget=Budget.SENDING,
        errors=SEND_ERRORS,
        tool=Tool(
            "Reply to a message",
            "Answer a message in its thread; recipients and subject are filled in. Else as send_message.",
            Hints(open_world=True),
        ),
    )
    async def reply(
        self, email: str, message_id: MessageId, request: ReplyRequest, options: SendOptions
    ) -> SendResultView:
        """Reply to a message in its thread."""

    @operation(
        "POST",
        "/v1/agents/{email}/messages/{id}/forward",
        id="forward_message",
        access=Access.AGENT,
        answer=SENT,
        files=True,
        slow=True,
        budget=Budget.SENDING,
        errors=SEND_ERRORS,
        tool=Tool(
            "Forward a message",
            "Forward a message with its attachments; text goes above it. Else as send_message.",
            Hints(open_world=True),
        ),
    )
    async def forward(
        self, email: str, message_id: MessageId, request: ForwardRequest, options: SendOptions
    ) -> SendResultView:
        """Forward a message with its attachments."""

    @operation(
        "POST",
        "/v1/agents/{email}/messages/{id}/approve",
        id="approve_message",
        role="reviewer",
        answer=SENT,
        files=True,
        slow=True,
        budget=Budget.SENDING,
        deprecated=True,
        errors=DECISION_ERRORS,
        tool=NoTool("replaced by approve_review"),
    )
    async def approve(
        self,
        email: str,
        message_id: MessageId,
        request: ApproveRequest,
        *,
        idempotency_key: IdempotencyKey = None,
    ) -> SendResultView:
        """Deprecated: use `POST /v1/reviews/{id}/approve`."""

    @operation(
        "POST",
        "/v1/agents/{email}/messages/{id}/reject",
        id="reject_message",
        role="reviewer",
        deprecated=True,
        errors=(DraftChanged, MessageNotPending, NotFound),
        tool=NoTool("replaced by reject_review"),
    )
    async def reject(self, email: str, message_id: MessageId, request: RejectRequest) -> RejectResultView:
        """Deprecated: use `POST /v1/reviews/{id}/reject`."""
