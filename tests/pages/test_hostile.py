"""Hostile mail in a real browser: nothing of it runs, nothing is asked for, and its reviewer stays where they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from e2a_core.contract.engine import Session
from tests.engine.mailbox import protect, send
from tests.pages.browser import Person, launched, signed_in
from tests.pages.held import HOLD_ALL
from tests.pages.hostile import HOSTILE
from tests.support.home import Home

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Tracker:
    """A server that only counts who connects."""

    def __init__(self) -> None:
        self.connections = 0
        self.url = ""

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._count, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    async with launched() as opened:
        yield opened


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    found = Tracker()
    async with await found.serve():
        yield found


def written(source: str, tracker: Tracker) -> str:
    return source.format(to=tracker.url, host=tracker.url.removeprefix("http://"))


async def test_nothing_leaves_the_page_and_nothing_runs(
    browser: Browser, home: Home, url: str, owner: Session, tracker: Tracker
) -> None:
    await protect(owner, inbound=HOLD_ALL)
    for name, source in HOSTILE.items():
        body = written(source, tracker).encode()
        headers = {"Content-Type": "text/html; charset=utf-8", "MIME-Version": "1.0"}
        assert (await home.deliver(subject=name, headers=headers, body=body + b"\r\n")).accepted
    items = (await owner.reviews.list(limit=100)).items
    assert {item.subject for item in items} == set(HOSTILE)
    async with signed_in(browser, home, url) as person:
        for item in items:
            await _look(person, item.id)
            assert person.path == f"/reviews/{item.id}", item.subject
            assert await person.page.title() == f"{item.subject} · e2a"
            assert person.elsewhere == [], item.subject
            assert tracker.connections == 0, item.subject
        assert len(person.page.context.pages) == 1


async def test_a_held_draft_is_no_safer(
    browser: Browser, home: Home, url: str, owner: Session, agent: Session, tracker: Tracker
) -> None:
    await protect(owner, outbound=HOLD_ALL)
    source = "".join(
        HOSTILE[name] for name in ("script", "event handlers", "pictures", "meta refresh", "form")
    )
    held = (await send(agent, html=written(source, tracker))).message_id
    async with signed_in(browser, home, url) as person:
        await _look(person, held)
        assert (person.elsewhere, tracker.connections) == ([], 0)


async def _look(person: Person, message_id: str) -> None:
    """Opens a review, waits for its frame, and clicks on whatever asks for it."""
    await person.open(f"/reviews/{message_id}")
    if await person.page.locator("iframe.mail").count() == 0:
        return
    frame = person.page.frame(url=lambda url: url.endswith("/html"))
    assert frame is not None
    await frame.wait_for_load_state("load")
    targets = person.page.frame_locator("iframe.mail").get_by_text("Click", exact=True)
    for number in range(min(4, await targets.count())):
        await targets.nth(number).click(force=True, no_wait_after=True)
