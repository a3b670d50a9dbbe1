"""Pictures of the main pages for the documentation: light and dark, on a desktop and on a phone.

    python -m tests.pages.pictures [FOLDER]

A deployment with a few messages is brought up for it and taken down again. Needs Chromium.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import anyio
from playwright.async_api import ViewportSize

from e2a_core.contract.agents import CreateAgentRequest, UpdateAgentRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.sending import Attachment, ReplyRequest, SendEmailRequest, SendOptions
from tests.engine.mailbox import protect
from tests.pages.browser import Scheme, launched
from tests.pages.people import mint
from tests.support.dns import DnsServer
from tests.support.home import ASSISTANT, Home, Keys, correspondents, open_home_for_test

__all__ = ["SIZES", "draw"]

FOLDER = Path(__file__).parents[2] / "docs" / "images"
SIZES: Mapping[str, ViewportSize] = {
    "desktop": {"width": 1120, "height": 720},
    "phone": {"width": 390, "height": 780},
}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
QUESTION = (
    "Hello,\n\nwe cannot find your invoice. Please send it again, and copy our CFO so that it is not lost this "
    "time.\n\nAnn Keller"
)
ANSWER = (
    "Hello Ann,\n\nthank you for your note. Invoice 1187 (EUR 4,310.00) was due on 14 November; I attach it once more "
    "with the delivery receipt.\n\nCould you let me know by Friday when we may expect it?\n\nKind regards"
)


async def draw(folder: Path) -> list[Path]:
    """Writes the pictures, and returns their paths."""
    keys = Keys.make()
    with (
        tempfile.TemporaryDirectory(prefix="e2a-pictures-") as scratch,
        DnsServer(correspondents(keys)) as dns,
    ):
        async with open_home_for_test(Path(scratch), "", dns, keys) as home, home.listening() as url:
            review = await _fill(home)
            pages = {
                "overview": "/",
                "reviews": "/reviews",
                "review": f"/reviews/{review}",
                "mail": f"/mail/{ASSISTANT}",
                "protection": f"/protection/{ASSISTANT}",
            }
            return await _draw(home, url, pages, folder)


async def _fill(home: Home) -> str:
    """Mail for the pictures; returns the id of the draft that one of them shows."""
    owner = await home.local.session(home.account_key)
    agent = await home.local.session(home.agent_key)
    await owner.agents.update(ASSISTANT, UpdateAgentRequest(name="Billing"))
    await owner.agents.create(CreateAgentRequest(email="research@agents.example", name="Research"))
    await home.deliver(
        sender="Ann Keller <alice@example.org>", subject="Re: Invoice 1187, second reminder", text=QUESTION
    )
    [question] = (await agent.messages.list(ASSISTANT, MessageQuery())).items
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    held = await agent.messages.reply(ASSISTANT, question.id, _answer(), SendOptions())
    await _others(home, owner, agent)
    return held.message_id


def _answer() -> ReplyRequest:
    file = Attachment(filename="invoice-1187.pdf", content_type="application/pdf", data="JVBERi0xLjQK")
    return ReplyRequest(text=ANSWER, cc=["cfo@example.org"], attachments=[file])


async def _others(home: Home, owner: Session, agent: Session) -> None:
    request = SendEmailRequest(
        to=["press@journal.example"],
        subject="Question about your March issue",
        text="Hello, may we quote the figures on page 12?",
    )
    await agent.messages.send(ASSISTANT, request, SendOptions())
    await protect(
        owner,
        outbound={"policy": "allowlist", "action": "review"},
        inbound={"policy": "allowlist", "action": "review"},
    )
    await home.deliver(
        mail_from="ceo@elsewhere.example",
        sender="The CEO <ceo@elsewhere.example>",
        subject="Urgent: change of bank details",
        text="Please use the new account from today on.",
    )


async def _draw(home: Home, url: str, pages: Mapping[str, str], folder: Path) -> list[Path]:
    drawn = []
    async with launched() as browser:
        for device, size in SIZES.items():
            for scheme in SCHEMES:
                context = await browser.new_context(viewport=size, color_scheme=scheme)
                page = await context.new_page()
                await page.goto(await mint(home))
                await page.get_by_role("button", name="Sign in").click()
                await page.wait_for_url("**/")
                for name, path in pages.items():
                    await page.goto(url + path)
                    drawn.append(folder / f"{name}-{device}-{scheme}.png")
                    await page.screenshot(path=drawn[-1])
                await context.close()
    return drawn


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.pages.pictures", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    for path in anyio.run(draw, parser.parse_args().folder):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
