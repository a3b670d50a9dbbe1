"""Held mail and the decisions about it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Protocol

from pydantic import Field

from e2a_core.contract.base import Page, Request, Timestamp, View
from e2a_core.contract.limits import MAX_REASON_CHARS
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.operation import READS, Budget, Hints, Tool, operation
from e2a_core.contract.parameters import Cursor, IdempotencyKey, Limit, MessageId
from e2a_core.contract.screening_views import HoldReasonView
from e2a_core.contract.sending import (
    DECISION_ERRORS,
    SENT,
    Attachments,
    Body,
    Recipients,
    SendResultView,
    Subject,
)
from e2a_core.contract.states import DirectionText
from e2a_core.errors import DraftChanged, InvalidCursor, MessageNotPending, NotFound

__all__ = [
    "Reviews",
    "ApproveRequest",
    "RejectRequest",
    "RejectResultView",
    "ReviewView",
]


class ReviewView(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"header_from", "envelope_from", "verified_domain"})

    id: str
    agent_email: str
    direction: DirectionText
    header_from: str | None = None
    from_name: str | None = None
    """As in `MessageSummaryView`."""
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
    """Edits to apply to the draft. An absent member keeps the value; an empty list clears it.

    `content_hash` is that of the draft the reviewer saw (`MessageView.content_hash`). If the draft has changed since,
    the approval is refused with `draft_changed`.
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
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS)] | None = None
    content_hash: str | None = None


class RejectResultView(View):
    message_id: str
    status: str
    rejection_reason: str | None = None


class Reviews(Protocol):
    """Held mail of the account. Only account credentials may read or decide it."""

    @operation(
        "GET",
        "/v1/reviews",
        id="list_reviews",
        errors=(InvalidCursor,),
        tool=Tool("List held mail", "Mail waiting for a person, newest first.", READS),
    )
    async def list(self, *, cursor: Cursor = None, limit: Limit = 100) -> Page[ReviewView]:
        """List the mail that waits for review, newest first."""

    @operation(
        "GET",
        "/v1/reviews/{id}",
        id="get_review",
        errors=(NotFound,),
        tool=Tool(
            "Show held mail",
            "Held mail: all recipients, both bodies, files, content_hash, why it is held and until when.",
            READS,
        ),
    )
    async def get(self, message_id: MessageId) -> MessageView:
        """Get a held message in full and the reason for the hold. Does not mark it read."""

    @operation(
        "POST",
        "/v1/reviews/{id}/approve",
        id="approve_review",
        role="reviewer",
        answer=SENT,
        files=True,
        slow=True,
        budget=Budget.SENDING,
        errors=DECISION_ERRORS,
        tool=Tool(
            "Approve held mail",
            "Send a held draft, or let held inbound mail in. Only on a person's word. Fields given replace the "
            "draft's; inbound mail takes none. 409 when already decided or when the draft is not that of content_hash.",
            Hints(open_world=True),
        ),
    )
    async def approve(
        self, message_id: MessageId, request: ApproveRequest, *, idempotency_key: IdempotencyKey = None
    ) -> SendResultView:
        """Approve held mail: send the draft, or deliver the inbound message to its inbox."""

    @operation(
        "POST",
        "/v1/reviews/{id}/reject",
        id="reject_review",
        role="reviewer",
        errors=(DraftChanged, MessageNotPending, NotFound),
        tool=Tool(
            "Reject held mail",
            "Discard a held draft or held inbound mail, for good.",
            Hints(destructive=True),
        ),
    )
    async def reject(self, message_id: MessageId, request: RejectRequest) -> RejectResultView:
        """Reject held mail for good."""
