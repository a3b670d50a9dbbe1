"""Mail and control in a real browser: writing, searching, pausing, protecting, by pointer and by keys."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, FilePayload, expect

from e2a_core.contract.engine import Session
from tests.engine.mailbox import all_mail, inbox, send
from tests.pages.browser import Person, errors, launched, signed_in
from tests.support.home import ASSISTANT, Home

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.local_only]


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    async with launched() as opened:
        yield opened


@pytest.fixture
async def person(browser: Browser, home: Home, url: str) -> AsyncIterator[Person]:
    async with signed_in(browser, home, url) as opened:
        yield opened
        assert errors(opened.console) == []
        assert opened.elsewhere == []


async def test_mail_is_written_for_the_agent(person: Person, owner: Session) -> None:
    await person.open(f"/mail/{ASSISTANT}")
    await person.page.get_by_role("link", name="Write").click()
    await person.page.get_by_label("To", exact=True).fill("Bob <bob@example.org>")
    await person.page.get_by_label("Subject").fill("Offer")
    await person.page.get_by_label("Text").fill("Dear Bob,\nhere it is.")
    chosen = [
        FilePayload(name=name, mimeType="text/plain", buffer=b"x" * 1500) for name in ("a.txt", "b.txt")
    ]
    await person.page.get_by_label("Files").set_input_files(chosen)
    await expect(person.page.get_by_text("2 files, 3 kB together")).to_be_visible()
    await person.page.get_by_role("button", name="Send").click()
    await expect(person.page.get_by_role("status")).to_contain_text("Kept in the sandbox")
    [sent] = await all_mail(owner)
    assert (sent.subject, sent.direction, sent.attachment_count) == ("Offer", "outbound", 2)


async def test_mail_is_found_read_and_answered_by_keys(person: Person, home: Home, owner: Session) -> None:
    headers = {"Content-Type": "text/html; charset=utf-8"}
    page = b"<h1>Zebra</h1><script>document.title='run'</script><img src='https://tracker.example/a.gif'>"
    assert (await home.deliver(subject="The zebra", headers=headers, body=page)).accepted
    await person.open(f"/mail/{ASSISTANT}")
    await person.press("/")
    await person.page.keyboard.type("zebra")
    await person.press("Enter")
    await person.page.wait_for_url("**q=zebra*")
    await person.press("j", "Enter")
    await person.page.wait_for_url("**/messages/*")
    await person.page.get_by_text("As HTML").click()
    frame = person.page.frame_locator("iframe")
    await expect(frame.get_by_role("heading", name="Zebra")).to_be_visible()
    await person.press("a")
    await person.page.wait_for_url("**/reply")
    await person.page.get_by_label("Text").fill("Striped.")
    await person.page.get_by_role("button", name="Send").click()
    await person.page.wait_for_url("**/messages/*said=kept")
    assert [item.subject for item in await inbox(owner)] == ["The zebra"]


async def test_all_sending_is_paused_and_resumed(person: Person, owner: Session) -> None:
    await person.open("/keys")
    await person.page.locator("nav").get_by_role("link", name="Pause all sending").click()
    await person.page.get_by_role("button", name="Pause all sending").click()
    await person.open(f"/mail/{ASSISTANT}")
    await expect(person.page.get_by_text("All sending is paused")).to_be_visible()
    assert (await owner.account.get()).sending_paused == "account"
    await person.page.locator("nav").get_by_role("button", name="Resume sending").click()
    await expect(person.page.get_by_role("status")).to_have_text("Sending is on again.")


async def test_protection_is_tried_before_it_is_saved(person: Person, owner: Session, agent: Session) -> None:
    await send(agent, subject="To a stranger")
    await person.open(f"/protection/{ASSISTANT}")
    await person.page.get_by_label("It may write to").select_option("domain")
    await person.page.get_by_label("Other mail that it sends").select_option("review")
    await person.page.get_by_role("button", name="Show what it would do").click()
    await expect(person.page.get_by_text("1 would not have passed")).to_be_visible()
    assert (await owner.protection.get(ASSISTANT)).outbound.gate.policy == "open"
    await person.page.get_by_role("button", name="Save").click()
    await expect(person.page.get_by_role("status")).to_have_text("Saved.")
    assert (await owner.protection.get(ASSISTANT)).outbound.gate.policy == "domain"
