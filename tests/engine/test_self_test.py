"""The test mail a deployment sends to an agent of its own."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.errors import Forbidden, RecipientSuppressed
from tests.engine.mailbox import HELPER, make_helper, protect, settled, wait_for_mail
from tests.support.home import ASSISTANT, SHARED
from tests.support.smtp_sink import SmtpSink

pytestmark = pytest.mark.anyio


async def test_a_sandbox_delivers_it_itself(agent: Session) -> None:
    result = await agent.agents.test(ASSISTANT)
    assert result.status == "accepted"
    view = await settled(agent, result.message_id)
    assert (view.delivery_status, view.header_from) == ("sent", f"noreply@{SHARED}")
    [arrived] = await wait_for_mail(agent, ASSISTANT)
    assert (arrived.header_from, arrived.subject) == (f"noreply@{SHARED}", view.subject)


@pytest.mark.relayed
async def test_it_takes_the_way_of_mail_from_outside(sink: SmtpSink, agent: Session) -> None:
    result = await agent.agents.test(ASSISTANT)
    assert (result.status, result.method) == ("accepted", "smtp")
    [captured] = await sink.wait_for(1)
    assert (captured.mail_from, captured.recipients) == (f"noreply@{SHARED}", (ASSISTANT,))
    assert b"\r\nDKIM-Signature:" in b"\r\n" + captured.content
    assert b"Reply-To" not in captured.content


async def test_it_is_mail_like_any_other(agent: Session, owner: Session) -> None:
    await make_helper(owner)
    with pytest.raises(Forbidden):
        await agent.agents.test(HELPER)
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    held = await agent.agents.test(ASSISTANT)
    assert held.status == "pending_review"
    await owner.suppressions.create_for_agent(ASSISTANT, CreateAgentSuppressionRequest(address=ASSISTANT))
    with pytest.raises(RecipientSuppressed):
        await agent.agents.test(ASSISTANT)
