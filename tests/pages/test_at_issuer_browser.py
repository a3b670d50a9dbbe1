"""The way to an issuer and back in a real browser, whose policy lets no form lead to another site."""

from __future__ import annotations

import pytest

from tests.pages.browser import launched
from tests.pages.people import mint
from tests.pages.test_at_issuer import issuer
from tests.support.home import Home
from tests.support.issuer import Issuer as FakeIssuer

__all__ = ["issuer"]

pytestmark = [pytest.mark.anyio, pytest.mark.local_only]


async def test_an_issuer_signs_in(home: Home, url: str, issuer: FakeIssuer) -> None:
    async with launched() as browser:
        context = await browser.new_context()
        context.set_default_timeout(15_000)
        page = await context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda problem: said.append(str(problem)))

        await page.goto(await mint(home, "reviewer", "rita@example.org"))
        await page.get_by_role("button", name="Continue with").click()
        await page.wait_for_url(f"{url}/")
        await page.goto(f"{url}/settings/sign-in")
        assert await page.get_by_text(f"at {issuer.url}").count() == 1

        await page.get_by_role("button", name="Sign out").first.click()
        await page.goto(f"{url}/sign-in?next=/settings/people")
        await page.get_by_role("button", name="Continue with").click()
        await page.wait_for_url(f"{url}/settings/people")

        await page.goto(f"{url}/settings/sign-in")
        await page.get_by_role("button", name="Disconnect").click()
        await page.get_by_text("Disconnected").wait_for()
        await page.get_by_role("button", name="Connect 127.0.0.1").click()
        await page.get_by_text("Connected. It signs you in").wait_for()
        assert said == []
        await context.close()
