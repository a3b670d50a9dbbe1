"""One acceptance per idempotency key: the caller's, or one minted from the mail itself."""

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
"""Within it the same mail again is taken for a repeated call, not a second message."""
MINTED = "repeat"
"""The namespace of minted keys, which no caller's key can be in."""


@dataclass(frozen=True, slots=True)
class RepeatKey:
    """What makes two calls one; an answer counts for `kept`."""

    namespace: str
    value: str
    fingerprint: str
    kept: timedelta

    @property
    def minted(self) -> bool:
        return self.namespace == MINTED


def callers_key(value: str, route: str, request: Request) -> RepeatKey:
    """The caller's own key. Raises `InvalidRequest` for a request that has no fingerprint."""
    return RepeatKey(REQUESTS, value, fingerprint_of(route, request), KEPT)


def minted_key(agent: AgentRow, draft: Draft) -> RepeatKey:
    """The same key for two sends that a person would call the same mail."""
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
    """The claim of `key` for the length of a block; one that has `stored` is a repeat.

    Mail that came to nothing is forgotten first if its key was minted. Raises as `idempotency.claim` does.
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
    """Whether nobody will get the message of that answer: then the same mail again is no repeat, but meant."""
    message_id = SendResultView.model_validate_json(answer).message_id
    found, outcomes = await core.db.read(
        [queries.by_id(agent.email, message_id), queries.recipients(message_id)]
    )
    if not found:
        return True
    row = found[0]
    refused = row["status"] in {Review.REJECTED, Review.EXPIRED_REJECTED}
    failed = bool(outcomes) and all(item["outcome"] == "failed" for item in outcomes)
    # What was thrown away after it had left has left all the same.
    called_off = row["deleted_at"] is not None and not any(
        item["outcome"] in {"succeeded", "unknown"} for item in outcomes
    )
    return refused or failed or called_off
