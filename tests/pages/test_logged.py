"""What people do on the pages is in the audit log."""

from __future__ import annotations

import pytest

from e2a_core.contract.audit import AuditQuery
from e2a_core.store.statement import sql
from tests.pages.people import Visitor
from tests.support.home import Home

pytestmark = pytest.mark.anyio


async def test_signing_in_and_out_is_logged_without_a_token(home: Home, url: str) -> None:
    async with Visitor(home, url) as person:
        await person.sign_in("reviewer", "rita@example.org")
        await person.submit("/", "/sign-out")
    owner = await home.local.session(home.account_key)
    items = (await owner.audit.list(AuditQuery())).items[::-1]
    told = [(item.operation, item.actor_kind, item.person, item.door, item.outcome) for item in items]
    assert told[-3:] == [
        ("create_sign_in_link", "home", None, "command", "ok"),
        ("sign_in", "person", "rita@example.org", "dashboard", "ok"),
        ("sign_out", "person", "rita@example.org", "dashboard", "ok"),
    ]
    linked, entered, _ = items[-3:]
    assert entered.actor == f"person:{linked.subjects['person_id']}"
    rows = [
        dict(row) for row in await home.local.core.db.read(sql("SELECT * FROM audit_log ORDER BY number"))
    ]
    assert "e2a_in_" not in str(rows)
    assert "e2a_ses_" not in str(rows)
