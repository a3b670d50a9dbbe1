"""A real browser: Debian's chromium, driven by Playwright, which never downloads one."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request, async_playwright

from e2a_core.contract.principal import Role
from tests.pages.people import mint
from tests.support.home import Home

__all__ = ["Person", "Scheme", "chromium_path", "errors", "launched", "signed_in"]

REQUIRED = "BROWSER_REQUIRED"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 30_000
_AXE = Path(__file__).parent / "data" / "axe.min.js"

Scheme = Literal["light", "dark"]


def chromium_path() -> str:
    """The browser's program; skips the test where there is none, unless `BROWSER_REQUIRED` is 1."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        reason = "no chromium on this machine (apt-get install chromium)"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{REQUIRED}=1, and there is {reason}")
        pytest.skip(reason)
    return found


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    path = chromium_path()
    async with async_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; it opens pages of the test alone.
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Person:
    """Somebody at a page, and all that the browser said and asked for meanwhile."""

    page: Page
    url: str
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    @property
    def path(self) -> str:
        return urlsplit(self.page.url).path

    @property
    def elsewhere(self) -> list[str]:
        """Requests that went, or would have gone, to another place than the deployment."""
        return [item for item in self.requests if not item.startswith((self.url, "data:", "about:", "blob:"))]

    async def barriers(self) -> list[str]:
        """What axe finds in the page, frames of mail aside, which say what a stranger wrote."""
        await self.page.evaluate(_axe())
        found: dict[str, Any] = await self.page.evaluate(
            "() => axe.run({exclude: ['iframe']}, {iframes: false, resultTypes: ['violations']})"
        )
        return [
            f"{item['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
            for item in found["violations"]
            for node in item["nodes"]
        ]


@asynccontextmanager
async def signed_in(
    browser: Browser,
    home: Home,
    url: str,
    *,
    size: tuple[int, int] = (1280, 800),
    scheme: Scheme = "light",
    role: Role = "owner",
    email: str = "",
    script: bool = True,
) -> AsyncIterator[Person]:
    """Somebody who has opened a link and pressed its button."""
    context: BrowserContext = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    person = Person(page, url)

    def asked(request: Request) -> None:
        person.requests.append(request.url)

    context.on("request", asked)
    page.on("console", lambda message: person.console.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda problem: person.console.append(f"error: {problem}"))
    try:
        await page.goto(await mint(home, role, email))
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{url}/")
        yield person
    finally:
        await context.close()


def errors(console: Sequence[str]) -> list[str]:
    return [line for line in console if line.startswith(("error", "warning"))]


@cache
def _axe() -> str:
    return _AXE.read_text(encoding="utf-8")
