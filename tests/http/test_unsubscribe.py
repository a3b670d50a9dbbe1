"""The page behind a List-Unsubscribe link, for people and for mail clients (RFC 8058)."""

from __future__ import annotations

import base64
import email
from urllib.parse import urlsplit

import httpx
import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.sending import SendEmailRequest, SendOptions
from tests.support.home import ASSISTANT

pytestmark = pytest.mark.anyio

REQUEST = {
    "to": ["bob@example.org"],
    "subject": "News",
    "text": "Read this",
    "unsubscribe": {"mode": "managed"},
}


@pytest.fixture
async def link(browser: httpx.AsyncClient, owner: Session) -> str:
    """The path that a message sent with managed unsubscribe names."""
    sent = await owner.messages.send(
        ASSISTANT, SendEmailRequest.model_validate(REQUEST), SendOptions(wait="sent")
    )
    view = await owner.messages.get(ASSISTANT, sent.message_id)
    message = email.message_from_bytes(base64.b64decode(view.raw_message or ""))
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return urlsplit(message["List-Unsubscribe"].strip("<>")).path


async def suppressed(owner: Session) -> list[str]:
    return [item.address for item in (await owner.suppressions.list_of_agent(ASSISTANT)).items]


async def test_looking_changes_nothing(browser: httpx.AsyncClient, owner: Session, link: str) -> None:
    page = await browser.get(link)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert ASSISTANT in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert page.headers["ratelimit-limit"] == "600"
    assert (await browser.head(link)).status_code == 200
    assert await suppressed(owner) == []


async def test_one_click_and_a_person_both_unsubscribe(
    browser: httpx.AsyncClient, owner: Session, link: str
) -> None:
    clicked = await browser.post(link, data={"List-Unsubscribe": "One-Click"})
    assert (clicked.status_code, clicked.content) == (200, b"")
    assert await suppressed(owner) == ["bob@example.org"]
    again = await browser.post(link, files={"List-Unsubscribe": (None, "One-Click")})
    assert again.status_code == 200
    confirmed = await browser.post(link, data={"confirm": "unsubscribe"})
    assert (confirmed.status_code, "Unsubscribed" in confirmed.text) == (200, True)
    assert await suppressed(owner) == ["bob@example.org"]


async def test_any_other_form_does_nothing(browser: httpx.AsyncClient, owner: Session, link: str) -> None:
    for form in ({}, {"confirm": "yes"}, {"confirm": "unsubscribe", "List-Unsubscribe": "One-Click"}):
        response = await browser.post(link, data=form)
        assert (response.status_code, response.text) == (400, "Bad Request\n")
    doubled = await browser.post(
        link,
        content=b"confirm=unsubscribe&confirm=unsubscribe",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert doubled.status_code == 400
    large = await browser.post(link, data={"confirm": "u" * 1100})
    assert (large.status_code, large.headers["content-type"]) == (413, "text/plain; charset=utf-8")
    as_file = await browser.post(link, files={"confirm": ("a.txt", b"unsubscribe")})
    assert as_file.status_code == 400
    plain = await browser.post(link, content=b"confirm=unsubscribe")
    assert plain.status_code == 400
    assert await suppressed(owner) == []


async def test_other_methods_and_unknown_links(browser: httpx.AsyncClient, link: str) -> None:
    refused = await browser.delete(link)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    for path in ("/u/u1_" + "A" * 43, "/u/x", link + "x", "/u/%00", "/u/a/b"):
        for method in ("GET", "POST", "DELETE"):
            assert (await browser.request(method, path)).status_code == 404, path
