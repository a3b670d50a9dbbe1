"""Messages of one inbox, and sending from it."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from e2a_core.contract.base import Page
from e2a_core.contract.engine import Session
from e2a_core.contract.messages import (
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
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.errors import InvalidRequest
from e2a_core.http.envelope import answer
from e2a_core.http.routes.parameters import (
    Cursor,
    IdempotencyKey,
    Limit,
    api_router,
    described,
    digits,
    query_of,
)

__all__ = ["router", "send_answer"]

router = api_router("messages")

BASE = "/agents/{email}/messages"
ONE = BASE + "/{id}"

Wait = Annotated[str | None, Query(description="`sent` waits for the relay's answer, at most 15 s.")]
Dedupe = Annotated[
    str | None, Query(description="`content` answers a repeat of the same mail within minutes as the first.")
]
MessageId = Annotated[str, Path(alias="id")]


class ListParameters(BaseModel):
    """The query of a message list."""

    direction: Literal["inbound", "outbound", "all"] | None = None
    read_status: Literal["unread", "read", "all"] | None = None
    sort: Literal["asc", "desc"] | None = None
    from_: Annotated[str | None, Field(alias="from")] = None
    subject_contains: str | None = None
    conversation_id: str | None = None
    labels: Annotated[str | None, Field(description="A comma list; all must be there.")] = None
    since: str | None = None
    until: str | None = None
    filter: str | None = None
    query: Annotated[str | None, Field(description="Full text over subject, addresses and body.")] = None
    deleted: bool = False
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before.")] = None
    limit: Annotated[int, BeforeValidator(digits), Field(ge=1, le=100)] = 100

    @cached_property
    def wanted(self) -> MessageQuery:
        given = self.model_dump(exclude_unset=True)
        if self.labels is not None:
            given["labels"] = self.labels.split(",")
        return MessageQuery.model_validate(given)


@router.get(
    BASE,
    operation_id="list_messages",
    response_model=Page[MessageSummaryView],
    openapi_extra=described(ListParameters),
)
async def list_messages(session: Session, email: str, request: Request) -> Response:
    wanted = query_of(request, ListParameters).wanted
    return answer(await session.messages.list(email, wanted))


@router.post(
    BASE,
    operation_id="send_message",
    response_model=SendResultView,
    status_code=202,
    responses={200: {"model": SendResultView}},
)
async def send_message(
    session: Session,
    email: str,
    body: SendEmailRequest,
    wait: Wait = None,
    dedupe: Dedupe = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    return send_answer(await session.messages.send(email, body, _options(wait, dedupe, idempotency_key)))


@router.get(ONE, operation_id="get_message", response_model=MessageView)
async def get_message(
    session: Session,
    email: str,
    id: MessageId,
    peek: Annotated[bool, Query(description="Do not mark the message read.")] = False,
) -> Response:
    return answer(await session.messages.get(email, id, peek=peek))


@router.patch(ONE, operation_id="update_message", response_model=UpdateMessageResultView)
async def update_message(session: Session, email: str, id: MessageId, body: UpdateMessageRequest) -> Response:
    return answer(await session.messages.update(email, id, body))


@router.delete(ONE, operation_id="delete_message", response_model=DeleteMessageResult)
async def delete_message(
    session: Session,
    email: str,
    id: MessageId,
    permanent: bool = False,
    confirm: str | None = None,
) -> Response:
    if permanent and confirm != "DELETE":
        raise InvalidRequest("confirm must be DELETE", location="query.confirm", status=422)
    return answer(await session.messages.delete(email, id, permanent=permanent))


@router.post(ONE + "/restore", operation_id="restore_message", response_model=MessageView)
async def restore_message(session: Session, email: str, id: MessageId) -> Response:
    return answer(await session.messages.restore(email, id))


@router.get(
    ONE + "/lifecycle",
    operation_id="get_message_lifecycle",
    response_model=Page[MessageLifecycleTransition],
)
async def get_message_lifecycle(
    session: Session,
    email: str,
    id: MessageId,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    return answer(await session.messages.lifecycle(email, id, cursor=cursor, limit=limit))


@router.get(ONE + "/attachments/{index}", operation_id="get_attachment", response_model=AttachmentView)
async def get_attachment(
    session: Session,
    email: str,
    id: MessageId,
    index: Annotated[int, BeforeValidator(digits), Path(ge=0)],
    inline: bool = False,
) -> Response:
    return answer(await session.messages.attachment(email, id, index, inline=inline))


@router.post(
    ONE + "/reply",
    operation_id="reply_to_message",
    response_model=SendResultView,
    status_code=202,
    responses={200: {"model": SendResultView}},
)
async def reply_to_message(
    session: Session,
    email: str,
    id: MessageId,
    body: ReplyRequest,
    wait: Wait = None,
    dedupe: Dedupe = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    return send_answer(await session.messages.reply(email, id, body, _options(wait, dedupe, idempotency_key)))


@router.post(
    ONE + "/forward",
    operation_id="forward_message",
    response_model=SendResultView,
    status_code=202,
    responses={200: {"model": SendResultView}},
)
async def forward_message(
    session: Session,
    email: str,
    id: MessageId,
    body: ForwardRequest,
    wait: Wait = None,
    dedupe: Dedupe = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    return send_answer(
        await session.messages.forward(email, id, body, _options(wait, dedupe, idempotency_key))
    )


@router.post(
    ONE + "/approve",
    operation_id="approve_message",
    response_model=SendResultView,
    status_code=202,
    responses={200: {"model": SendResultView}},
    deprecated=True,
)
async def approve_message(
    session: Session,
    email: str,
    id: MessageId,
    body: ApproveRequest,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Use `POST /v1/reviews/{id}/approve`."""
    await _require_of_agent(session, email, id)
    return send_answer(await session.reviews.approve(id, body, idempotency_key=idempotency_key))


@router.post(ONE + "/reject", operation_id="reject_message", response_model=RejectResultView, deprecated=True)
async def reject_message(session: Session, email: str, id: MessageId, body: RejectRequest) -> Response:
    """Use `POST /v1/reviews/{id}/reject`."""
    await _require_of_agent(session, email, id)
    return answer(await session.reviews.reject(id, body))


async def _require_of_agent(session: Session, email: str, message_id: str) -> None:
    """The newer routes name a message by its id alone; these name its inbox too. Raises `NotFound`."""
    session.principal.require_account()
    await session.messages.lifecycle(email, message_id, limit=1)


def send_answer(result: SendResultView) -> Response:
    """200 for what is settled, 202 for what goes on; clients branch on `status`."""
    settled = result.status in {"sent", "failed", "review_approved"}
    return answer(result, 200 if settled else 202)


def _options(wait: str | None, dedupe: str | None, idempotency_key: str | None) -> SendOptions:
    """Any other word than the ones that mean something is ignored, as clients rely on."""
    return SendOptions(
        idempotency_key=idempotency_key, mint_key=dedupe == "content", wait_sent=wait == "sent"
    )
