"""Mail that only a signature proves: what the signature leaves out is told, and not acted on."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.sending import ReplyRequest, SendOptions
from tests.engine.mailbox import inbox
from tests.support.home import ASSISTANT, Home
from tests.support.smtp_client import letter

pytestmark = pytest.mark.anyio

REPLY_TO = {"Reply-To": "mallory@evil.example"}


async def _answered(home: Home, agent: Session, content: bytes, mail_from: str) -> list[str]:
    assert (await home.deliver(content, mail_from=mail_from)).accepted
    [summary] = await inbox(agent)
    reply = await agent.messages.reply(ASSISTANT, summary.id, ReplyRequest(text="Yes"), SendOptions())
    return (await agent.messages.get(ASSISTANT, reply.message_id)).to


async def test_an_answer_does_not_go_to_an_unsigned_reply_to(home: Home, agent: Session) -> None:
    forged = home.keys.alice.sign(letter(headers=REPLY_TO))
    assert await _answered(home, agent, forged, "relay@elsewhere.example") == ["alice@example.org"]


async def test_an_answer_goes_to_a_reply_to_that_the_domains_server_brought(
    home: Home, agent: Session
) -> None:
    signed = home.keys.alice.sign(letter(headers=REPLY_TO))
    assert await _answered(home, agent, signed, "alice@example.org") == ["mallory@evil.example"]


async def test_the_message_says_what_is_unsigned(home: Home, agent: Session) -> None:
    forged = home.keys.alice.sign(letter(headers=REPLY_TO))
    assert (await home.deliver(forged, mail_from="relay@elsewhere.example")).accepted
    [summary] = await inbox(agent)
    view = await agent.messages.get(ASSISTANT, summary.id)
    assert view.authentication is not None
    assert view.authentication.coverage == "partial"
    assert view.authentication.unsigned == ["mime-version", "content-type", "reply-to"]
    assert (summary.verified_domain, view.verified_domain) == (None, None)
    assert (view.auth_headers or {})["X-E2A-Auth-Verified"] == "true"


async def test_a_list_can_be_asked_for_it(home: Home, agent: Session) -> None:
    forged = home.keys.alice.sign(letter(headers=REPLY_TO))
    assert (await home.deliver(forged, mail_from="relay@elsewhere.example")).accepted
    for word, count in (("partial", 1), ("verified", 0), ("failed", 0), ("unverified", 0)):
        page = await agent.messages.list(ASSISTANT, MessageQuery(verdict=word))
        assert [item.verdict for item in page.items] == [word] * count
