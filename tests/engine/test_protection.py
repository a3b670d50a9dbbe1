"""The gates of an inbox, and the guard against two programs that answer each other for ever."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.contract.sending import ReplyRequest, SendOptions, SendResultView
from e2a_core.errors import BlockedByPolicy, InvalidRequest
from tests.engine.mailbox import HELPER, all_mail, arrived, inbox, make_helper, protect, send, wait_for_mail
from tests.support.home import ASSISTANT, SHARED, EventLog, Home, stranger

pytestmark = pytest.mark.anyio


async def test_the_config_is_answered_as_it_was_put(owner: Session) -> None:
    fresh = await owner.protection.get(ASSISTANT)
    assert fresh.to_wire() == {
        "inbound": {"gate": {"policy": "open", "action": "flag"}, "scan": {"sensitivity": "off"}},
        "outbound": {"gate": {"policy": "open", "action": "flag"}, "scan": {"sensitivity": "off"}},
        "holds": {"ttl_seconds": 604_800, "on_expiry": "reject"},
    }
    await protect(
        owner,
        outbound={"policy": "allowlist", "action": "review", "allowlist": ["Bob <BOB@example.org>"]},
        holds={"ttl_seconds": 0, "on_expiry": "approve", "suppress_notifications": True},
    )
    stored = (await owner.protection.get(ASSISTANT)).to_wire()
    assert stored["outbound"]["gate"]["allowlist"] == ["bob@example.org"]
    assert stored["holds"] == {"ttl_seconds": 604_800, "on_expiry": "approve", "suppress_notifications": True}
    leaves = {"policy": None, "allowlist": None, "action": None}
    await protect(
        owner,
        inbound=leaves,
        outbound=leaves,
        holds={"ttl_seconds": None, "on_expiry": None, "suppress_notifications": None},
    )
    assert await owner.protection.get(ASSISTANT) == fresh
    with pytest.raises(InvalidRequest) as refused:
        await protect(owner, holds={"ttl_seconds": 604_801})
    assert refused.value.fields[0][0] == "body.holds.ttl_seconds"
    with pytest.raises(ValueError, match="inbound"):
        ProtectionConfig.model_validate({"outbound": {"gate": {}, "scan": {}}, "holds": {}})


@pytest.mark.parametrize(
    "reply_to", ["eve@evil.example", "Eve <eve@evil.example>", ["bob@example.org", "eve@evil.example"]]
)
async def test_an_address_in_reply_to_passes_the_gate_like_a_recipient(
    owner: Session, agent: Session, reply_to: object
) -> None:
    await protect(
        owner, outbound={"policy": "allowlist", "allowlist": ["bob@example.org"], "action": "review"}
    )
    assert (await send(agent, reply_to=reply_to)).status == "pending_review"
    assert (await send(agent, reply_to="Bob <BOB@example.org>")).status == "accepted"
    assert (await send(agent, reply_to=ASSISTANT)).status == "accepted"
    await protect(
        owner, outbound={"policy": "allowlist", "allowlist": ["bob@example.org"], "action": "block"}
    )
    with pytest.raises(BlockedByPolicy, match="not on the allowlist"):
        await send(agent, reply_to=reply_to)


async def test_at_the_shared_domain_the_domain_policy_is_about_the_account(
    home: Home, owner: Session, agent: Session
) -> None:
    foreign = f"foreign@{SHARED}"
    await stranger(home, foreign)
    await make_helper(owner)
    await protect(owner, outbound={"policy": "domain", "action": "review"})
    for recipient in (
        HELPER,
        f"Helper <HELPER@{SHARED.upper()}>",
        f"helper+tag@{SHARED}",
        f"postmaster@{SHARED}",
    ):
        assert (await send(agent, to=[recipient])).status == "accepted", recipient
    for recipients in (
        [foreign],
        [f"foreign+helper@{SHARED}"],
        [HELPER, foreign],
        [f"Helper <{foreign}>"],
        [f"nobody@{SHARED}"],
        [f"helper@sub.{SHARED}"],
        ["bob@example.org"],
    ):
        assert (await send(agent, to=recipients)).status == "pending_review", recipients
    assert (await send(agent, to=[HELPER], cc=[foreign])).status == "pending_review"
    assert (await send(agent, to=[HELPER], bcc=[foreign])).status == "pending_review"
    assert (await send(agent, to=[HELPER], reply_to=foreign)).status == "pending_review"


@pytest.mark.parametrize(
    ("gate", "recipients", "covered"),
    [
        ({"policy": "allowlist", "allowlist": ["bob@example.org"]}, ["Bob <BOB@example.org>"], True),
        (
            {"policy": "allowlist", "allowlist": ["bob@example.org"]},
            ["bob@example.org", "eve@example.org"],
            False,
        ),
        ({"policy": "allowlist"}, ["bob@example.org"], False),
        ({"policy": "domain"}, [f"postmaster@{SHARED}"], True),
        ({"policy": "domain"}, [f"other@{SHARED}"], False),
        ({"policy": "domain", "allowlist": ["example.org"]}, ["bob@example.org"], False),
        ({"policy": "open"}, ["bob@example.org"], True),
    ],
)
async def test_the_outbound_gate(
    owner: Session, agent: Session, gate: dict[str, object], recipients: list[str], covered: bool
) -> None:
    await protect(owner, outbound={**gate, "action": "review"})
    assert (await send(agent, to=recipients)).status == ("accepted" if covered else "pending_review")
    await protect(owner, outbound={**gate, "action": "flag"})
    assert (await send(agent, to=recipients)).status == "accepted"
    await protect(owner, outbound={**gate, "action": "block"})
    if covered:
        assert (await send(agent, to=recipients)).status == "accepted"
    else:
        with pytest.raises(BlockedByPolicy):
            await send(agent, to=recipients)


async def test_blind_copies_pass_the_gate_too(owner: Session, agent: Session) -> None:
    await protect(
        owner, outbound={"policy": "allowlist", "allowlist": ["bob@example.org"], "action": "review"}
    )
    assert (await send(agent, bcc=["eve@example.org"])).status == "pending_review"


async def test_a_blocked_send_leaves_an_event_and_no_message(
    owner: Session, agent: Session, events: EventLog
) -> None:
    await protect(owner, outbound={"policy": "allowlist", "action": "block"})
    with pytest.raises(BlockedByPolicy) as refused:
        await send(agent, options={"idempotency_key": "k"})
    assert (refused.value.code, refused.value.status) == ("blocked_by_policy", 403)
    told = await events.wait("email.blocked")
    assert told.data["message_id"].startswith("msgblk_")
    assert (told.data["direction"], told.data["reason_source"]) == ("outbound", "recipient_gate")
    assert await all_mail(agent) == []
    await protect(owner)
    assert (await send(agent, options={"idempotency_key": "k"})).status == "accepted"


INBOUND = [
    ({"policy": "allowlist", "allowlist": ["alice@example.org"]}, {}, True),
    (
        {"policy": "allowlist", "allowlist": ["ALICE@example.org"]},
        {"sender": "Alice <Alice@Example.ORG>"},
        True,
    ),
    ({"policy": "allowlist", "allowlist": ["alice@example.org"]}, {"mail_from": "x@list.example"}, False),
    ({"policy": "allowlist", "allowlist": ["bob@example.org"]}, {}, False),
    (
        {"policy": "allowlist", "allowlist": ["alice@example.org"]},
        {"sender": "eve@example.org", "headers": {"Reply-To": "alice@example.org"}},
        False,
    ),
    ({"policy": "domain", "allowlist": ["example.org"]}, {}, True),
    (
        {"policy": "domain", "allowlist": ["plain.example"]},
        {"sender": "a@plain.example", "mail_from": "a@plain.example"},
        False,
    ),
    ({"policy": "domain"}, {}, False),
]


@pytest.mark.parametrize(("gate", "parts", "covered"), INBOUND)
async def test_the_inbound_gate(
    home: Home, owner: Session, agent: Session, gate: dict[str, object], parts: dict[str, str], covered: bool
) -> None:
    await protect(owner, inbound={**gate, "action": "flag"})
    assert (await home.deliver(**parts)).accepted  # type: ignore[arg-type]
    [item] = await inbox(agent)
    assert (item.flagged, bool(item.flag_reason)) == ((None, False) if covered else (True, True))
    await protect(owner, inbound={**gate, "action": "review"})
    assert (await home.deliver(**parts)).accepted  # type: ignore[arg-type]
    assert len(await inbox(agent)) == (2 if covered else 1)
    assert len((await owner.reviews.list()).items) == (0 if covered else 1)


async def test_each_inbound_outcome_has_its_events(home: Home, owner: Session, events: EventLog) -> None:
    expected = {
        "open": ["email.received"],
        "flag": ["email.received", "email.flagged"],
        "review": ["email.review_requested"],
        "block": ["email.blocked"],
    }
    for action, types in expected.items():
        gate = {} if action == "open" else {"policy": "allowlist", "action": action}
        await protect(owner, inbound=gate)
        before = len(events.seen)
        assert (await home.deliver(subject=action)).accepted
        await events.wait(types[-1])
        told = [event for event in events.seen[before:] if event.data.get("subject") == action]
        assert sorted(event.type for event in told) == sorted(types)


async def test_blocked_mail_is_kept_out_of_sight(
    home: Home, owner: Session, agent: Session, events: EventLog
) -> None:
    await protect(owner, inbound={"policy": "allowlist", "action": "block"})
    assert (await home.deliver()).accepted
    told = await events.wait("email.blocked")
    assert await inbox(agent, direction="all") == []
    view = await owner.reviews.get(told.data["message_id"])
    assert view.review_status == "review_rejected"
    assert (await owner.reviews.list()).items == []


async def test_an_agent_of_the_deployment_passes_an_allowlist(owner: Session, agent: Session) -> None:
    await make_helper(owner)
    await protect(owner, HELPER, inbound={"policy": "allowlist", "allowlist": [ASSISTANT], "action": "block"})
    await send(agent, to=[HELPER])
    [received] = await wait_for_mail(owner, HELPER)
    assert received.flagged is None


async def _answer(session: Session, email: str, parent: str, text: str) -> SendResultView:
    return await session.messages.reply(email, parent, ReplyRequest(text=text), SendOptions())


async def test_the_eleventh_answer_to_a_machine_within_the_hour_waits(
    home: Home, owner: Session, agent: Session
) -> None:
    assert (await home.deliver(headers={"Auto-Submitted": "auto-replied"})).accepted
    machine = await arrived(agent)
    assert (await home.deliver(sender="Bob <bob@example.org>")).accepted
    person = await arrived(agent)
    for number in range(10):
        assert (await _answer(agent, ASSISTANT, machine.id, f"machine {number}")).status == "accepted"
        assert (await _answer(agent, ASSISTANT, person.id, f"person {number}")).status == "accepted"
    assert (await _answer(agent, ASSISTANT, person.id, "person again")).status == "accepted"
    held = await _answer(agent, ASSISTANT, machine.id, "machine again")
    assert held.status == "pending_review"
    [item] = (await owner.reviews.list()).items
    assert item.hold_reason is not None
    assert (item.id, item.hold_reason.code) == (held.message_id, "reply_loop")
    home.clock.advance(hours=1, seconds=1)
    assert (await _answer(agent, ASSISTANT, machine.id, "an hour later")).status == "accepted"


async def test_answers_to_a_machine_are_counted_though_they_come_at_once(
    home: Home, owner: Session, agent: Session
) -> None:
    await protect(owner, outbound={"policy": "allowlist", "action": "flag"})
    assert (await home.deliver(headers={"Auto-Submitted": "auto-replied"})).accepted
    machine = await arrived(agent)
    results = await asyncio.gather(*(_answer(agent, ASSISTANT, machine.id, f"{turn}") for turn in range(15)))
    assert Counter(result.status for result in results) == {"accepted": 10, "pending_review": 5}
    found = (await owner.reviews.list()).items
    assert [item.hold_reason.code for item in found if item.hold_reason] == ["reply_loop"] * 5


async def test_two_agents_answering_each_other_are_stopped(
    home: Home, owner: Session, agent: Session
) -> None:
    await make_helper(owner)
    await send(agent, to=[HELPER], subject="Ping")
    asked = {ASSISTANT: 0, HELPER: 0}
    for turn in range(30):
        email = HELPER if turn % 2 == 0 else ASSISTANT
        asked[email] += 1
        newest = (await wait_for_mail(owner, email, asked[email]))[-1]
        result = await _answer(owner, email, newest.id, f"turn {turn}")
        if result.status == "pending_review":
            break
    else:
        pytest.fail("nothing stopped them")
    assert 18 <= turn <= 21
