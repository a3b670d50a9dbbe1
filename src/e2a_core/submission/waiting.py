"""Waiting for what becomes of a message that was just accepted."""

from __future__ import annotations

import asyncio

from e2a_core.contract.sending import SendResultView
from e2a_core.core import Core
from e2a_core.messages import queries
from e2a_core.store.statement import first

__all__ = ["WAIT_SELF_SECONDS", "WAIT_SENT_SECONDS", "settled"]

WAIT_SENT_SECONDS = 15.0
"""For callers that ask to wait (http-api section 11.1)."""
WAIT_SELF_SECONDS = 2.0
"""For mail that stays in the deployment, which takes milliseconds."""
_POLL_SECONDS = 0.02


async def settled(core: Core, result: SendResultView, seconds: float) -> SendResultView:
    """`result` as sent or failed once its submission has ended; as it is when that takes longer than `seconds`."""
    deadline = core.clock.monotonic() + seconds
    while core.clock.monotonic() < deadline:
        row = first(await core.db.read(queries.delivery_state(result.message_id)))
        state = row["delivery_status"] if row else None
        if row is not None and state not in {"accepted", "sending"}:
            missed = await _missed(core, result.message_id) if state == "failed" else None
            return result.model_copy(
                update={
                    "failed_recipients": missed,
                    "status": "failed" if state == "failed" else "sent",
                    "sent_as": row["sent_as"],
                    "provider_message_id": None
                    if row["method"] == "loopback"
                    else row["provider_message_id"],
                }
            )
        await asyncio.sleep(_POLL_SECONDS)
    return result


async def _missed(core: Core, message_id: str) -> list[str] | None:
    """Who is not known to have got a message that somebody got."""
    rows = await core.db.read(queries.recipients(message_id))
    missed = [row["address"] for row in rows if row["outcome"] != "succeeded"]
    return missed if len(missed) < len(rows) else None
