"""The pages in a real browser: signing in, deciding, keys, looks, and what the browser complains of."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from e2a_core.contract.engine import Session
from tests.pages.browser import Person, Scheme, errors, launched, signed_in
from tests.pages.held import held_draft, held_mail, status
from tests.pages.test_every_page import ASKED, OWNERS, PATHS
from tests.support.home import ASSISTANT, Home

RENEWED_MS = 15_000
"""Several times as long as it takes the queue to ask again."""

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    async with launched() as opened:
        yield opened


@pytest.fixture
async def person(browser: Browser, home: Home, url: str) -> AsyncIterator[Person]:
    """The owner; whatever the browser complained of by the end fails the test."""
    async with signed_in(browser, home, url) as opened:
        yield opened
        assert errors(opened.console) == []
        assert opened.elsewhere == []


async def test_a_draft_is_approved(person: Person, owner: Session, agent: Session) -> None:
    held = await held_draft(owner, agent, subject="Invoice 1187", text="Dear Bob, please pay.")
    await person.page.get_by_role("link", name="Reviews").click()
    await person.page.get_by_role("link", name="Invoice 1187").click()
    await expect(person.page.get_by_text("Dear Bob, please pay.")).to_be_visible()
    await person.page.get_by_role("button", name="Approve and send").click()
    await expect(person.page.get_by_role("status")).to_have_text(re.compile("^Approved. In the sandbox"))
    assert await status(owner, held) == "sent"


async def test_a_draft_is_edited_and_approved(person: Person, owner: Session, agent: Session) -> None:
    html = "<p>It is 10 EUR.</p>"
    held = await held_draft(owner, agent, text="It is 10 EUR.\nBye", html=html, to=["Bob <bob@example.org>"])
    await person.open(f"/reviews/{held}")
    await person.page.get_by_role("link", name="Edit first").click()
    await person.page.get_by_label("Text", exact=True).fill("It is 12 EUR.\nBye")
    await person.page.get_by_label("Send the text alone").check()
    await person.page.get_by_role("button", name="See what you changed").click()
    await expect(person.page.locator("del").first).to_have_text("It is 10 EUR.")
    await expect(person.page.locator("ins").first).to_have_text("It is 12 EUR.")
    await person.page.get_by_role("button", name="Approve with these changes").click()
    await person.page.wait_for_url("**/reviews?said=approved-sent")
    sent = await owner.messages.get(ASSISTANT, held)
    assert sent.to == ["bob@example.org"]
    assert sent.parsed is not None
    assert (sent.parsed.text.splitlines()[0], sent.parsed.html) == ("It is 12 EUR.", None)


async def test_a_draft_is_rejected_with_a_reason(person: Person, owner: Session, agent: Session) -> None:
    held = await held_draft(owner, agent)
    await person.open(f"/reviews/{held}")
    await person.page.get_by_text("Reject with a reason").click()
    await person.page.get_by_label("Reason").fill("Too blunt")
    await person.page.get_by_role("button", name="Reject it").click()
    await person.page.wait_for_url("**/reviews?said=rejected")
    assert (await owner.reviews.get(held)).rejection_reason == "Too blunt"


async def test_received_mail_is_let_in(person: Person, home: Home, owner: Session, agent: Session) -> None:
    held = await held_mail(home, owner, subject="Bank details")
    await person.open("/reviews")
    await person.page.get_by_role("link", name="Bank details").click()
    await person.page.get_by_role("button", name="Let it in").click()
    await person.page.wait_for_url("**/reviews?said=approved-inbound")
    assert (await agent.messages.get(ASSISTANT, held, peek=True)).subject == "Bank details"


async def test_several_are_decided_at_once(person: Person, owner: Session, agent: Session) -> None:
    held = [await held_draft(owner, agent, subject=f"No {number}", text=str(number)) for number in range(3)]
    await person.open("/reviews")
    await person.page.get_by_label("Select No 0").check()
    await person.page.get_by_label("Select No 2").check()
    await person.page.get_by_role("button", name="Approve selected").click()
    await person.page.get_by_role("button", name="Approve 2 messages").click()
    await person.page.wait_for_url("**/reviews?said=approved")
    assert [await status(owner, item) for item in held] == ["sent", "pending_review", "sent"]


async def test_everything_is_done_by_keys(person: Person, owner: Session, agent: Session) -> None:
    first = await held_draft(owner, agent, subject="One", text="1")
    second = await held_draft(owner, agent, subject="Two", text="2")
    await person.press("g", "r")
    await person.page.wait_for_url("**/reviews")
    await person.press("j", "j", "k", "j", "Enter")
    await person.page.wait_for_url(f"**/reviews/{first}")
    await person.press("r")
    await person.page.keyboard.type("ajkrg? no")
    await person.press("Enter")
    await person.page.wait_for_url("**/reviews?said=rejected")
    assert (await owner.reviews.get(first)).rejection_reason == "ajkrg? no"
    await person.press("j", "x")
    assert await person.page.get_by_label("Select Two").is_checked()
    await person.press("Enter")
    await person.page.wait_for_url(f"**/reviews/{second}")
    await person.press("e")
    await person.page.wait_for_url(f"**/reviews/{second}/edit")
    await person.page.go_back()
    await person.press("Control+a")
    assert await status(owner, second) == "pending_review"
    await person.press("a")
    await person.page.wait_for_url("**/reviews?said=approved-sent")
    assert await status(owner, second) == "sent"


async def test_the_queue_renews_itself_and_never_under_the_pointer(
    person: Person, owner: Session, agent: Session
) -> None:
    await person.open("/reviews")
    await held_draft(owner, agent, subject="First", text="1")
    await expect(person.page.get_by_role("link", name="First")).to_be_visible(timeout=RENEWED_MS)
    await person.page.get_by_role("link", name="First").hover()
    await held_draft(owner, agent, subject="Second", text="2")
    await expect(person.page.get_by_text("The queue has changed.")).to_be_visible(timeout=RENEWED_MS)
    assert await person.page.get_by_text("Second").count() == 0
    await person.page.mouse.move(0, 0)
    await expect(person.page.get_by_text("Second")).to_be_visible(timeout=RENEWED_MS)
    await expect(person.page.get_by_text("The queue has changed.")).to_be_hidden()


async def test_all_works_without_the_script(
    browser: Browser, home: Home, url: str, owner: Session, agent: Session
) -> None:
    held = await held_draft(owner, agent, subject="Plain", text="1")
    async with signed_in(browser, home, url, script=False) as person:
        await person.page.get_by_role("link", name="Reviews").click()
        await person.page.get_by_role("link", name="Plain").click()
        await person.page.get_by_role("button", name="Approve and send").click()
        await person.page.wait_for_url("**/reviews?said=approved-sent")
    assert await status(owner, held) == "sent"


LOOKS: dict[str, tuple[tuple[int, int], Scheme]] = {
    "desk": ((1280, 800), "light"),
    "dark phone": ((360, 740), "dark"),
}


@pytest.mark.parametrize("look", LOOKS)
async def test_every_page_is_readable_in_every_look(
    browser: Browser, home: Home, url: str, held: dict[str, str], look: str
) -> None:
    size, scheme = LOOKS[look]
    async with signed_in(browser, home, url, size=size, scheme=scheme) as person:
        for path in (*PATHS, *OWNERS):
            await person.open((path + ASKED.get(path, "")).format(**held))
            assert await person.barriers() == [], (look, path)
            wide = await person.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0], (look, path, wide)
        assert errors(person.console) == []
        assert person.elsewhere == []


async def test_the_decision_of_a_phone_is_in_reach(
    browser: Browser, home: Home, url: str, owner: Session, agent: Session
) -> None:
    held = await held_draft(owner, agent, text="A long letter.\n" * 200)
    async with signed_in(browser, home, url, size=(360, 740)) as person:
        await person.open(f"/reviews/{held}")
        box = await person.page.get_by_role("button", name="Approve and send").bounding_box()
        assert box is not None
        assert 370 < box["y"] < 740 - box["height"]
        # The bar of a short page is one line high, and shows where one is.
        await person.open("/settings")
        bar = await person.page.locator("nav.side").bounding_box()
        here = await person.page.locator("nav.side [aria-current]").bounding_box()
        assert bar is not None
        assert here is not None
        assert bar["height"] < 70
        assert here["x"] + here["width"] <= 360


async def test_the_pages_of_strangers_have_no_barriers(browser: Browser, url: str) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    person = Person(page, url)
    for path in ("/", "/sign-in?t=wrong"):
        await person.open(path)
        assert await person.barriers() == []
    await context.close()
