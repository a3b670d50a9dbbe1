"""In a sandbox, a held message is told of in the log of the process that serves the home."""

from __future__ import annotations

import logging

import pytest

from e2a_core.contract.engine import Session
from e2a_core.store.statement import sql
from tests.engine.mailbox import protect, send
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("the log is the deployment's")]


@pytest.mark.parametrize("received", [False, True])
async def test_the_log_tells_of_it(
    home: Home, owner: Session, agent: Session, received: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "e2a_core.reviews.notice")
    await home.local.core.db.write([sql("UPDATE accounts SET email = 'boss@corp.example'")])
    gate: dict[str, object] = {"policy": "allowlist", "action": "review"}
    await protect(owner, inbound=gate, outbound=gate)
    if received:
        await home.deliver(subject="Bill\u202e", text="hidden words")
    else:
        await send(agent, subject="Offer", text="hidden words")

    async def told() -> str | None:
        lines = [item.getMessage() for item in caplog.records if "held for review" in item.getMessage()]
        return lines[0] if lines else None

    line = await until(told)
    assert line is not None
    wanted = (
        f"mail from Alice <alice@example.org> to {ASSISTANT}: 'Bill[U+202E]'"
        if received
        else f"{ASSISTANT} wants to write to bob@example.org: 'Offer'"
    )
    assert wanted in line.replace("mail from alice@example.org", "mail from Alice <alice@example.org>")
    assert "hidden words" not in line
