"""Waiting for the end of a submission by following the event log, so that any process may submit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from e2a_core.clock import from_micros
from e2a_core.contract.sending import SendResultView, SentRecipientView
from e2a_core.contract.states import Delivery, Method, Review
from e2a_core.core import Core
from e2a_core.messages import queries
from e2a_core.messages.state import UNDER_WAY
from e2a_core.store.event_feed import EventFeed
from e2a_core.store.statement import Row, first

__all__ = ["WAIT_SELF_SECONDS", "WAIT_SENT_SECONDS", "Waiting"]

WAIT_SENT_SECONDS = 15.0
"""Longest wait for callers that ask for it with `wait=sent`."""
WAIT_SELF_SECONDS = 2.0
"""Longest wait for mail from an agent to itself, which normally takes milliseconds."""

CONCLUSIONS = frozenset({"email.sent", "email.failed", "email.review_requested"})
"""Every submission ends with one of these events, or with both of the former in one commit if only some recipients got
the message."""


class Waiting:
    """Waits until a send has ended, and completes its result."""

    def __init__(self, core: Core, feed: EventFeed) -> None:
        self._core = core
        self._feed = feed

    async def settled(self, result: SendResultView, agent_email: str, seconds: float) -> SendResultView:
        """`result` as sent or failed once the submission has ended; unchanged if that takes over `seconds`."""
        try:
            async with (
                asyncio.timeout(seconds),
                self._feed.subscribe(agent_email=agent_email, types=CONCLUSIONS) as events,
            ):
                # The row shows an end before the subscription, the log one after it.
                if (ended := await self._ended(result)) is not None:
                    return ended
                async for event in events:
                    if event.message_id == result.message_id:
                        break
                return await self._ended(result) or result
        except TimeoutError:
            return result

    async def _ended(self, result: SendResultView) -> SendResultView | None:
        """`result` with the stored outcome, or None while the submission is under way."""
        row = first(await self._core.db.read(queries.delivery_state(result.message_id)))
        if row is None or row["delivery_status"] in UNDER_WAY:
            return None
        recipients = await self._core.db.read(queries.recipients(result.message_id))
        if row["status"] == Review.PENDING:
            expires = from_micros(row["approval_expires_at"])
            return result.model_copy(
                update={
                    "status": Review.PENDING,
                    "approval_expires_at": expires,
                    "recipients": [_outcome(item) for item in recipients],
                }
            )
        return result.model_copy(
            update={
                "status": "failed" if row["delivery_status"] == Delivery.FAILED else "sent",
                "recipients": [_outcome(item) for item in recipients],
                "failed_recipients": _missed(recipients),
                "sent_as": row["sent_as"],
                "provider_message_id": None
                if row["method"] == Method.LOOPBACK
                else row["provider_message_id"],
            }
        )


def _outcome(row: Row) -> SentRecipientView:
    return SentRecipientView(
        address=row["address"],
        outcome=row["outcome"],
        code=row["code"],
        enhanced=row["enhanced"],
        detail=None if row["outcome"] == "succeeded" else row["detail"],
    )


def _missed(rows: Sequence[Row]) -> list[str] | None:
    """The recipients not known to have the message; None if all have it, or none."""
    missed = [row["address"] for row in rows if row["outcome"] != "succeeded"]
    return missed if 0 < len(missed) < len(rows) else None
