"""Files on the pages: told with their sizes, kept while a form is corrected, sent; and those of a held draft."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import unescape

import httpx
import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.limits import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.contract.sending import Attachment, ForwardRequest, SendOptions
from e2a_core.erasure.expired import purge_orphans
from e2a_core.messages.uploads import safe_file_name
from tests.engine.mailbox import all_mail, protect
from tests.pages.held import HOLD_ALL, held_draft, status
from tests.pages.people import Visitor, fields_of
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio

COMPOSE = f"/mail/{ASSISTANT}/compose"
Given = tuple[str, bytes, str]
LETTER = {"to": "bob@example.org", "subject": "Offer", "text": "Here it is."}
BILL: Given = ("bill.txt", b"120 EUR", "text/plain")
PLAN: Given = ("plan.pdf", b"%PDF-1.7", "application/pdf")


async def attach(
    visitor: Visitor, page: str, action: str, fields: Mapping[str, str | Sequence[str]], *files: Given
) -> httpx.Response:
    """Posts the form of a page as a browser does that sends files."""
    hidden = fields_of(await visitor.read(page), action)
    sent = [("files", file) for file in files] or [("files", ("", b"", "application/octet-stream"))]
    return await visitor.client.post(action, data={**hidden, **fields}, files=sent, headers=visitor.origin)


def kept(page: str) -> list[str]:
    """The files that a form kept."""
    return re.findall(r'name="upload" value="([0-9a-f]{64})"', page)


async def sent_mail(owner: Session) -> MessageView:
    [item] = await all_mail(owner)
    return await owner.messages.get(ASSISTANT, item.id, peek=True)


async def contents(owner: Session, view: MessageView) -> dict[str, bytes]:
    found = {}
    for item in view.attachments:
        file = await owner.messages.attachment_content(ASSISTANT, view.id, item.index)
        found[str(item.filename)] = file.data
    return found


async def test_files_are_told_with_their_sum_and_then_sent(visitor: Visitor, owner: Session) -> None:
    form = await visitor.read(COMPOSE)
    assert 'enctype="multipart/form-data"' in form
    assert "At most 10 files of 10 MB each, 26 MB together." in form
    asked = await attach(visitor, COMPOSE, COMPOSE, LETTER, BILL, PLAN)
    assert asked.status_code == 200
    for words in (
        "Attached: 2 files, 15 bytes together.",
        "Nothing is sent yet",
        "bill.txt · 7 bytes",
        "Here it is.",
    ):
        assert words in asked.text, words
    assert await all_mail(owner) == []
    again = {**fields_of(asked.text, COMPOSE), **LETTER, "upload": kept(asked.text)}
    sent = await visitor.client.post(COMPOSE, data=again, headers=visitor.origin)
    assert sent.status_code == 303
    view = await sent_mail(owner)
    assert await contents(owner, view) == {"bill.txt": b"120 EUR", "plan.pdf": b"%PDF-1.7"}
    assert [item.content_type for item in view.attachments] == ["text/plain", "application/pdf"]
    # The same form again is the same message.
    assert (await visitor.client.post(COMPOSE, data=again, headers=visitor.origin)).status_code == 303
    assert len(await all_mail(owner)) == 1


async def test_a_script_that_told_the_sum_is_not_asked_again(visitor: Visitor, owner: Session) -> None:
    sent = await attach(visitor, COMPOSE, COMPOSE, {**LETTER, "told": "7"}, BILL)
    assert sent.status_code == 303
    assert await contents(owner, await sent_mail(owner)) == {"bill.txt": b"120 EUR"}


async def test_a_file_is_taken_away_and_another_added(visitor: Visitor, owner: Session) -> None:
    first = await attach(visitor, COMPOSE, COMPOSE, LETTER, BILL, PLAN)
    second = await attach(
        visitor,
        COMPOSE,
        COMPOSE,
        {**LETTER, "upload": kept(first.text)[:1]},
        ("more.csv", b"a,b", "text/csv"),
    )
    assert "Attached: 2 files, 10 bytes together." in second.text
    fields = {**LETTER, "upload": kept(second.text)}
    assert (await attach(visitor, COMPOSE, COMPOSE, fields)).status_code == 303
    assert set(await contents(owner, await sent_mail(owner))) == {"bill.txt", "more.csv"}


async def test_a_form_that_is_not_accepted_keeps_its_files(visitor: Visitor, owner: Session) -> None:
    wrong = await attach(visitor, COMPOSE, COMPOSE, {**LETTER, "to": "nobody", "told": "7"}, BILL)
    assert wrong.status_code == 400
    fields = {**LETTER, "upload": kept(wrong.text)}
    assert (await attach(visitor, COMPOSE, COMPOSE, fields)).status_code == 303
    assert await contents(owner, await sent_mail(owner)) == {"bill.txt": b"120 EUR"}


async def test_an_answer_and_a_forward_take_files_along(visitor: Visitor, home: Home, owner: Session) -> None:
    assert (await home.deliver(subject="Question")).accepted
    [received] = await all_mail(owner)
    for action, fields in (("reply", {"text": "Yes."}), ("forward", {"to": "dan@example.org"})):
        path = f"/mail/{ASSISTANT}/messages/{received.id}/{action}"
        sent = await attach(visitor, path, path, {**fields, "told": "7"}, BILL)
        assert sent.status_code == 303, sent.text
    outgoing = [item for item in await all_mail(owner) if item.direction == "outbound"]
    views = [await owner.messages.get(ASSISTANT, item.id, peek=True) for item in outgoing]
    assert [list(await contents(owner, view)) for view in views] == [["bill.txt"]] * 2


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([BILL] * (MAX_ATTACHMENTS + 1), "These are 11 files; at most 10 may go"),
        ([("big.bin", bytes(MAX_ATTACHMENT_BYTES + 1), "")], "“big.bin” has 10 MB; a file may have 10 MB"),
        ([("a.bin", bytes(9_000_000), "")] * 3, "The files have 27 MB together; at most 26 MB may go"),
    ],
    ids=["number", "one", "all"],
)
async def test_more_than_a_message_may_have_is_said(
    visitor: Visitor, owner: Session, files: list[Given], said: str
) -> None:
    answer = await attach(visitor, COMPOSE, COMPOSE, LETTER, *files)
    assert 400 <= answer.status_code < 500
    assert said in unescape(answer.text), answer.text[-3000:]
    assert await all_mail(owner) == []


async def test_files_are_for_their_person_and_for_an_hour(
    visitor: Visitor, home: Home, url: str, owner: Session
) -> None:
    upload = kept((await attach(visitor, COMPOSE, COMPOSE, LETTER, BILL)).text)
    async with Visitor(home, url) as other:
        await other.sign_in("owner", "olga@example.org")
        answer = await attach(other, COMPOSE, COMPOSE, {**LETTER, "upload": upload})
        assert (answer.status_code, "choose it again" in answer.text) == (400, True)
    for forged in ("0" * 64, "..", "0" * 10_000):
        answer = await attach(visitor, COMPOSE, COMPOSE, {**LETTER, "upload": [forged]})
        assert (answer.status_code, "choose it again" in answer.text) == (400, True)
    home.clock.advance(hours=2)
    assert await purge_orphans(home.local.core) == 1
    answer = await attach(visitor, COMPOSE, COMPOSE, {**LETTER, "upload": upload})
    assert (answer.status_code, "choose it again" in answer.text) == (400, True)
    assert await all_mail(owner) == []


async def test_who_may_not_write_leaves_no_file(home: Home, url: str, owner: Session, agent: Session) -> None:
    held = await held_draft(owner, agent)
    edit = f"/reviews/{held}/edit"
    async with Visitor(home, url) as viewer:
        await viewer.sign_in("viewer", "vera@example.org")
        proof = fields_of(await viewer.read("/"), "/sign-out")
        for path in (COMPOSE, edit):
            seen = str((await owner.reviews.get(held)).content_hash)
            fields = {**proof, **LETTER, "content_hash": seen}
            answer = await viewer.client.post(path, data=fields, files={"files": BILL}, headers=viewer.origin)
            assert (answer.status_code, "viewer may not" in answer.text) == (403, True)
    home.clock.advance(hours=2)
    assert await purge_orphans(home.local.core) == 0


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("C:\\Users\\ann\\Desktop\\report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("/etc/cron.d/job", "job"),
        ("..", "file"),
        ("", "file"),
        (".bashrc", "bashrc"),
        ("invoice\u202etxt.exe", "invoicetxt.exe"),
        ("a\r\nContent-Type: text/html\r\n\r\nb.txt", "htmlb.txt"),
        ("zero\u200bwidth.txt", "zerowidth.txt"),
        ("con:stream.txt", "con_stream.txt"),
        ('what? "quoted".doc', "what_ _quoted_.doc"),
        ("Zu\u0308rich.ods", "Zürich.ods"),
        ("请求.docx", "请求.docx"),
        ("trailing. . ", "trailing"),
        ("x" * 300 + ".tar.gz", "x" * 117 + ".gz"),
        ("y" * 300, "y" * 120),
    ],
)
def test_a_name_is_safe_to_send_on(given: str, safe: str) -> None:
    assert safe_file_name(given) == safe


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("text/plain; charset=x", "text/plain"),
        ("", "application/pdf"),
        ("multipart/mixed; boundary=x", "application/pdf"),
        ("no type\x7f", "application/pdf"),
    ],
)
async def test_a_type_is_one_that_a_mail_can_say(
    visitor: Visitor, owner: Session, given: str, kind: str
) -> None:
    file: Given = ("plan.pdf", b"%PDF", given)
    assert (await attach(visitor, COMPOSE, COMPOSE, {**LETTER, "told": "4"}, file)).status_code == 303
    assert [item.content_type for item in (await sent_mail(owner)).attachments] == [kind]


FILES = [
    {"filename": "old.txt", "content_type": "text/plain", "data": "b2xk"},
    {"filename": "stays.txt", "content_type": "text/plain", "data": "c3RheXM="},
]


async def test_files_of_a_draft_are_kept_taken_away_and_added(
    visitor: Visitor, owner: Session, agent: Session
) -> None:
    held = await held_draft(owner, agent, attachments=FILES)
    edit, approve = f"/reviews/{held}/edit", f"/reviews/{held}/approve"
    form = await visitor.read(edit)
    assert "old.txt · 3 bytes" in form
    asked = await attach(visitor, edit, edit, {"keep": ["1"]}, PLAN)
    for words in (
        "<h2>Files</h2>",
        "<span>stays.txt · 5 bytes</span><del>old.txt · 3 bytes</del><ins>plan.pdf · 8 bytes</ins>",
        "2 files, 13 bytes together",
    ):
        assert words in asked.text, words
    assert await status(owner, held) == "pending_review"
    fields = {**fields_of(asked.text, approve)}
    answer = await visitor.post(approve, fields)
    assert answer.headers["location"] == "/reviews?said=approved-sent"
    view = await owner.messages.get(ASSISTANT, held, peek=True)
    assert await contents(owner, view) == {"stays.txt": b"stays", "plan.pdf": b"%PDF-1.7"}


async def test_files_that_nobody_touched_are_no_change(
    visitor: Visitor, owner: Session, agent: Session
) -> None:
    held = await held_draft(owner, agent, text="As it was", attachments=FILES)
    edit, approve = f"/reviews/{held}/edit", f"/reviews/{held}/approve"
    asked = await attach(visitor, edit, edit, {"keep": ["0", "1"], "text": "As it is"})
    assert "<h2>Files</h2>" not in asked.text
    fields = {**fields_of(asked.text, approve), "text": "As it is"}
    assert (await visitor.post(approve, fields)).status_code == 303
    view = await owner.messages.get(ASSISTANT, held, peek=True)
    assert set(await contents(owner, view)) == {"old.txt", "stays.txt"}


async def test_all_files_of_a_draft_are_taken_away(visitor: Visitor, owner: Session, agent: Session) -> None:
    held = await held_draft(owner, agent, attachments=FILES)
    edit, approve = f"/reviews/{held}/edit", f"/reviews/{held}/approve"
    asked = await attach(visitor, edit, edit, {})
    assert "0 files, 0 bytes together" in asked.text
    assert (await visitor.post(approve, fields_of(asked.text, approve))).status_code == 303
    assert (await owner.messages.get(ASSISTANT, held, peek=True)).attachments == []


async def test_a_picture_in_its_place_stays_there(
    visitor: Visitor, home: Home, owner: Session, agent: Session
) -> None:
    """A forward shows pictures by their content ids, which a request cannot say."""
    headers = {"Content-Type": "multipart/related; boundary=x"}
    picture = b"Content-Type: image/png; name=p.png\r\nContent-ID: <logo@x>\r\n\r\nPNG\r\n"
    body = b'--x\r\nContent-Type: text/html\r\n\r\n<img src="cid:logo@x">\r\n--x\r\n' + picture + b"--x--\r\n"
    assert (await home.deliver(headers=headers, body=body)).accepted
    [received] = await all_mail(owner)
    await protect(owner, outbound=HOLD_ALL)
    request = ForwardRequest(to=["bob@example.org"])
    held = (await agent.messages.forward(ASSISTANT, received.id, request, SendOptions())).message_id
    view = await owner.reviews.get(held)
    [item] = view.attachments
    file = await owner.messages.attachment_content(ASSISTANT, held, item.index)
    same = Attachment(
        filename=str(item.filename),
        content_type=str(item.content_type),
        data=b64encode(file.data).decode(),
    )
    more = Attachment(filename="more.txt", content_type="text/plain", data="bW9yZQ==")
    await owner.reviews.approve(held, ApproveRequest(attachments=[same, more]))
    sent = await owner.messages.get(ASSISTANT, held, peek=True)
    assert {file.filename: file.content_id for file in sent.attachments} == {
        "p.png": "logo@x",
        "more.txt": None,
    }
