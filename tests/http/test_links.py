"""The signed links in mail: what they show, what they do, and to whom they say no."""

from __future__ import annotations

import base64
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
from tests.support.home import ASSISTANT, Home, until

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


async def test_the_form_rejects_with_its_reason(
    browser: httpx.AsyncClient, home: Home, owner: Session, agent: Session
) -> None:
    message_id = await held(owner, agent)
    data = {"t": token(home, message_id, "reject"), "reason": "  not now  "}
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
    data = {"t": token(home, message_id, "approve"), "content_hash": "0" * 64}
    assert (await browser.post("/v1/approve", data=data)).status_code == 409
    assert await status_of(owner, message_id) == "pending_review"


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
    assert "# TYPE e2a_smtp_accepted_total counter\ne2a_smtp_accepted_total 0\n" in metrics
    assert "# TYPE e2a_smtp_connections_open gauge\n" in metrics
    assert (await browser.post("/mcp", json={})).status_code == 401
