"""Mail that waits for a decision."""

from __future__ import annotations

from typing import Any

from e2a_core.contract.engine import Session
from tests.engine.mailbox import protect, send
from tests.support.home import Home

__all__ = ["HOLD_ALL", "held_draft", "held_mail", "status"]

HOLD_ALL: dict[str, object] = {"policy": "allowlist", "action": "review"}


async def held_draft(owner: Session, agent: Session, **members: Any) -> str:
    """The id of a draft of the agent, held."""
    await protect(owner, outbound=HOLD_ALL)
    result = await send(agent, **members)
    assert result.status == "pending_review"
    return result.message_id


async def held_mail(home: Home, owner: Session, **parts: Any) -> str:
    """The id of a received message, held; `parts` are those of `Home.deliver`."""
    await protect(owner, inbound=HOLD_ALL)
    assert (await home.deliver(**parts)).accepted
    [item] = [item for item in (await owner.reviews.list()).items if item.direction == "inbound"]
    return item.id


async def status(owner: Session, message_id: str) -> str | None:
    return (await owner.reviews.get(message_id)).review_status
