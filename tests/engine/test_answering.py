"""Who gets an answer: nobody who should is left out without a word, and never the agent itself."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.sending import ReplyRequest, SendOptions, SendResultView
from e2a_core.errors import InvalidRecipient, TooManyRecipients
from tests.engine.mailbox import all_mail, arrived
from tests.support.home import ASSISTANT, Home

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("who is answered does not depend on the door")]

ALICE, BOB, CAROL = "alice@example.org", "bob@example.net", "carol@example.net"
TAGGED = "assistant+news@agents.example"
HELD = f"ASSISTANT@Agents.Example, {TAGGED}, Me <{ASSISTANT}>"


async def answered(
    home: Home, agent: Session, headers: dict[str, str], *, to: str = ASSISTANT, **members: object
) -> tuple[SendResultView, MessageView]:
    content = {"Message-ID": "<m@example.org>", "From": f"Alice <{ALICE}>", "Subject": "Plan", **headers}
    raw = "".join(f"{name}: {value}\r\n" for name, value in content.items()) + "\r\nHello.\r\n"
    assert (await home.deliver(raw.encode(), to=to)).accepted
    request = ReplyRequest.model_validate({"text": "Yes.", **members})
    parent = await arrived(agent)
    result = await agent.messages.reply(ASSISTANT, parent.id, request, SendOptions(wait="sent"))
    return result, await agent.messages.get(ASSISTANT, result.message_id)


EVERYONE = {
    "other spellings of us": ({"To": HELD, "Cc": BOB}, [ALICE], [BOB]),
    "us alone": ({"To": ASSISTANT}, [ALICE], []),
    "us in Cc": ({"To": BOB, "Cc": HELD}, [ALICE], [BOB]),
    "quoted local part": ({"To": f'"assistant"@agents.example, {BOB}'}, [ALICE], [BOB]),
    "repeats": ({"To": f"{BOB}, BOB@Example.NET", "Cc": f"{BOB}, {ALICE}, {CAROL}"}, [ALICE], [BOB, CAROL]),
    "a domain spelled in two ways": (
        {"To": "=?utf-8?q?B=C3=BC?= <b@xn--bcher-kva.example>", "Cc": "b@bücher.example"},
        [ALICE],
        ["b@xn--bcher-kva.example"],
    ),
    "a group": ({"To": f"Team: {BOB}, Carol <{CAROL}>;, {ASSISTANT}"}, [ALICE], [BOB, CAROL]),
    "a group with a comma in a name": ({"To": f'Team: "B, Bob" <{BOB}>, {ASSISTANT};'}, [ALICE], [BOB]),
    "an empty group": ({"To": "undisclosed-recipients:;", "Cc": CAROL}, [ALICE], [CAROL]),
    "semicolons": ({"To": f"{BOB}; {CAROL}; {ASSISTANT}"}, [ALICE], [BOB, CAROL]),
    "several fields": ({"To": BOB, "cc": CAROL, "Cc": ASSISTANT}, [ALICE], [BOB, CAROL]),
    "Reply-To elsewhere": (
        {"To": f"{ASSISTANT}, {BOB}", "Reply-To": "desk@example.org"},
        ["desk@example.org"],
        [BOB],
    ),
    "Reply-To and From": ({"Reply-To": f"{ALICE}, {BOB}", "To": ASSISTANT}, [ALICE, BOB], []),
    "Reply-To is a group": ({"Reply-To": f"Desk: {BOB}, {CAROL};"}, [BOB, CAROL], []),
    "Reply-To is an empty group": ({"Reply-To": "Desk:;", "Cc": CAROL}, [ALICE], [CAROL]),
    "Reply-To is us": ({"Reply-To": ASSISTANT, "To": BOB}, [ALICE], [BOB]),
    "Reply-To is us in capitals": ({"Reply-To": f"Me <{ASSISTANT.upper()}>"}, [ALICE], []),
    "Reply-To is us with a tag": ({"Reply-To": TAGGED}, [ALICE], []),
    "Reply-To is us twice": ({"Reply-To": HELD}, [ALICE], []),
    "Reply-To is us and another": ({"Reply-To": f"{ASSISTANT}, {BOB}"}, [BOB], []),
    "Reply-To is no address": ({"Reply-To": "nobody at all"}, [ALICE], []),
    "no From": ({"From": "Newsletter", "To": f"{ASSISTANT}, {BOB}"}, [BOB], []),
    "no From, and Reply-To is us": (
        {"From": "?", "Reply-To": ASSISTANT, "Cc": f"{BOB}, {CAROL}"},
        [BOB, CAROL],
        [],
    ),
}


@pytest.mark.parametrize("kind", EVERYONE)
async def test_everyone_is_answered_but_not_the_agent(home: Home, agent: Session, kind: str) -> None:
    headers, to, cc = EVERYONE[kind]
    _, sent = await answered(home, agent, headers, to=TAGGED, reply_all=True)
    assert (sent.to, sent.cc) == (to, cc)


async def test_without_anybody_to_answer_nothing_is_sent(home: Home, agent: Session) -> None:
    for headers in ({"From": "Newsletter"}, {"From": "?", "Reply-To": ASSISTANT}):
        with pytest.raises(InvalidRecipient, match="no address to reply to"):
            await answered(home, agent, headers)
    assert all(item.direction == "inbound" for item in await all_mail(agent))


FAULTY = "Ann Example, (nobody), dan@, <eve at example.org>"
UNREADABLE = {
    "To": ({"To": f"{BOB}, {FAULTY}, {ASSISTANT}"}, 4),
    "Cc": ({"To": ASSISTANT, "Cc": f"{BOB}, Ann <ann>"}, 1),
    "nothing else": ({"To": "Ann Example"}, 1),
    "encoded": ({"To": f"{BOB}, =?utf-8?B?QW5uIFfDvHN0?="}, 1),
    "undisclosed": ({"To": "undisclosed-recipients:;"}, 0),
    "a list that says so": ({"To": "Undisclosed recipients"}, 0),
    "all can be read": ({"To": f"{BOB}, Lee, Ann <ann@example.org>"}, 0),
    "Reply-To": ({"Reply-To": f"{BOB}, Desk <desk>"}, 1),
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_what_is_no_address_is_named(home: Home, agent: Session, kind: str) -> None:
    headers, count = UNREADABLE[kind]
    result, sent = await answered(home, agent, headers, reply_all=True)
    assert len(result.not_addressed or []) == count
    fields = tuple(f"{name}: " for name in headers)
    assert all(entry.startswith(fields) for entry in result.not_addressed or [])
    assert sent.to


async def test_an_answer_to_one_names_the_faults_of_reply_to_alone(home: Home, agent: Session) -> None:
    faults = {"To": f"{ASSISTANT}, Ann Example", "Reply-To": f"{BOB}, Desk <desk>"}
    result, sent = await answered(home, agent, faults)
    assert (sent.to, result.not_addressed) == ([BOB], ["Reply-To: Desk <desk>"])
    result, _ = await answered(home, agent, {"To": "Ann Example"})
    assert result.not_addressed is None


async def test_a_repeated_answer_names_them_again(home: Home, agent: Session) -> None:
    raw = f"From: {ALICE}\r\nTo: {ASSISTANT}, Ann Example\r\nMessage-ID: <a@x.example>\r\n\r\nHi\r\n"
    assert (await home.deliver(raw.encode())).accepted
    parent = (await arrived(agent)).id
    request, options = ReplyRequest(text="Yes.", reply_all=True), SendOptions(idempotency_key="once")
    first = await agent.messages.reply(ASSISTANT, parent, request, options)
    again = await agent.messages.reply(ASSISTANT, parent, request, options)
    assert first.message_id == again.message_id
    assert first.not_addressed == again.not_addressed == ["To: Ann Example"]


async def test_many_who_can_be_read_and_some_who_cannot(home: Home, agent: Session) -> None:
    people = [f"Person {number} <p{number}@example.net>" for number in range(100)]
    faults = ["Ann Example", "Dan <dan>", "eve@"]
    headers = {"To": ",\r\n ".join([*people[:40], *faults, *people[40:]])}
    with pytest.raises(TooManyRecipients, match=r"at most 50 recipients, this one has 101; nothing was sent"):
        await answered(home, agent, headers, reply_all=True)
    shown = await arrived(agent)
    assert len(shown.to) == 100
    assert shown.parsed is not None
    assert [entry.partition(":")[0] for entry in shown.parsed.unreadable_addresses or []] == ["To"] * 3
    result, sent = await answered(home, agent, headers)
    assert (sent.to, sent.cc, result.not_addressed) == ([ALICE], [], None)
    headers = {"To": ",\r\n ".join([*people[:45], *faults])}
    result, sent = await answered(home, agent, headers, reply_all=True)
    assert len(sent.cc) == 45
    assert len(result.not_addressed or []) == 3


async def test_entries_beyond_the_cap_are_counted(home: Home, agent: Session) -> None:
    headers = {"To": ", ".join([BOB, *(f"<nobody {number}>" for number in range(30))])}
    result, _ = await answered(home, agent, headers, reply_all=True)
    named = result.not_addressed or []
    assert (len(named), named[-1]) == (21, "and 10 more")
