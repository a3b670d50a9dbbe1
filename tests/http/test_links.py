"""The signed links in mail: what they show, what they do, and to whom they say no."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta

import httpx
import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.contract.sending import Attachment, SendEmailRequest, SendOptions
from e2a_core.signing.tokens import ApprovalAction, sign_approval, sign_download
from e2a_core.store.statement import first, sql
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

HOLD_EVERYTHING = ProtectionConfig.model_validate(
    {
        "inbound": {"gate": {}, "scan": {}},
        "outbound": {"gate": {"policy": "allowlist", "action": "review"}, "scan": {}},
        "holds": {},
    }
)


async def held(owner: Session, agent: Session, text: str = "Dear <b>you</b>") -> str:
    await owner.protection.put(ASSISTANT, HOLD_EVERYTHING)
    request = SendEmailRequest(to=["alice@example.org"], subject="A <script>draft</script>", text=text)
    result = await agent.messages.send(ASSISTANT, request, SendOptions())
    assert result.status == "pending_review"
    return result.message_id


def token(home: Home, message_id: str, action: ApprovalAction, *, minutes: float = 10) -> str:
    expires = home.clock.now() + timedelta(minutes=minutes)
    return sign_approval(message_id, action, expires, home.secret)


async def opened(
    browser: httpx.AsyncClient, home: Home, message_id: str, action: ApprovalAction
) -> dict[str, str]:
    """The fields of the page's form."""
    page = await browser.get(f"/v1/{action}", params={"t": token(home, message_id, action)})
    assert page.status_code == 200
    return form_of(page.text)


