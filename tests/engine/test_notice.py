"""The mail that tells the owner of a held draft."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import pytest

from e2a_core.contract.engine import Session
from e2a_core.signing.tokens import verify_approval
from e2a_core.store.statement import first, sql
from tests.engine.mailbox import protect, send
from tests.support.home import ASSISTANT, SHARED, Home
from tests.support.smtp_sink import SmtpSink
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.relayed]

OWNER = "boss@corp.example"
HOLD_ALL: dict[str, object] = {"policy": "allowlist", "action": "review"}


async def _owned_by(home: Home, email: str) -> None:
    await home.local.core.db.write([sql("UPDATE accounts SET email = :email", email=email)])


async def _held(owner: Session, agent: Session, holds: dict[str, object] | None = None) -> str:
    await protect(owner, outbound=HOLD_ALL, holds=holds or {})
    result = await send(agent, subject="Prix: 5 €\u2028?", text="a secret offer", bcc=["dan@example.org"])
    assert result.status == "pending_review"
    return result.message_id


async def _no_job_is_left(home: Home) -> None:
    async def look() -> bool:
        rows = await home.local.core.db.read(sql("SELECT id FROM jobs WHERE kind = 'hold_notice'"))
        return not rows

    await until(look)


async def test_the_owner_gets_links_that_decide(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    held = await _held(owner, agent)
    [captured] = await sink.wait_for(1)
    assert captured.recipients == (OWNER,)
    notice = message_from_bytes(captured.content, policy=policy.default)
    assert notice["Message-ID"] == f"<hitl-approve-{held}@{SHARED}>"
    assert notice["Subject"].startswith(f"[e2a] approve outbound from {ASSISTANT}: Prix")
    assert notice["Auto-Submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        body = notice.get_body((kind,))
        assert body is not None
        words = body.get_content()
        assert "dan@example.org" in words
        assert "secret offer" not in words
        links = dict(re.findall(r"/v1/(approve|reject)\?t=([\w.-]+)", words))
        for action in ("approve", "reject"):
            token = verify_approval(links[action], action, [home.secret], now=home.clock.now())
            assert (token.message_id, token.reader) == (held, OWNER)
    await _no_job_is_left(home)


async def test_a_notice_that_is_passed_on_to_an_inbox_here_is_refused(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await _held(owner, agent)
    [captured] = await sink.wait_for(1)
    exchange = await home.deliver(captured.content, mail_from=OWNER)
    assert exchange.final is not None
    assert (exchange.final.code, exchange.final.enhanced) == (554, "5.4.6")


async def test_a_relay_that_is_busy_is_asked_again(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    sink.script.rcpt[OWNER] = "451 4.2.0 later"
    await _held(owner, agent)

    async def put_off() -> bool:
        row = first(
            await home.local.core.db.read(
                sql("SELECT last_error FROM jobs WHERE kind = 'hold_notice' AND lease IS NULL")
            )
        )
        return row is not None and "later" in (row["last_error"] or "")

    await until(put_off)
    assert sink.messages == []


@pytest.mark.parametrize("address", [ASSISTANT, "owner@localhost"], ids=["an inbox here", "no host"])
async def test_an_address_that_must_not_or_cannot_be_told_is_not(
    home: Home, owner: Session, agent: Session, sink: SmtpSink, address: str
) -> None:
    await _owned_by(home, address)
    await _held(owner, agent)
    await _no_job_is_left(home)
    assert sink.messages == []


async def test_an_owner_who_wants_no_notices_gets_none(
    home: Home, owner: Session, agent: Session, sink: SmtpSink
) -> None:
    await _owned_by(home, OWNER)
    await _held(owner, agent, holds={"suppress_notifications": True})
    await _no_job_is_left(home)
    assert sink.messages == []
