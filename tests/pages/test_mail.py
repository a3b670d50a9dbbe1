"""Mail on the pages: lists, threads, one message with its parts, and what can be done with it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import UpdateMessageRequest
from tests.engine.mailbox import all_mail, arrived, inbox, protect, send
from tests.pages.held import HOLD_ALL, held_draft
from tests.pages.people import Visitor, fields_of
from tests.support.home import ASSISTANT, Home

pytestmark = [pytest.mark.anyio, pytest.mark.local_only]

BOX = f"/mail/{ASSISTANT}"
MIXED = (
    b"--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n"
    b"--y\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPlain words.\r\n"
    b"--y\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Plain words.</p><script>alert(1)</script>"
    b'<img src="https://tracker.example/p.gif">\r\n--y--\r\n'
    b'--x\r\nContent-Type: text/html; name="<b>.html"\r\nContent-Disposition: attachment; filename="a b.html"\r\n\r\n'
    b"<script>alert(2)</script>\r\n--x--\r\n"
)
HOSTILE = "<script>alert('x')</script>\u202etxt.exe\u200b&amp;"


async def received(home: Home, session: Session, **parts: Any) -> str:
    assert (await home.deliver(**parts)).accepted
    return (await arrived(session)).id


async def test_inboxes_and_an_empty_one(visitor: Visitor) -> None:
    page = await visitor.read("/mail")
    assert f'href="{BOX}"' in page
    for folder in ("threads", "received", "unread", "sent", "waiting", "trash"):
        assert 'class="card empty"' in await visitor.read(f"{BOX}?show={folder}")
    assert (await visitor.get("/mail/nobody@agents.example")).status_code == 404


async def test_reading_on_the_page_leaves_mail_unread_for_the_agent(
    visitor: Visitor, home: Home, owner: Session
) -> None:
    headers = {"Content-Type": "multipart/mixed; boundary=x"}
    found = await received(home, owner, subject="Lunch?", headers=headers, body=MIXED)
    view = await arrived(owner)
    path = f"{BOX}/messages/{found}"
    for part in ("", "/html", "/text", "/source", "/source?save=1", "/files/0"):
        assert (await visitor.get(path + part)).status_code == 200, part
    for listed in (BOX, f"{BOX}?show=unread", f"{BOX}/thread?id={view.thread_id}"):
        assert "Lunch?" in await visitor.read(listed)
    assert [item.id for item in await inbox(owner)] == [found]
    await visitor.submit(path, f"{path}/mark")
    assert await inbox(owner) == []
    await visitor.submit(path, f"{path}/mark")
    assert [item.id for item in await inbox(owner)] == [found]


async def test_a_message_with_its_parts(visitor: Visitor, home: Home, owner: Session) -> None:
    headers = {"Content-Type": "multipart/mixed; boundary=x"}
    found = await received(home, owner, subject="Parts", headers=headers, body=MIXED)
    page = await visitor.read(f"{BOX}/messages/{found}")
    for words in (
        "Plain words.",
        "Alice &lt;alice@example.org&gt;",
        "verified",
        "DMARC",
        "a b.html",
        "What happened to it",
    ):
        assert words in page, words
    frame = await visitor.get(f"{BOX}/messages/{found}/html")
    assert "sandbox" in frame.headers["content-security-policy"]
    assert "tracker.example" not in frame.text
    assert "alert" not in frame.text
    file = await visitor.get(f"{BOX}/messages/{found}/files/0")
    assert file.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in file.headers["content-security-policy"]
    source = await visitor.get(f"{BOX}/messages/{found}/source")
    assert source.headers["content-type"].startswith("text/plain")
    assert "alert(1)" in source.text
    for number in ("9", "-1", "x", "99999999999"):
        assert (await visitor.get(f"{BOX}/messages/{found}/files/{number}")).status_code == 404


async def test_hostile_words_hide_nothing(visitor: Visitor, home: Home, owner: Session) -> None:
    subject = f"=?utf-8?q?{''.join(f'={octet:02X}' for octet in HOSTILE.encode())}?="
    found = await received(
        home, owner, subject=subject, text=HOSTILE, sender=f'"{subject}" <alice@example.org>'
    )
    view = await arrived(owner)
    pages = (
        BOX,
        f"{BOX}?show=received",
        f"{BOX}/messages/{found}",
        f"{BOX}/thread?id={view.thread_id}",
    )
    for path in (*pages, f"{BOX}/messages/{found}/reply", f"{BOX}?q={'%3Cscript%3E'}"):
        page = await visitor.read(path)
        assert "<script>alert" not in page, path
        assert "\u202e" not in page, path
    for path in pages:
        assert "[U+202E]" in await visitor.read(path), path


async def test_search_and_labels(visitor: Visitor, home: Home, owner: Session) -> None:
    first = await received(home, owner, subject="The zebra")
    await received(home, owner, subject="The horse")
    page = await visitor.read(f"{BOX}?q=zebra")
    assert "The zebra" in page
    assert "The horse" not in page
    assert "Nothing found" in await visitor.read(f"{BOX}?q=unicorn")
    path = f"{BOX}/messages/{first}"
    answer = await visitor.submit(path, f"{path}/labels", labels="urgent, later")
    assert answer.headers["location"] == f"{path}?said=labelled"
    assert "The zebra" in await visitor.read(f"{BOX}?label=urgent")
    await visitor.submit(path, f"{path}/labels", remove=["later"], labels="")
    assert (await owner.messages.get(ASSISTANT, first, peek=True)).labels == ["urgent"]
    refused = await visitor.submit(path, f"{path}/labels", labels="e2a:mine")
    assert refused.status_code == 400
    assert "the server" in refused.text
    assert (await visitor.get(f"{BOX}?label=%22%3E")).status_code == 400


async def test_trash_and_back(visitor: Visitor, home: Home, owner: Session) -> None:
    found = await received(home, owner, subject="Old news")
    path = f"{BOX}/messages/{found}"
    assert "said=trashed" in (await visitor.submit(path, f"{path}/trash")).headers["location"]
    assert "Old news" not in await visitor.read(f"{BOX}?show=received")
    assert "Old news" in await visitor.read(f"{BOX}?show=trash")
    assert f"{path}/labels" not in await visitor.read(path)
    await visitor.submit(path, f"{path}/restore")
    assert "Old news" in await visitor.read(f"{BOX}?show=received")
    await visitor.submit(path, f"{path}/trash")
    await visitor.submit(path, f"{path}/erase")
    assert (await visitor.get(path)).status_code == 404


async def test_writing_as_the_agent(visitor: Visitor, owner: Session) -> None:
    fields = {
        "to": 'Bob <bob@example.org>, "Keller, Ann" <ann@example.org>',
        "cc": "",
        "subject": "Hi",
        "text": "One\r\nTwo",
    }
    hidden = fields_of(await visitor.read(f"{BOX}/compose"), f"{BOX}/compose")
    answers = [await visitor.post(f"{BOX}/compose", {**hidden, **fields}) for _ in range(2)]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert "said=kept" in answers[0].headers["location"]
    [sent] = await all_mail(owner)
    view = await owner.messages.get(ASSISTANT, sent.id)
    assert [item.rpartition("<")[2].rstrip(">") for item in view.to] == ["bob@example.org", "ann@example.org"]
    assert (view.subject, view.parsed.text if view.parsed else "") == ("Hi", "One\nTwo")
    assert "Kept in the sandbox" in await visitor.read(f"{BOX}/messages/{sent.id}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"to": "", "text": "x"}, "body"),
        ({"to": "not an address", "text": "x"}, "not an address"),
        ({"to": "bob@example.org", "text": "keep <me>", "send_at": "yesterdayish"}, "keep &lt;me&gt;"),
        ({"to": "bob@example.org", "text": ""}, "text"),
    ],
)
async def test_a_form_that_is_not_accepted_keeps_what_was_written(
    visitor: Visitor, owner: Session, fields: dict[str, str], words: str
) -> None:
    answer = await visitor.submit(f"{BOX}/compose", f"{BOX}/compose", **fields)
    assert 400 <= answer.status_code < 500
    assert 'role="alert"' in answer.text
    assert words in answer.text
    assert await all_mail(owner) == []


async def test_an_answer_stays_in_its_thread(visitor: Visitor, home: Home, owner: Session) -> None:
    found = await received(home, owner, subject="Question", text="What now?")
    path = f"{BOX}/messages/{found}/reply"
    await visitor.submit(path, path, text="This.", quote="yes")
    asked, answer = await all_mail(owner)
    assert (answer.subject, answer.thread_id) == ("Re: Question", asked.thread_id)
    assert asked.read_status == "unread"
    whole = await visitor.read(f"{BOX}/thread?id={asked.thread_id}")
    assert "What now?" in whole
    assert "This." in whole
    forward = f"{BOX}/messages/{found}/forward"
    await visitor.submit(forward, forward, text="See below.", to="carl@example.org")
    assert (await all_mail(owner))[-1].to == ["carl@example.org"]


async def test_held_and_scheduled_mail_is_called_off(
    visitor: Visitor, home: Home, owner: Session, agent: Session
) -> None:
    later = (
        await send(agent, subject="Later", send_at=(home.clock.now() + timedelta(days=2)).isoformat())
    ).message_id
    held = await held_draft(owner, agent, subject="Careful")
    page = await visitor.read(f"{BOX}?show=waiting")
    assert "held for review" in page
    assert "scheduled" in page
    assert f"/reviews/{held}" in await visitor.read(f"{BOX}/messages/{held}")
    for message_id in (later, held):
        path = f"{BOX}/messages/{message_id}"
        assert "Call off" in await visitor.read(path)
        assert "said=called-off" in (await visitor.submit(path, f"{path}/trash")).headers["location"]
    assert 'class="card empty"' in await visitor.read(f"{BOX}?show=waiting")


async def test_a_draft_of_a_person_is_held_too_and_says_so(visitor: Visitor, owner: Session) -> None:
    await protect(owner, outbound=HOLD_ALL)
    answer = await visitor.submit(
        f"{BOX}/compose", f"{BOX}/compose", to="bob@example.org", subject="x", text="x"
    )
    assert "said=held" in answer.headers["location"]
    assert "Protection holds it" in await visitor.read(answer.headers["location"])


async def test_lists_go_on_with_a_cursor(visitor: Visitor, agent: Session) -> None:
    for number in range(43):
        await send(agent, subject=f"Number {number}.", conversation_id=f"c/{number}")
    for folder in ("sent", "threads"):
        first = await visitor.read(f"{BOX}?show={folder}")
        [following] = re.findall(r'rel="next" href="([^"]+)"', first)
        rest = await visitor.read(following.replace("&amp;", "&"))
        seen = re.findall(r"Number (\d+)\.", first) + re.findall(r"Number (\d+)\.", rest)
        assert sorted(map(int, seen)) == list(range(43))
        assert (await visitor.get(f"{BOX}?show={folder}&cursor=x")).status_code == 400
    assert "Number 7." in await visitor.read(f"{BOX}/thread?id=c/7")


async def test_who_may_only_read_finds_no_form(home: Home, url: str, owner: Session) -> None:
    found = await received(home, owner, subject="Look")
    async with Visitor(home, url) as person:
        await person.sign_in("viewer", "rita@example.org")
        for path in (BOX, f"{BOX}/messages/{found}", f"{BOX}/compose", f"{BOX}/messages/{found}/reply"):
            page = await person.read(path)
            assert set(re.findall(r'method="post" action="([^"]+)"', page)) == {"/sign-out"}, path
    assert [item.id for item in await inbox(owner)] == [found]


async def test_an_explicit_mark_counts_at_every_door(home: Home, owner: Session) -> None:
    found = await received(home, owner)
    await owner.messages.update(ASSISTANT, found, UpdateMessageRequest(read_status="read"))
    assert await inbox(owner) == []