def form_of(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


async def status_of(owner: Session, message_id: str) -> str | None:
    return (await owner.reviews.get(message_id)).review_status


async def test_looking_changes_nothing_and_escapes_what_was_written(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    for action in ("approve", "reject"):
        page = await browser.get(f"/v1/{action}", params={"t": token(home, message_id, action)})
        assert page.status_code == 200
        assert "<script>" not in page.text
        assert "&lt;b&gt;you&lt;/b&gt;" in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "no-referrer"
    assert await status_of(owner, message_id) == "pending_review"


async def test_all_that_would_go_out_is_shown(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    await owner.protection.put(ASSISTANT, HOLD_EVERYTHING)
    request = SendEmailRequest(
        to=["alice@example.org"],
        subject="s",
        text="harmless" * 100_000,
        html="<p>something else</p>",
        attachments=[Attachment(filename="plans.pdf", content_type="application/pdf", data="YWJj")],
    )
    result = await agent.messages.send(ASSISTANT, request, SendOptions())
    page = await browser.get("/v1/approve", params={"t": token(home, result.message_id, "approve")})
    assert "plans.pdf (3 bytes)" in page.text
    assert "&lt;p&gt;something else&lt;/p&gt;" in page.text
    assert "700000 more characters are not shown here" in page.text


BODIES = {
    "the same": ("Pay <10> EUR.", "<p>Pay <b>&lt;10&gt;</b> EUR.</p>", None),
    "another sum": ("Pay 10 EUR.", "<p>Pay 999 EUR.</p>", "999"),
    "more in the HTML": ("Hello.", "<p>Hello.</p><p>Wire it today.</p>", "Wire it today"),
    "less in the HTML": ("Hello. Only if Bob agrees.", "<p>Hello.</p>", "Only if Bob agrees"),
    "hidden in the HTML": ("Hello secret.", "<p>Hello <i style='display:none'>secret</i>.</p>", "secret"),
    "no HTML": ("Hello.", None, None),
}


@pytest.mark.parametrize("kind", BODIES)
async def test_bodies_that_differ_are_warned_of(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session, kind: str
) -> None:
    text, html, only = BODIES[kind]
    await owner.protection.put(ASSISTANT, HOLD_EVERYTHING)
    request = SendEmailRequest(to=["alice@example.org"], subject="s", text=text, html=html)
    result = await agent.messages.send(ASSISTANT, request, SendOptions())
    for action in ("approve", "reject"):
        page = await browser.get(f"/v1/{action}", params={"t": token(home, result.message_id, action)})
        assert ("WARNING: the HTML says something else" in page.text) == (only is not None)
        assert (f"<dd>{only}</dd>" in page.text) == (only is not None)


@pytest.mark.parametrize(
    ("action", "done", "again"),
    [
        ("approve", "The message leaves at its time.", "It was approved."),
        ("reject", "The message will not go out.", "It was rejected or withdrawn."),
    ],
)
async def test_where_answers_go_and_when_it_leaves_is_shown_and_the_decision_is_told(
    browser: httpx.AsyncClient,
    home: Home,
    owner: Session,
    agent: Session,
    action: ApprovalAction,
    done: str,
    again: str,
) -> None:
    await owner.protection.put(ASSISTANT, HOLD_EVERYTHING)
    request = SendEmailRequest(
        to=["alice@example.org"],
        reply_to=["elsewhere@example.net"],
        subject="s",
        text="t",
        send_at=home.clock.now() + timedelta(days=2),
    )
    message_id = (await agent.messages.send(ASSISTANT, request, SendOptions())).message_id
    signed = {"t": token(home, message_id, action)}
    page = await browser.get(f"/v1/{action}", params=signed)
    assert "<dt>Reply-To</dt><dd>elsewhere@example.net</dd>" in page.text
    assert re.search(r"<dt>Leaves</dt><dd>if approved, at \w{3}, .+ GMT</dd>", page.text)
    decided = await browser.post(f"/v1/{action}", data=form_of(page.text))
    assert done in decided.text
    assert again in (await browser.get(f"/v1/{action}", params=signed)).text


async def test_the_form_approves_exactly_what_was_shown(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    page = await browser.get("/v1/approve", params={"t": token(home, message_id, "approve")})
    done = await browser.post("/v1/approve", data=form_of(page.text))
    assert done.status_code == 200, done.text

    async def submitted() -> MessageView | None:
        view = await agent.messages.get(ASSISTANT, message_id)
        return view if view.delivery_status == "sent" else None

    view = await until(submitted)
    assert view is not None
    assert view.review_status == "sent"
    again = await browser.post("/v1/approve", data=form_of(page.text))
    assert again.status_code == 409


@pytest.mark.parametrize("whole", [False, True])
async def test_a_pause_is_shown_where_a_draft_is_decided_on(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session, whole: bool
) -> None:
    message_id = await held(owner, agent)
    asked = {"t": token(home, message_id, "approve")}
    assert "paused" not in (await browser.get("/v1/approve", params=asked)).text
    await (owner.account.pause() if whole else owner.agents.pause(ASSISTANT))
    page = await browser.get("/v1/approve", params=asked)
    assert "an approval is refused, and nothing leaves, until it is resumed" in page.text
    refused = await browser.post("/v1/approve", data=form_of(page.text))
    assert (refused.status_code, "paused since 20" in refused.text) == (409, True)
    await (owner.account.resume() if whole else owner.agents.resume(ASSISTANT))
    assert "paused" not in (await browser.get("/v1/approve", params=asked)).text


async def test_the_form_rejects_with_its_reason(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    data = {**await opened(browser, home, message_id, "reject"), "reason": "  not now  "}
    assert (await browser.post("/v1/reject", data=data)).status_code == 200
    view = await owner.reviews.get(message_id)
    assert (view.review_status, view.rejection_reason) == ("review_rejected", "not now")


async def test_links_that_do_not_count(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    good = token(home, message_id, "approve")
    for params, status in [
        ({}, 400),
        ({"t": "nonsense"}, 400),
        ({"t": good[:-2] + "AA"}, 400),
        ({"t": token(home, message_id, "reject")}, 400),
        ({"t": token(home, message_id, "approve", minutes=-1)}, 410),
        ({"t": token(home, "msg_" + "0" * 32, "approve")}, 404),
    ]:
        for answer in (
            await browser.get("/v1/approve", params=params),
            await browser.post("/v1/approve", data=params),
        ):
            assert answer.status_code == status, (params, answer.text)
    assert (await browser.put("/v1/approve", params={"t": good})).status_code == 405
    assert await status_of(owner, message_id) == "pending_review"


async def test_a_draft_decided_meanwhile_is_not_decided_again(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    page = await browser.get("/v1/approve", params={"t": token(home, message_id, "approve")})
    await owner.reviews.approve(message_id, ApproveRequest(subject="Another"))
    assert (await browser.post("/v1/approve", data=form_of(page.text))).status_code == 409


async def test_a_form_that_saw_another_draft_is_refused(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    form = await opened(browser, home, message_id, "approve")
    altered = {**form, "content_hash": "0" * 64}
    assert (await browser.post("/v1/approve", data=altered)).status_code == 403
    rows = await home.local.core.db.read(sql("SELECT draft FROM messages WHERE id = :id", id=message_id))
    draft = {**json.loads(rows[0]["draft"]), "digest": "1" * 64}
    await home.local.core.db.write(
        [sql("UPDATE messages SET draft = :draft WHERE id = :id", draft=json.dumps(draft), id=message_id)]
    )
    assert (await browser.post("/v1/approve", data=form)).status_code == 409
    assert await status_of(owner, message_id) == "pending_review"


PREFETCH = {
    "Purpose": "prefetch",
    "Sec-Purpose": "prefetch;prerender",
    "X-Moz": "prefetch",
    "X-Purpose": "preview",
}


async def test_only_the_post_of_the_page_s_form_decides(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    for action in ("approve", "reject"):
        given = {"t": token(home, message_id, action)}
        form = await opened(browser, home, message_id, action)
        for params in (given, form):
            for method in ("HEAD", "GET", "GET", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
                for headers in ({}, PREFETCH, {"X-HTTP-Method-Override": "POST"}):
                    answer = await browser.request(method, f"/v1/{action}", params=params, headers=headers)
                    assert answer.status_code == (200 if method in {"HEAD", "GET"} else 405), (method, answer)
            # What a mail holds, or a scanner makes of a page's address, is no form.
            assert (await browser.post(f"/v1/{action}", params=params)).status_code == 403
        assert await status_of(owner, message_id) == "pending_review"


async def test_a_form_that_does_not_count_shows_the_page_again(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    form = await opened(browser, home, message_id, "reject")
    for wrong in (
        {"form": ""},
        {"form": form["form"][:-2] + "AA"},
        {"form": (await opened(browser, home, message_id, "approve"))["form"]},
        {"content_hash": ""},
    ):
        again = await browser.post("/v1/reject", data={**form, "reason": "<b>why</b>", **wrong})
        assert again.status_code == 403, wrong
        assert "Nothing was decided" in again.text
        assert "&lt;b&gt;why&lt;/b&gt;" in again.text
        assert await status_of(owner, message_id) == "pending_review"
    home.clock.advance(minutes=61)
    late = {**form, "t": token(home, message_id, "reject")}
    again = await browser.post("/v1/reject", data=late)
    assert again.status_code == 403
    assert (await browser.post("/v1/reject", data=form_of(again.text))).status_code == 200
    assert await status_of(owner, message_id) == "review_rejected"


@pytest.mark.parametrize(
    ("headers", "counts"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "Cross-Site", "Origin": "null"}, False),
        ({"Sec-Fetch-Site": ""}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "https://HERE.evil.example"}, False),
        ({"Origin": "https://evil.example/HERE"}, False),
        ({"Origin": "http://["}, False),
        ({"Origin": ""}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://HERE"}, True),
    ],
)
async def test_a_page_of_another_site_decides_nothing(
    headers: dict[str, str],
    counts: bool,
    browser: httpx.AsyncClient,
    home: Home,
    owner: Session,
    agent: Session,
) -> None:
    message_id = await held(owner, agent)
    here = browser.base_url.netloc.decode()
    sent = {name: value.replace("HERE", here) for name, value in headers.items()}
    for action in ("approve", "reject") if not counts else ("reject",):
        form = await opened(browser, home, message_id, action)
        answer = await browser.post(f"/v1/{action}", data=form, headers=sent)
        assert answer.status_code == (200 if counts else 403)
    decided = "review_rejected" if counts else "pending_review"
    assert await status_of(owner, message_id) == decided


async def test_a_link_is_good_for_the_reader_it_was_sent_to(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    db, expires = home.local.core.db, home.clock.now() + timedelta(minutes=10)
    await db.write([sql("UPDATE accounts SET email = 'boss@corp.example'")])
    link = sign_approval(message_id, "approve", expires, home.secret, "boss@corp.example")
    form = form_of((await browser.get("/v1/approve", params={"t": link})).text)
    await db.write([sql("UPDATE accounts SET email = 'successor@corp.example'")])
    for answer in (
        await browser.get("/v1/approve", params={"t": link}),
        await browser.post("/v1/approve", data=form),
    ):
        assert answer.status_code == 403
        assert "This link is not yours" in answer.text
        assert "secret" not in answer.text
        assert "<form" not in answer.text
    assert await status_of(owner, message_id) == "pending_review"
    await db.write([sql("UPDATE accounts SET email = 'boss@corp.example'")])
    assert (await browser.post("/v1/approve", data=form)).status_code == 200
    row = first(await db.read(sql("SELECT reviewed_by FROM messages WHERE id = :id", id=message_id)))
    assert row is not None
    assert row["reviewed_by"] == "signed link, boss@corp.example"


async def sent_with_file(agent: Session, name: str, data: bytes) -> str:
    file = Attachment(filename=name, content_type="text/html", data=base64.b64encode(data).decode())
    request = SendEmailRequest(to=["alice@example.org"], subject="File", text="see", attachments=[file])
    return (await agent.messages.send(ASSISTANT, request, SendOptions())).message_id


async def test_an_attachment_by_its_signed_url(browser: httpx.AsyncClient, agent: Session) -> None:
    message_id = await sent_with_file(agent, 'r\u00e9sum\u00e9 "1".html', b"<script>1</script>")
    view = await agent.messages.attachment(ASSISTANT, message_id, 0)
    answer = await browser.get(view.download_url)
    assert answer.status_code == 200, answer.text
    assert answer.content == b"<script>1</script>"
    assert answer.headers["content-disposition"].startswith('attachment; filename="r_sum_ _1_.html"')
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["content-type"] == "text/html"


async def test_attachment_urls_that_do_not_count(
    browser: httpx.AsyncClient, home: Home, agent: Session
) -> None:
    message_id = await sent_with_file(agent, "a.html", b"x")
    base = f"/v1/agents/{ASSISTANT}/messages/{message_id}/attachments"

    def signed(index: int, minutes: float = 5) -> str:
        return sign_download(message_id, index, home.clock.now() + timedelta(minutes=minutes), home.secret)

    for path, status, code in [
        (f"{base}/0/download", 401, "unauthorized"),
        (f"{base}/0/download?token=x", 403, "forbidden"),
        (f"{base}/0/download?token={signed(0, -1)}", 403, "forbidden"),
        (f"{base}/0/download?token={signed(1)}", 403, "forbidden"),
        (f"{base}/7/download?token={signed(7)}", 404, "attachment_not_found"),
        (f"{base}/x/download?token={signed(0)}", 400, "invalid_request"),
        (f"{base.replace('assistant', 'nobody')}/0/download?token={signed(0)}", 404, "not_found"),
    ]:
        answer = await browser.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path


async def test_operations(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/healthz")).json() == {"ok": True}
    assert (await browser.get("/readyz")).status_code == 200
    metrics = (await browser.get("/metrics")).text
    assert "# TYPE e2a_smtp_accepted_total counter\ne2a_smtp_accepted_total 0.0\n" in metrics
    assert "# TYPE e2a_smtp_connections_open gauge\n" in metrics
    assert (await browser.post("/mcp", json={})).status_code == 401
