"""The review queue of an account, and deciding by signed link."""

from __future__ import annotations

from e2a_core.accounts.idempotency import claimed, complete, fingerprint_of
from e2a_core.contract.base import Page
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.principal import Principal
from e2a_core.contract.reviews import ApproveRequest, RejectRequest, RejectResultView, ReviewView
from e2a_core.contract.sending import SendResultView
from e2a_core.contract.states import Method
from e2a_core.core import Core
from e2a_core.errors import NotFound
from e2a_core.messages import queries as message_queries
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.views import review_view
from e2a_core.paging import paged
from e2a_core.reviews import decide, queries
from e2a_core.reviews.decide import Decider
from e2a_core.reviews.views import review_detail
from e2a_core.store.statement import first
from e2a_core.submission.waiting import WAIT_SELF_SECONDS, Waiting
from e2a_core.texts import is_storable, require_storable

__all__ = ["Reviews"]


class Reviews:
    """`engine.Reviews`: an agent credential gets nowhere here, whatever it asks."""

    def __init__(self, core: Core, principal: Principal, waiting: Waiting) -> None:
        self._core = core
        self._principal = principal
        self._waiting = waiting

    async def list(self, *, cursor: str | None = None, limit: int = 100) -> Page[ReviewView]:
        self._principal.require_account()
        binding = {"list": "reviews", "account": self._principal.account_id}
        return await paged(
            self._core,
            lambda after, count: queries.page(self._principal.account_id, after, count),
            query=binding,
            cursor=cursor,
            limit=limit,
            view=lambda row: review_view(MessageRow.from_store(row)),
            names=("t", "i"),
        )

    async def get(self, message_id: str) -> MessageView:
        return await review_detail(self._core, await self._row(message_id))

    async def approve(
        self, message_id: str, request: ApproveRequest, *, idempotency_key: str | None = None
    ) -> SendResultView:
        row = await self._row(message_id)
        result = await self._approve(row, request, idempotency_key)
        if result.method == Method.LOOPBACK and result.status == "accepted":
            return await self._waiting.settled(result, row.agent_email, WAIT_SELF_SECONDS)
        return result

    async def _approve(
        self, row: MessageRow, request: ApproveRequest, idempotency_key: str | None
    ) -> SendResultView:
        decider = Decider(self._principal.person or self._principal.account_email)
        if not idempotency_key or row.inbound:
            return await decide.approve(self._core, row, request, decider)
        fingerprint = fingerprint_of(f"/v1/approve/{row.id}", request)
        async with claimed(self._core, row.account_id, "request", idempotency_key, fingerprint) as claim:
            if claim.stored is not None:
                return SendResultView.model_validate_json(claim.stored.body)
            return await decide.approve(
                self._core,
                row,
                request,
                decider,
                lambda result: [complete(claim, 202, result.model_dump_json())],
            )

    async def reject(self, message_id: str, request: RejectRequest) -> RejectResultView:
        row = await self._row(message_id)
        return await decide.reject(
            self._core,
            row,
            None if request.reason is None else require_storable(request.reason, "body.reason"),
            Decider(self._principal.person or self._principal.account_email),
            content_hash=request.content_hash,
        )

    async def _row(self, message_id: str) -> MessageRow:
        self._principal.require_account()
        wanted = message_queries.by_id_in_account(self._principal.account_id, message_id)
        found = first(await self._core.db.read(wanted)) if is_storable(message_id) else None
        if found is None:
            raise NotFound("no such message")
        return MessageRow.from_store(found)
