"""Requests that make mail, their result, and the decisions on held mail."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, StrictBool, StringConstraints

from e2a_core.contract.base import Instant, Request, Stated, Timestamp, View
from e2a_core.contract.messages import HoldReasonView

__all__ = [
    "ApproveRequest",
    "Attachment",
    "ForwardRequest",
    "RejectRequest",
    "RejectResultView",
    "ReplyRequest",
    "ReviewView",
    "SendEmailRequest",
    "SendOptions",
    "SendResultView",
    "UnsubscribeOptions",
]

MAX_RECIPIENT_CHARS = 320
MAX_SUBJECT_CHARS = 2000
MAX_BODY_CHARS = 1024 * 1024

Recipient = Annotated[str, StringConstraints(max_length=MAX_RECIPIENT_CHARS)]
Recipients = Annotated[list[Recipient], Stated(maxItems=50)]
Subject = Annotated[str, StringConstraints(max_length=MAX_SUBJECT_CHARS)]
Body = Annotated[str, StringConstraints(max_length=MAX_BODY_CHARS)]
ConversationId = Annotated[str, StringConstraints(max_length=200)]


ReplyTo = Annotated[
    list[Recipient],
    BeforeValidator(
        lambda given: [given] if isinstance(given, str) else given,
        json_schema_input_type=Recipient | list[Recipient],
    ),
    PlainSerializer(lambda addresses: addresses[0] if len(addresses) == 1 else addresses, when_used="json"),
]
"""One address or several; one goes out as a string, the only spelling some deployments read."""


class Attachment(Request):
    """A file to send; `data` is standard padded base64."""

    filename: str
    content_type: str
    data: str


class UnsubscribeOptions(Request):
    """`managed`: the deployment puts an unsubscribe link into the message and keeps to it."""

    mode: Literal["managed"]


Attachments = Annotated[list[Attachment], Stated(maxItems=10)]


class _Composed(Request):
    html: Body | None = None
    cc: Recipients | None = None
    bcc: Recipients | None = None
    reply_to: ReplyTo | None = None
    attachments: Attachments | None = None
    conversation_id: ConversationId | None = None
    send_at: Instant | None = None
    unsubscribe: UnsubscribeOptions | None = None


class SendEmailRequest(_Composed):
    to: Recipients
    subject: Subject | None = None
    text: Body | None = None
    template_id: str | None = None
    template_alias: str | None = None
    template_data: dict[str, Any] | None = None


class ReplyRequest(_Composed):
    text: Body
    reply_all: StrictBool | None = None
    quote_history: StrictBool | None = None


class ForwardRequest(_Composed):
    to: Recipients
    text: Body


class SendOptions(Request):
    """What accompanies a send without being part of the mail.

    `mint_key` lets the engine refuse an identical send within its window when no `idempotency_key` is given.
    """

    idempotency_key: str | None = None
    mint_key: bool = False
    wait_sent: bool = False


class SendResultView(View):
    """`status` is accepted, scheduled, sent, pending_review, review_approved or failed; branch on it.

    `failed_recipients` are those who did not get a message that others got.
    """

    status: str
    message_id: str
    conversation_id: str | None = None
    method: str | None = None
    sent_as: str | None = None
    provider_message_id: str | None = None
    approval_expires_at: Timestamp | None = None
    scheduled_at: Timestamp | None = None
    edited: bool | None = None
    deduplicated: bool | None = None
    sandbox: bool | None = None
    failed_recipients: list[str] | None = None


class ReviewView(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"header_from", "envelope_from", "verified_domain"})

    id: str
    agent_email: str
    direction: str
    header_from: str | None = None
    envelope_from: str | None = None
    verified_domain: str | None = None
    to: list[str]
    subject: str
    conversation_id: str | None = None
    review_status: str
    flagged: bool | None = None
    flag_reason: str | None = None
    hold_reason: HoldReasonView | None = None
    approval_expires_at: Timestamp | None = None
    scheduled_at: Timestamp | None = None
    created_at: Timestamp


class ApproveRequest(Request):
    """Edits to apply; absent leaves as is, an empty list clears.

    `content_hash` is that of the draft the reviewer saw (`MessageView.content_hash`); a draft that has changed
    since is refused with `draft_changed`.
    """

    subject: Subject | None = None
    text: Body | None = None
    html: Body | None = None
    to: Recipients | None = None
    cc: Recipients | None = None
    bcc: Recipients | None = None
    attachments: Attachments | None = None
    content_hash: str | None = None


class RejectRequest(Request):
    reason: Annotated[str, Field(max_length=2000)] | None = None
    content_hash: str | None = None


class RejectResultView(View):
    message_id: str
    status: str
    rejection_reason: str | None = None
