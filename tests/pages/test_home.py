"""First look: what runs, the test mail, and each step with whether it is done."""

from __future__ import annotations

import re

import pytest

from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.domains import RegisterDomainRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.reviews import RejectRequest
from e2a_core.http.pages.plot import bars
from tests.engine.mailbox import protect, send, wait_for_mail
from tests.pages.people import Visitor
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio


def done(page: str) -> dict[str, bool]:
    """By the title of each step, whether it is ticked."""
    found = re.findall(r'<span class="dot( done)?"></span><div><b>([^<]+)</b>', page)
    return {title: bool(mark) for mark, title in found}


async def test_a_fresh_home_says_what_to_do(visitor: Visitor) -> None:
    page = await visitor.read("/")
    assert done(page) == {
        "Running": True,
        "Connect an MCP host": False,
        "Decide what needs your approval": False,
        "Use your own domain": False,
    }
    assert ASSISTANT in page
    assert "No mail yet" in page
    assert "sandbox" in page
    assert re.search(r"SMTP on 127\.0\.0\.1:\d+", page)


async def test_the_test_mail_arrives(visitor: Visitor, agent: Session) -> None:
    answer = await visitor.submit("/", "/test-mail")
    assert answer.status_code == 303
    assert answer.headers["location"] in {"/?said=test-arrived", "/?said=tested"}
    [mail] = await wait_for_mail(agent, ASSISTANT, 1)
    assert mail.direction == "inbound"
    assert "test mail" in (await visitor.read(answer.headers["location"])).lower()
    page = await visitor.read("/")
    assert "<b>1</b><span>received" in page
    assert '<rect class="in"' in page


async def test_outgoing_mail_is_held_by_one_button(visitor: Visitor, owner: Session, agent: Session) -> None:
    await owner.agents.create(CreateAgentRequest(email="helper@agents.example"))
    await protect(owner, outbound={"policy": "allowlist", "action": "block"}, email="helper@agents.example")
    before = await owner.protection.get("helper@agents.example")
    assert "1 agent may write to anyone" in await visitor.read("/")
    assert (await visitor.submit("/", "/hold-outgoing")).headers["location"] == "/?said=held-all"
    assert (await send(agent, to=["bob@example.org"])).status == "pending_review"
    assert await owner.protection.get("helper@agents.example") == before
    page = await visitor.read("/")
    assert done(page)["Decide what needs your approval"]
    assert "/hold-outgoing" not in page
    assert "<b>1</b><span>waiting" in page
    assert "Agents write to strangers only with" in page
    assert (await visitor.submit("/", "/test-mail")).headers["location"] != "/?said=test-held"


async def test_a_host_that_used_the_account_is_seen(visitor: Visitor, home: Home) -> None:
    await home.local.home_session(agent_email=ASSISTANT, door="mcp")
    home.clock.advance(minutes=5)
    page = await visitor.read("/")
    assert done(page)["An MCP host is connected"]
    assert "5 min</time> ago" in page
    await home.local.session(home.agent_key, door="mcp")
    assert ">now</time>" in await visitor.read("/")


async def test_a_domain_that_is_not_verified_is_named(visitor: Visitor, owner: Session) -> None:
    await owner.domains.register(RegisterDomainRequest(domain="mail.example.com"))
    page = await visitor.read("/")
    assert not done(page)["Use your own domain"]
    assert "mail.example.com is not verified yet" in page
    assert 'href="/domains/mail.example.com"' in page


async def test_what_was_decided_waits_no_more(visitor: Visitor, owner: Session, agent: Session) -> None:
    await protect(owner, outbound={"policy": "allowlist", "action": "review"}, holds={"on_expiry": "reject"})
    held = await send(agent, to=["bob@example.org"])
    assert '<a class="card" href="/reviews"><b>1</b>' in await visitor.read("/")
    await owner.reviews.reject(held.message_id, RejectRequest())
    page = await visitor.read("/")
    assert '<a class="card" href="/reviews"><b>0</b>' in page
    assert "All that agents write waits for a person's approval." in page


async def test_hosts_are_offered_by_their_links(visitor: Visitor) -> None:
    page = await visitor.read("/connect")
    assert 'href="cursor://anysphere.cursor-deeplink/mcp/install?' in page
    assert 'href="vscode:mcp/install?' in page
    assert "e2a_agt_" not in page


def test_a_plot_fits_its_frame() -> None:
    plot = bars([(0, 0), (5, 1), (1000, 3)], ("in", "out"))
    assert plot.most == 1000
    assert [bar.kind for bar in plot.bars] == ["in", "out", "in", "out"]
    for bar in plot.bars:
        assert 0 <= bar.x <= plot.width - bar.width
        assert 0 <= bar.y <= plot.height
        assert round(bar.y + bar.height, 1) == plot.height
        assert bar.height >= 2
    assert bars([(0, 0)] * 30, ("in", "out")).bars == []
