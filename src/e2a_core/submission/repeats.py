"""Accepting one message per idempotency key: the caller's, or one derived from the mail itself (minted)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from e2a_core.accounts.idempotency import KEPT, REQUESTS, Claim, claimed, fingerprint_of, release
from e2a_core.agents.queries import AgentRow
from e2a_core.contract.base import Request
from e2a_core.contract.sending import SendResultView
from e2a_core.contract.states import Review
from e2a_core.core import Core
from e2a_core.messages import queries
from e2a_core.submission.draft import Draft

__all__ = ["RepeatKey", "callers_key", "minted_key", "once"]

REPEAT_WINDOW = timedelta(minutes=10)
"""Within this time the same mail counts as a repeated call, not as a second message."""
MINTED = "repeat"
"""The namespace of minted keys; callers' keys are in another."""


@dataclass(frozen=True, slots=True)
class RepeatKey:
    """Identifies repeated calls; the first answer is returned for the time `kept`."""

    namespace: str
    value: str
    fingerprint: str
    kept: timedelta

    @property
    def minted(self) -> bool:
        return self.namespace == MINTED


def callers_key(value: str, agent: AgentRow, route: str, request: Request) -> RepeatKey:
    """The key that the caller chose, which is the agent's own: agents of one account may choose the same.

    Raises `InvalidRequest` if the request has no fingerprint.
    """
    return RepeatKey(f"{REQUESTS}:{agent.email}", value, fingerprint_of(route, request), KEPT)


def minted_key(agent: AgentRow, draft: Draft) -> RepeatKey:
    """A key that is the same for two sends with the same recipients, content and thread."""
    content = {
        "agent": agent.email,
        "thread": draft.parent_id or draft.conversation_id,
        "type": draft.type,
        "recipients": sorted(item.strip().lower() for item in draft.recipients),
        "subject": draft.subject,
        "text": draft.text,
        "html": draft.html,
        "send_at": draft.send_at,
        "attachments": [[item.filename, hashlib.sha256(item.data).hexdigest()] for item in draft.attachments],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return RepeatKey(MINTED, digest, digest, REPEAT_WINDOW)


@asynccontextmanager
async def once(core: Core, agent: AgentRow, key: RepeatKey) -> AsyncIterator[Claim]:
    """Claims `key` for the duration of the block; if the claim has `stored`, the call is a repeat.

    A minted key is released first if no recipient got or will get the earlier message. Raises as `idempotency.claim`.
    """
    async with _claimed(core, agent, key) as claim:
        if (
            claim.stored is None
            or not key.minted
            or not await _came_to_nothing(core, agent, claim.stored.body)
        ):
            yield claim
            return
    await release(core, claim)
    async with _claimed(core, agent, key) as claim:
        yield claim


def _claimed(core: Core, agent: AgentRow, key: RepeatKey) -> AbstractAsyncContextManager[Claim]:
    return claimed(core, agent.account_id, key.namespace, key.value, key.fingerprint, kept=key.kept)


async def _came_to_nothing(core: Core, agent: AgentRow, answer: str) -> bool:
    """Returns True if no recipient got or will get the message, so sending it again is no duplicate."""
    message_id = SendResultView.model_validate_json(answer).message_id
    found, outcomes = await core.db.read(
        [queries.by_id(agent.email, message_id), queries.recipients(message_id)]
    )
    if not found:
        return True
    row = found[0]
    refused = row["status"] in {Review.REJECTED, Review.EXPIRED_REJECTED}
    failed = bool(outcomes) and all(item["outcome"] == "failed" for item in outcomes)
    # A message trashed after its submission was sent all the same.
    called_off = row["deleted_at"] is not None and not any(
        item["outcome"] in {"succeeded", "unknown"} for item in outcomes
    )
    return refused or failed or called_off
