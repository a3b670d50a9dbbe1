"""The audit log through any engine: an owner reads what was done, and nobody else does."""

from __future__ import annotations

import pytest

from e2a_core.contract.audit import AuditQuery
from e2a_core.contract.contacts import CreateContactRequest
from e2a_core.contract.engine import Session
from e2a_core.errors import ContactNotFound, Forbidden, InvalidCursor, InvalidFilter
from tests.support.home import ASSISTANT

pytestmark = pytest.mark.anyio


async def test_an_owner_reads_what_was_done(owner: Session) -> None:
    await owner.agents.pause(ASSISTANT)
    await owner.contacts.create(CreateContactRequest(address="ann@example.org"))
    with pytest.raises(ContactNotFound):
        await owner.contacts.delete("nobody@example.org")
    refused, made, paused = (await owner.audit.list(AuditQuery(limit=3))).items
    assert (paused.operation, paused.subjects, paused.outcome) == ("pause_agent", {"email": ASSISTANT}, "ok")
    assert (made.operation, made.subjects["address"]) == ("create_contact", "ann@example.org")
    assert (refused.operation, refused.outcome, refused.code) == (
        "delete_contact",
        "refused",
        "contact_not_found",
    )
    assert refused.number == made.number + 1 == paused.number + 2
    assert (refused.door, refused.actor_kind) == ("api", "api_key")


async def test_only_accounts_read_it(agent: Session) -> None:
    with pytest.raises(Forbidden):
        await agent.audit.list(AuditQuery())


async def test_filters_and_cursors_that_are_none(owner: Session) -> None:
    with pytest.raises(InvalidFilter):
        await owner.audit.list(AuditQuery(since="yesterday-ish"))
    with pytest.raises(InvalidCursor):
        await owner.audit.list(AuditQuery(cursor="nonsense"))
    await owner.agents.pause(ASSISTANT)
    await owner.agents.resume(ASSISTANT)
    page = await owner.audit.list(AuditQuery(limit=1))
    with pytest.raises(InvalidCursor):
        await owner.audit.list(AuditQuery(limit=1, cursor=page.next_cursor, operation="pause_agent"))
