"""A running home with a person's browser: without scripts over HTTP, and a real one (`page`)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from e2a_core.contract.agents import CreateAgentRequest, CreateDelegationRequest
from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.contacts import CreateContactRequest
from e2a_core.contract.domains import RegisterDomainRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.events import EventQuery, EventType
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.contract.templates import CreateTemplateRequest
from e2a_core.contract.webhooks import CreateWebhookRequest
from e2a_core.people.links import ensure_person
from tests.engine.conftest import agent, engine, home, owner, sink
from tests.engine.mailbox import arrived
from tests.pages.held import held_draft
from tests.pages.people import Visitor
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import PATIENCE_SECONDS

__all__ = ["agent", "engine", "home", "owner", "sink"]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module, whose tests share a browser."""
    return "asyncio"


@pytest.fixture
async def url(home: Home) -> AsyncIterator[str]:
    async with home.listening() as address:
        yield address


@pytest.fixture
async def stranger(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is not signed in."""
    async with httpx.AsyncClient(
        base_url=url, headers={"Accept": "text/html"}, timeout=PATIENCE_SECONDS
    ) as client:
        yield client


@pytest.fixture
async def visitor(home: Home, url: str) -> AsyncIterator[Visitor]:
    """The owner, signed in by a link."""
    async with Visitor(home, url) as person:
        await person.sign_in()
        yield person


@pytest.fixture
async def held(home: Home, owner: Session, agent: Session) -> dict[str, str]:
    """A received message with a file, and a held draft with a file and HTML: the values of paths and fields."""
    headers = {"Content-Type": "multipart/mixed; boundary=x"}
    body = b"--x\r\n\r\nHello\r\n--x\r\nContent-Type: text/x-a; name=a.txt\r\n\r\na\r\n--x--\r\n"
    assert (await home.deliver(headers=headers, body=body)).accepted
    received = await arrived(owner)
    files = [{"filename": "a.txt", "content_type": "text/plain", "data": "YQ=="}]
    await owner.agents.create(CreateAgentRequest(email="free@agents.example"))
    message_id = await held_draft(owner, agent, html="<p>Hello Bob</p>", attachments=files)
    view = await owner.reviews.get(message_id)
    domain = await owner.domains.register(RegisterDomainRequest(domain="own.example.net"))
    key = await owner.api_keys.create(CreateAPIKeyRequest(name="spare"))
    person = await owner.agents.delegate(ASSISTANT, CreateDelegationRequest(human="dora@example.org"))
    other = await ensure_person(
        home.local.core, owner.principal.account_id, role="viewer", email="al@example.org"
    )
    [event] = (await owner.events.list(EventQuery(limit=1))).items
    events: list[EventType] = ["email.received"]
    hook = await owner.webhooks.create(CreateWebhookRequest(url="http://127.0.0.1:9/", events=events))
    await owner.contacts.create(CreateContactRequest(address="ann@example.org"))
    blocked = CreateAgentSuppressionRequest(address="dan@example.org")
    await owner.suppressions.create_for_agent(ASSISTANT, blocked)
    template = await owner.templates.create(
        CreateTemplateRequest(name="Own", subject="s", text="t", html="<p>")
    )
    [starter] = (await owner.templates.list_starters(limit=1)).items
    return {
        "webhook_id": hook.id,
        "template_id": template.id,
        "starter": starter.alias,
        "domain": domain.domain,
        "key_id": key.id,
        "delegation_id": person.id,
        "event_id": event.id,
        "person_id": other.id,
        "passkey_id": "psk_none",
        "identity_id": "idn_none",
        "held_id": message_id,
        "hash": str(view.content_hash),
        "index": "0",
        "email": ASSISTANT,
        "message_id": received.id,
        "thread": str(received.thread_id),
    }
