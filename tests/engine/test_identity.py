"""Who wrote: when a sender counts as an agent, and when a delegation is attested."""

from __future__ import annotations

from datetime import timedelta

import pytest

from e2a_core.contract.agents import CreateDelegationRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.signing.auth_headers import verify_auth_headers
from tests.engine.mailbox import HELPER, arrived, inbox, make_helper, send, wait_for_mail
from tests.support.home import ASSISTANT, SHARED, Home
from tests.support.smtp_client import DkimSigner
from tests.support.smtp_sink import SmtpSink

pytestmark = pytest.mark.anyio


def _claimed(view: MessageView, name: str) -> str | None:
    return (view.auth_headers or {}).get(f"X-E2A-Auth-{name}")


async def test_an_agent_proven_by_spf_is_one(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    assert (await home.deliver(sender=HELPER, mail_from=HELPER)).accepted
    view = await arrived(agent)
    assert (_claimed(view, "Entity-Type"), _claimed(view, "Verified")) == ("agent", "true")


async def test_an_agent_proven_by_dkim_is_one(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    signer = DkimSigner(SHARED, home.keys.shared_selector, home.keys.shared.to_pem())
    assert (await home.deliver(sender=HELPER, mail_from="relay@list.example", signer=signer)).accepted
    view = await arrived(agent)
    assert (_claimed(view, "Entity-Type"), _claimed(view, "Verified")) == ("agent", "true")


async def test_a_forged_agent_is_not_one(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    assert (await home.deliver(sender=HELPER, mail_from="thief@list.example")).accepted
    view = await arrived(agent)
    assert (_claimed(view, "Entity-Type"), _claimed(view, "Verified")) == ("human", "false")


async def test_nobodys_address_in_our_domain_is_not_an_agent(home: Home, agent: Session) -> None:
    assert (await home.deliver(sender=f"nobody@{SHARED}", mail_from=f"nobody@{SHARED}")).accepted
    view = await arrived(agent)
    assert (_claimed(view, "Entity-Type"), _claimed(view, "Verified")) == ("human", "true")


async def test_an_agent_is_proven_without_a_network(home: Home, owner: Session, agent: Session) -> None:
    await make_helper(owner)
    await send(agent, to=[HELPER])
    [summary] = await wait_for_mail(owner, HELPER)
    view = await owner.messages.get(HELPER, summary.id)
    claim = verify_auth_headers(
        view.auth_headers or {},
        [home.secret],
        raw_message=await owner.messages.raw(HELPER, view.id),
        now=home.clock.now(),
    )
    assert (claim.verified, claim.entity_type, claim.sender) == (True, "agent", ASSISTANT)
    assert view.author_agent == summary.author_agent == ASSISTANT
    assert view.authentication is None
    assert view.envelope_from is None


@pytest.mark.settings(outbound_smtp_from_domain="relay.example")
@pytest.mark.relayed
async def test_the_author_is_the_agent_though_the_relay_signs_for_it(
    sink: SmtpSink, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    await send(agent, to=["bob@example.org", HELPER])
    [summary] = await wait_for_mail(owner, HELPER)
    view = await owner.messages.get(HELPER, summary.id)
    assert view.header_from == "agent@relay.example"
    assert view.author_agent == summary.author_agent == _claimed(view, "Sender") == ASSISTANT


async def test_the_deployments_own_mail_is_no_agents(agent: Session) -> None:
    await agent.agents.test(ASSISTANT)
    [summary] = await wait_for_mail(agent, ASSISTANT)
    view = await agent.messages.get(ASSISTANT, summary.id)
    assert (view.author_agent, summary.author_agent, _claimed(view, "Entity-Type")) == (None, None, "human")


async def test_an_agent_whose_mail_comes_from_outside_is_named_when_proven(
    home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    for mail_from, expected in ((HELPER, HELPER), ("thief@list.example", None)):
        assert (await home.deliver(sender=HELPER, mail_from=mail_from)).accepted
        view = await arrived(agent)
        [summary, *_] = await inbox(agent, read_status="all")
        assert view.author_agent == summary.author_agent == expected


async def test_a_delegation_is_attested_for_the_bound_and_verified_human_alone(
    home: Home, owner: Session, agent: Session
) -> None:
    await owner.agents.delegate(ASSISTANT, CreateDelegationRequest(human="Alice <alice@example.org>"))
    assert (await home.deliver(sender="Alice <ALICE@example.org>")).accepted
    view = await arrived(agent)
    assert _claimed(view, "Delegation") == f"agent={ASSISTANT};human=alice@example.org"
    assert len(view.auth_headers or {}) == 9
    claim = verify_auth_headers(
        view.auth_headers or {},
        [home.secret],
        raw_message=await agent.messages.raw(ASSISTANT, view.id),
        now=home.clock.now(),
    )
    assert claim.delegation == f"agent={ASSISTANT};human=alice@example.org"
    assert (await home.deliver(mail_from="thief@list.example")).accepted
    assert _claimed(await arrived(agent), "Delegation") is None
    assert (await home.deliver(sender="bob@example.org", mail_from="bob@example.org")).accepted
    assert _claimed(await arrived(agent), "Delegation") is None


async def test_a_delegation_holds_within_its_validity(home: Home, owner: Session, agent: Session) -> None:
    now = home.clock.now()
    made = await owner.agents.delegate(
        ASSISTANT,
        CreateDelegationRequest(
            human="alice@example.org",
            valid_from=now + timedelta(hours=1),
            valid_until=now + timedelta(hours=2),
        ),
    )
    attested = []
    for _ in range(3):
        assert (await home.deliver()).accepted
        attested.append(_claimed(await arrived(agent), "Delegation") is not None)
        home.clock.advance(hours=1, seconds=1)
    assert attested == [False, True, False]
    assert [item.id for item in (await owner.agents.delegations(ASSISTANT)).items] == [made.id]


async def test_a_revoked_delegation_is_not_attested(home: Home, owner: Session, agent: Session) -> None:
    made = await owner.agents.delegate(ASSISTANT, CreateDelegationRequest(human="alice@example.org"))
    await owner.agents.revoke_delegation(ASSISTANT, made.id)
    assert (await home.deliver()).accepted
    assert _claimed(await arrived(agent), "Delegation") is None


async def test_a_delegation_is_that_of_the_receiving_agent(
    home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    await owner.agents.delegate(HELPER, CreateDelegationRequest(human="alice@example.org"))
    assert (await home.deliver(to=[ASSISTANT, HELPER])).accepted
    assert _claimed(await arrived(agent), "Delegation") is None
    delegated = _claimed(await arrived(owner, HELPER), "Delegation")
    assert delegated == f"agent={HELPER};human=alice@example.org"


async def test_a_conversation_is_believed_from_a_proven_agent_alone(
    home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    claim = {"X-E2A-Conversation-Id": "conv_claimed"}
    assert (await home.deliver(headers=claim)).accepted
    assert (await arrived(agent)).conversation_id == ""
    assert (await home.deliver(sender=HELPER, mail_from="thief@list.example", headers=claim)).accepted
    assert (await arrived(agent)).conversation_id == ""
    assert (await home.deliver(sender=HELPER, mail_from=HELPER, headers=claim)).accepted
    assert (await arrived(agent)).conversation_id == "conv_claimed"


async def test_a_conversation_id_nobody_could_have_given_is_not_believed(
    home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    claim = {"X-E2A-Conversation-Id": "".join(map(str, range(2000)))}
    assert (await home.deliver(sender=HELPER, mail_from=HELPER, headers=claim)).accepted
    assert (await arrived(agent)).conversation_id == ""
