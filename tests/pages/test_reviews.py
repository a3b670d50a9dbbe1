"""The queue and the pages of held mail: decided from what was shown, once, by who may."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.contract.sending import ReplyRequest, SendOptions
from tests.engine.mailbox import arrived, protect, send
from tests.pages.held import HOLD_ALL, held_draft, held_mail, status
from tests.pages.people import Visitor, fields_of
from tests.support.home import ASSISTANT, Home
from tests.support.home import stranger as make_stranger
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


async def test_an_empty_queue_says_so(visitor: Visitor) -> None:
    assert "Nothing waits for you" in await visitor.read("/reviews")


async def test_a_draft_is_shown_and_approved(visitor: Visitor, owner: Session, agent: Session) -> None:
    held = await held_draft(
        owner,
        agent,
        to=["Bob <bob@example.org>"],
        bcc=["dan@example.org"],
        subject="Invoice <1187>",
        text="Dear Bob,\n\nplease pay & reply.",
        attachments=[{"filename": "bill.txt", "content_type": "text/plain", "data": "aGVsbG8="}],
    )
    queue = await visitor.read("/reviews")
    for words in (
        "assistant@",
        "wants to write to",
        "Bob &lt;bob@example.org",
        "Invoice &lt;1187&gt;",
        "rejected <time",
    ):
        assert words in queue
    page = await visitor.read(f"/reviews/{held}")
    for words in (
        "dan@example.org · hidden from the others",
        "A recipient is not one this agent may write to without review.</strong> "
        "bob@example.org and dan@example.org are not on the allowlist.",
        "please pay &amp; reply.",
        "it is rejected and not sent",
        "as soon as you approve",
        "bill.txt · 5 bytes",
    ):
        assert words in page
    file = await visitor.get(f"/reviews/{held}/files/0")
    assert (file.content, file.headers["content-disposition"]) == (
        b"hello",
        'attachment; filename="bill.txt"',
    )
    assert "sandbox" in file.headers["content-security-policy"]
    answer = await visitor.submit(f"/reviews/{held}", f"/reviews/{held}/approve")
    assert (answer.status_code, answer.headers["location"]) == (303, "/reviews?said=approved-sent")
    said = await visitor.read("/reviews?said=approved-sent")
    assert "Approved. In the sandbox, mail to other hosts is captured and not sent." in said
    assert await status(owner, held) == "sent"
    decided = await visitor.read(f"/reviews/{held}")
    assert "It was approved." in decided
    assert f"/reviews/{held}/approve" not in decided


async def test_a_draft_is_rejected_with_a_reason(visitor: Visitor, owner: Session, agent: Session) -> None:
    held = await held_draft(owner, agent)
    answer = await visitor.submit(f"/reviews/{held}", f"/reviews/{held}/reject", reason=" Too blunt. ")
    assert answer.headers["location"] == "/reviews?said=rejected"
    view = await owner.reviews.get(held)
    assert (view.review_status, view.rejection_reason) == ("review_rejected", "Too blunt.")


async def test_an_edit_is_shown_before_it_is_approved(
    visitor: Visitor, owner: Session, agent: Session
) -> None:
    held = await held_draft(
        owner, agent, text="Dear Bob,\nit is 10 EUR.\nBye", html="<p>Dear Bob, it is 10 EUR. Bye</p>"
    )
    form = fields_of(await visitor.read(f"/reviews/{held}/edit"), f"/reviews/{held}/edit")
    given = {
        **form,
        "to": "bob@example.org\r\ncarol@example.org",
        "cc": "",
        "bcc": "",
        "subject": "Hi",
        "text": "Dear Bob,\r\nit is 12 EUR.\r\nBye",
        "html": "<p>Dear Bob, it is 10 EUR. Bye</p>",
    }
    preview = await visitor.post(f"/reviews/{held}/edit", given)
    assert preview.status_code == 200
    assert "<del>it is 10 EUR.</del><ins>it is 12 EUR.</ins>" in preview.text
    assert "<ins>carol@example.org</ins>" in preview.text
    assert "The HTML still says what the agent wrote" in preview.text
    assert await status(owner, held) == "pending_review"
    preview = await visitor.post(f"/reviews/{held}/edit", {**given, "drop_html": "yes"})
    fields = fields_of(preview.text, f"/reviews/{held}/approve")
    edits = {"to": given["to"], "text": given["text"], "html": ""}
    for name in edits:
        assert f'name="{name}"' in preview.text
    answer = await visitor.post(f"/reviews/{held}/approve", {**fields, **edits})
    assert answer.headers["location"] == "/reviews?said=approved-sent"
    sent = await owner.messages.get(ASSISTANT, held)
    assert sent.to == ["bob@example.org", "carol@example.org"]
    assert sent.parsed is not None
    assert "12 EUR" in sent.parsed.text
    assert not sent.parsed.html


async def test_received_mail_is_let_in(visitor: Visitor, home: Home, owner: Session, agent: Session) -> None:
    held = await held_mail(home, owner, subject="Change of bank details", text="Pay here.")
    queue = await visitor.read("/reviews")
    assert "received from" in queue
    assert "alice@example.org is not on the allowlist." in queue
    page = await visitor.read(f"/reviews/{held}")
    assert "Let it in" in page
    assert "the agent never sees it" in page
    assert f"/reviews/{held}/edit" not in page
    assert (await visitor.get(f"/reviews/{held}/edit")).status_code == 409
    answer = await visitor.submit(f"/reviews/{held}", f"/reviews/{held}/approve")
    assert answer.headers["location"] == "/reviews?said=approved-inbound"
    assert (await agent.messages.get(ASSISTANT, held, peek=True)).subject == "Change of bank details"


async def test_what_a_draft_answers_is_shown(
    visitor: Visitor, home: Home, owner: Session, agent: Session
) -> None:
    await home.deliver(subject="Where is it?", text="We cannot find your invoice.")
    first = await arrived(agent)
    await protect(owner, outbound=HOLD_ALL)
    request = ReplyRequest(text="Here it is.", cc=["cfo@example.org"])
    held = (await agent.messages.reply(ASSISTANT, first.id, request, SendOptions())).message_id
    assert "wants to answer" in await visitor.read("/reviews")
    page = await visitor.read(f"/reviews/{held}")
    assert "What it answers" in page
    assert "We cannot find your invoice." in page
    assert "cfo@example.org · new in this thread" in page
    assert "alice@example.org · new" not in page


async def test_html_that_differs_stands_beside_the_text(
    visitor: Visitor, owner: Session, agent: Session
) -> None:
    held = await held_draft(
        owner,
        agent,
        text="The price is 10 EUR.",
        html='<p>The price is 99 EUR. <a href="https://evil.example/pay">www.bank.example</a></p>',
    )
    page = await visitor.read(f"/reviews/{held}")
    assert "The HTML says something else than the text" in page
    assert "another host than it shows" in page
    assert f'<iframe class="mail" src="/reviews/{held}/html" sandbox ' in page
    frame = await visitor.get(f"/reviews/{held}/html")
    assert "99 EUR" in frame.text
    assert "evil.example" not in frame.text
    policy = frame.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:;")
    assert "frame-ancestors 'self'" in policy


@pytest.mark.parametrize("action", ["approve", "reject"])
async def test_a_decision_that_comes_late_does_nothing(
    visitor: Visitor, owner: Session, agent: Session, action: str
) -> None:
    held = await held_draft(owner, agent)
    fields = fields_of(await visitor.read(f"/reviews/{held}"), f"/reviews/{held}/{action}")
    changed = await visitor.post(f"/reviews/{held}/{action}", {**fields, "content_hash": "0" * 64})
    assert (changed.status_code, "The draft changed" in changed.text) == (409, True)
    assert await status(owner, held) == "pending_review"
    without = await visitor.post(f"/reviews/{held}/{action}", {"proof": fields["proof"]})
    assert without.status_code == 400
    assert await status(owner, held) == "pending_review"
    await owner.reviews.approve(held, ApproveRequest())
    late = await visitor.post(f"/reviews/{held}/{action}", fields)
    assert (late.status_code, "Somebody decided before you." in late.text) == (409, True)
    assert await status(owner, held) == "sent"


async def test_of_many_decisions_at_once_one_counts(visitor: Visitor, owner: Session, agent: Session) -> None:
    held = await held_draft(owner, agent)
    fields = fields_of(await visitor.read(f"/reviews/{held}"), f"/reviews/{held}/approve")
    answers = await asyncio.gather(
        *(visitor.post(f"/reviews/{held}/{action}", fields) for action in ("approve", "reject") * 3)
    )
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * 5


async def test_a_hold_that_expired_says_so(
    visitor: Visitor, home: Home, owner: Session, agent: Session
) -> None:
    held = await held_draft(owner, agent)
    fields = fields_of(await visitor.read(f"/reviews/{held}"), f"/reviews/{held}/approve")
    view = await owner.reviews.get(held)
    assert view.approval_expires_at is not None
    await home.advance(seconds=(view.approval_expires_at - home.clock.now()).total_seconds() + 1)

    async def ended() -> bool:
        return await status(owner, held) != "pending_review"

    await until(ended)
    await visitor.sign_in()
    page = await visitor.read(f"/reviews/{held}")
    assert "Nobody decided in time, so it was rejected." in page
    late = await visitor.post(f"/reviews/{held}/approve", {**fields, **fields_of(page, "/sign-out")})
    assert late.status_code == 409


async def test_several_are_decided_from_what_was_shown(
    visitor: Visitor, owner: Session, agent: Session
) -> None:
    held = [
        await held_draft(owner, agent, subject=f"No {number}", text=f"Text {number}") for number in range(4)
    ]
    page = await visitor.read("/reviews")
    proof = fields_of(page, "/reviews/ask")
    asked = await visitor.post("/reviews/ask", {**proof, "action": "approve", "message": held[:3]})
    assert asked.status_code == 200
    assert "Approve 3 messages?" in asked.text
    assert [await status(owner, item) for item in held] == ["pending_review"] * 4
    hashes = {item: (await owner.reviews.get(item)).content_hash for item in held}
    for item in held[:3]:
        assert f'value="{item} {hashes[item]}"' in asked.text
    await owner.reviews.approve(held[0], ApproveRequest())
    entries = [f"{item} {hashes[item]}" for item in held[:2]] + [f"{held[2]} {'0' * 64}", held[3]]
    done = await visitor.post("/reviews/decide", {**proof, "action": "approve", "message": entries})
    assert (done.status_code, "1 message approved, 3 not" in done.text) == (409, True)
    assert [await status(owner, item) for item in held] == [
        "sent",
        "sent",
        "pending_review",
        "pending_review",
    ]
    entries = [f"{item} {hashes[item]}" for item in held[2:]]
    fields = {**proof, "action": "reject", "message": entries, "reason": "No"}
    done = await visitor.post("/reviews/decide", fields)
    assert done.headers["location"] == "/reviews?said=rejected"
    assert [(await owner.reviews.get(item)).rejection_reason for item in held[2:]] == ["No", "No"]


@pytest.mark.parametrize(
    ("fields", "expected"), [({}, 400), ({"action": "send"}, 400), ({"action": "approve"}, 400)]
)
async def test_a_form_that_says_nothing_decides_nothing(
    visitor: Visitor, fields: dict[str, str], expected: int
) -> None:
    proof = fields_of(await visitor.read("/"), "/sign-out")
    assert (await visitor.post("/reviews/ask", {**proof, **fields})).status_code == expected


async def test_a_viewer_looks_and_a_reviewer_decides(
    home: Home, url: str, owner: Session, agent: Session
) -> None:
    held = await held_draft(owner, agent)
    async with Visitor(home, url) as viewer:
        await viewer.sign_in("viewer", "vera@example.org")
        page = await viewer.read(f"/reviews/{held}")
        assert "may look and not decide" in page
        hash_ = (await owner.reviews.get(held)).content_hash
        fields = {**fields_of(page, "/sign-out"), "content_hash": str(hash_)}
        for action in ("approve", "reject"):
            answer = await viewer.post(f"/reviews/{held}/{action}", fields)
            assert (answer.status_code, "viewer" in answer.text) == (403, True)
        bulk = {**fields, "action": "approve", "message": f"{held} {hash_}"}
        assert (await viewer.post("/reviews/decide", bulk)).status_code == 403
        assert await status(owner, held) == "pending_review"
        assert "checkbox" not in await viewer.read("/reviews")
    async with Visitor(home, url) as reviewer:
        await reviewer.sign_in("reviewer", "rita@example.org")
        answer = await reviewer.submit(f"/reviews/{held}", f"/reviews/{held}/approve")
        assert answer.status_code == 303
    assert await status(owner, held) == "sent"


async def test_nobody_sees_what_another_account_holds(
    home: Home, url: str, owner: Session, agent: Session, stranger: httpx.AsyncClient
) -> None:
    held = await held_draft(owner, agent)
    key = await make_stranger(home, "other@agents.example")
    entered = await stranger.post("/sign-in", data={"key": key}, headers={"Origin": url})
    assert entered.status_code == 303
    for path in ("", "/html", "/text", "/files/0", "/edit"):
        assert (await stranger.get(f"/reviews/{held}{path}")).status_code == 404
    assert held not in (await stranger.get("/reviews")).text


async def test_the_queue_is_told_apart_from_one_before(
    visitor: Visitor, owner: Session, agent: Session
) -> None:
    await held_draft(owner, agent, subject="One", text="1")
    page = await visitor.read("/reviews")
    part = await visitor.get("/reviews/list")
    assert f'data-version="{part.headers["x-list"]}"' in page
    await held_draft(owner, agent, subject="Two", text="2")
    assert (await visitor.get("/reviews/list")).headers["x-list"] != part.headers["x-list"]
    assert "<html" not in part.text


async def test_a_long_queue_has_pages(visitor: Visitor, owner: Session, agent: Session) -> None:
    await protect(owner, outbound=HOLD_ALL)
    for number in range(19):
        await send(agent, subject="Subject " * 20 + str(number), text=str(number))
    first = await visitor.get("/reviews")
    assert len(first.content) < 50_000
    assert first.text.count("data-item") == 15
    following = first.text.partition('rel="next" href="')[2].partition('"')[0]
    second = await visitor.read(following)
    assert second.count("data-item") == 4
    assert "data-quiet" not in second


async def test_long_bodies_are_cut_and_told_so(visitor: Visitor, owner: Session, agent: Session) -> None:
    text = "<&>\"'" * 40_000
    held = await held_draft(owner, agent, text=text, html=f"<p>{'x' * 100_000}</p>")
    page = await visitor.get(f"/reviews/{held}")
    assert len(page.content) < 50_000
    assert "Only the beginning is shown" in page.text
    assert text in (await visitor.get(f"/reviews/{held}/text")).text
    edit = await visitor.get(f"/reviews/{held}/edit")
    assert (len(edit.content) < 50_000, "too long to change here" in edit.text) == (True, True)


async def test_a_pause_stands_on_the_page(visitor: Visitor, owner: Session, agent: Session) -> None:
    held = await held_draft(owner, agent)
    await owner.account.pause()
    page = await visitor.read(f"/reviews/{held}")
    assert "All sending is paused" in page
    answer = await visitor.submit(f"/reviews/{held}", f"/reviews/{held}/approve")
    assert answer.status_code == 409
    assert await status(owner, held) == "pending_review"


async def test_the_worst_draft_fits_a_page(visitor: Visitor, owner: Session, agent: Session) -> None:
    link = '<a href="https://' + "a" * 60 + ".example/" + "&amp;" * 300 + '">' + "&lt;" * 300 + "</a>"
    held = await held_draft(
        owner,
        agent,
        to=[f'"{"<>&" * 40}" <{"a" * 60}{number}@{"b" * 60}.example>' for number in range(50)],
        subject="<&>" * 300,
        text="<&>" * 20_000,
        html=f"<p>{'<b>&lt;</b>' * 5_000}{link * 50}</p>",
        attachments=[
            {"filename": "&" * 250 + f"{number}.txt", "content_type": "text/plain", "data": "YQ=="}
            for number in range(10)
        ],
    )
    for path in (f"/reviews/{held}", f"/reviews/{held}/edit", "/reviews"):
        answer = await visitor.get(path)
        assert (answer.status_code, len(answer.content) < 50_000) == (200, True), (path, len(answer.content))
