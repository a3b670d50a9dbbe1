"""A passkey in a real browser, with a virtual device (Web Authentication section 11)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.pages.browser import launched
from tests.pages.people import mint
from tests.support.home import Home

pytestmark = [pytest.mark.anyio, pytest.mark.local_only]

DEVICE = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


async def test_a_device_signs_in(home: Home, url: str) -> None:
    here = f"http://localhost:{urlsplit(url).port}"
    async with launched() as browser:
        context = await browser.new_context()
        context.set_default_timeout(15_000)
        page = await context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda problem: said.append(str(problem)))
        devices = await context.new_cdp_session(page)
        await devices.send("WebAuthn.enable", {"enableUI": False})
        device: Any = await devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})

        await page.goto((await mint(home)).replace(url, here))
        await page.get_by_role("button", name="Sign in").click()
        await page.goto(f"{here}/settings/sign-in")
        await page.get_by_label("What you call it").fill("This computer")
        await page.get_by_role("button", name="Add a passkey").click()
        await page.get_by_text("The passkey is added").wait_for()
        assert await page.get_by_text("This computer").count() == 1

        # The device knows that it has one already.
        await page.get_by_role("button", name="Add a passkey").click()
        await page.get_by_text("has a passkey for you already").wait_for()

        await page.get_by_role("button", name="Sign out").first.click()
        await page.get_by_role("link", name="Sign in").click()
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.wait_for_url(f"{here}/")

        await page.get_by_role("button", name="Sign out").first.click()
        await page.goto(f"{here}/sign-in?next=/pause")
        verified = {"authenticatorId": device["authenticatorId"], "isUserVerified": False}
        await devices.send("WebAuthn.setUserVerified", verified)
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.get_by_text("did not confirm it was you").wait_for()
        await devices.send("WebAuthn.setUserVerified", {**verified, "isUserVerified": True})
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.wait_for_url(f"{here}/pause")
        assert said == []

        await page.goto(f"{url}/sign-in")
        await page.goto(await mint(home))
        await page.get_by_role("button", name="Sign in").click()
        await page.goto(f"{url}/settings/sign-in")
        assert await page.get_by_text(f"{here}/settings/sign-in").count() == 1
        assert await page.get_by_role("button", name="Add a passkey").count() == 0
        await context.close()
