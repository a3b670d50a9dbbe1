"""Requests that send mail, and their result."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictBool,
    StringConstraints,
    model_validator,
)

from e2a_core.contract.base import Instant, Query, Request, Stated, Timestamp, View
from e2a_core.contract.limits import (
    MAX_ATTACHMENTS,
    MAX_BODY_CHARS,
    MAX_CONVERSATION_ID,
    MAX_RECIPIENT_CHARS,
    MAX_RECIPIENTS,
    MAX_SUBJECT_CHARS,
)
from e2a_core.contract.operation import Outcome
from e2a_core.contract.parameters import IdempotencyKey
from e2a_core.errors import (
    AttachmentNotFound,
    BlockedByPolicy,
    DomainNotVerified,
    DraftChanged,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    InvalidAttachment,
    InvalidRecipient,
    LimitExceeded,
    MessageNotPending,
    MessageNotYetDelivered,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    RecipientSuppressed,
    SendingPaused,
    TemplateNotFound,
    TemplateRenderedEmpty,
    TemplateRenderFailed,
    TooManyRecipients,
)

__all__ = [
    "Attachments",
    "Body",
    "Recipients",
    "Subject",
    "SENT",
    "SEND_ERRORS",
    "DECISION_ERRORS",
    "Attachment",
    "ForwardRequest",
    "ReplyRequest",
    "SendEmailRequest",
    "SendOptions",
    "SendResultView",
    "SentRecipientView",
    "UnsubscribeOptions",
]

Recipient = Annotated[str, StringConstraints(max_length=MAX_RECIPIENT_CHARS)]
Recipients = Annotated[list[Recipient], Stated(maxItems=MAX_RECIPIENTS)]
Subject = Annotated[str, StringConstraints(max_length=MAX_SUBJECT_CHARS)]
Body = Annotated[str, StringConstraints(max_length=MAX_BODY_CHARS)]
ConversationId = Annotated[str, StringConstraints(max_length=MAX_CONVERSATION_ID)]


ReplyTo = Annotated[
    list[Recipient],
    BeforeValidator(
        lambda given: [given] if isinstance(given, str) else given,
        json_schema_input_type=Recipient | list[Recipient],
    ),
    PlainSerializer(lambda addresses: addresses[0] if len(addresses) == 1 else addresses, when_used="json"),
]
"""One address or a list. A single address is sent as a string, since some deployments accept only that."""


class Attachment(Request):
    """A file to send. `data` is base64 with padding (RFC 4648 section 4)."""

    filename: str
    content_type: str
    data: str


class UnsubscribeOptions(Request):
    """`managed`: the deployment adds an unsubscribe link to the message and honours it."""

    mode: Literal["managed"]


Attachments = Annotated[list[Attachment], Stated(maxItems=MAX_ATTACHMENTS)]


class _Composed(Request):
    """HTML without text makes its text, since every mail has both (RFC 2046 section 5.1.4)."""

    text: Body | None = None
    html: Body | None = None
    cc: Recipients | None = None
    bcc: Recipients | None = None
    reply_to: ReplyTo | None = None
    attachments: Attachments | None = None
    conversation_id: ConversationId | None = None
    send_at: Instant | None = None
    unsubscribe: UnsubscribeOptions | None = None

    @property
    def _from_template(self) -> bool:
        return False

    @model_validator(mode="after")
    def _both_forms(self) -> Self:
        if self.html and not (self.text or "").strip() and not self._from_template:
            # Few callers send HTML alone, and the reader of HTML takes long to load.
            from e2a_core.mail.html import html_to_text

            self.text = html_to_text(self.html)
        return self


class SendEmailRequest(_Composed):
    to: Recipients
    subject: Subject | None = None
    template_id: str | None = None
    template_alias: str | None = None
    template_data: dict[str, Any] | None = None

    @property
    def _from_template(self) -> bool:
        return bool(self.template_id or self.template_alias)


class ReplyRequest(_Composed):
    reply_all: StrictBool | None = None
    quote_history: StrictBool | None = None


class ForwardRequest(_Composed):
    to: Recipients


class SendOptions(Query):
    """Options of a send that are not part of the message.

    `dedupe=content` answers an identical send within the window like the first, unless an `idempotency_key` is given.
    `wait=sent` waits for the relay's answer. Other values are ignored, because clients rely on that.
    """

    wait: Annotated[str | None, Field(description="`sent` waits for the relay's answer, at most 15 s.")] = (
        None
    )
    dedupe: Annotated[
        str | None,
        Field(description="`content`: a repeat of the same mail within minutes gets the first answer."),
    ] = None
    idempotency_key: IdempotencyKey = None

    @property
    def mint_key(self) -> bool:
        """Returns True if the key is derived from the content of the message."""
        return self.dedupe == "content"

    @property
    def wait_sent(self) -> bool:
        return self.wait == "sent"


class SentRecipientView(View):
    """What one recipient got so far: outcome pending, succeeded, failed or unknown, with the relay's reply."""

    address: str
    outcome: str
    code: int | None = None
    enhanced: str | None = None
    detail: str | None = None


class SendResultView(View):
    """The result of a send. Branch on `status`: accepted, scheduled, sent, pending_review, review_approved or failed.

    `failed_recipients` lists recipients that did not get a message which others got. `not_addressed` lists the entries
    of the answered message that are no address, which the answer could not reach.
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
    recipients: list[SentRecipientView] | None = None
    failed_recipients: list[str] | None = None
    not_addressed: list[str] | None = None


_SETTLED = frozenset({"sent", "failed", "review_approved"})

SENT = Outcome((202, 200), lambda result: 200 if result.status in _SETTLED else 202)
"""200 for a final status, 202 for one that can still change. Clients branch on `status`."""

SEND_ERRORS = (
    AttachmentNotFound,
    BlockedByPolicy,
    DomainNotVerified,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    InvalidAttachment,
    InvalidRecipient,
    LimitExceeded,
    MessageNotYetDelivered,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    RecipientSuppressed,
    SendingPaused,
    TemplateNotFound,
    TemplateRenderFailed,
    TemplateRenderedEmpty,
    TooManyRecipients,
)
DECISION_ERRORS = (*SEND_ERRORS, DraftChanged, MessageNotPending)
