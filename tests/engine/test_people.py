"""People of an account who may not do everything: what they see, and that their looking changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.principal import Role
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.contract.webhooks import CreateWebhookRequest
from e2a_core.errors import Forbidden
from tests.engine.mailbox import protect, send
from tests.support.home import ASSISTANT, Home

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("people sign in where the home is")]

HOLD_ALL: dict[str, object] = {"policy": "allowlist", "action": "review"}


async def person(home: Home, role: Role) -> Session:
    owner = (await home.local.session(home.account_key)).principal
    return home.local.session_of(replace(owner, credential_id=f"person:{role}", role=role, door="dashboard"))


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
async def test_their_reading_leaves_mail_unread(home: Home, role: Role, engine: Any) -> None:
    await home.deliver(subject="For the agent")
    session = await person(home, role)
    [item] = (await session.messages.list(ASSISTANT, MessageQuery())).items
    assert (await session.messages.get(ASSISTANT, item.id)).subject == "For the agent"
    agent = await home.local.session(home.agent_key)
    [unread] = (await agent.messages.list(ASSISTANT, MessageQuery(read_status="unread"))).items
    assert unread.id == item.id
    await agent.messages.get(ASSISTANT, item.id)
    assert not (await agent.messages.list(ASSISTANT, MessageQuery(read_status="unread"))).items


async def test_a_reviewer_decides_and_a_viewer_only_looks(home: Home, owner: Session, agent: Session) -> None:
    await protect(owner, outbound=HOLD_ALL)
    held = (await send(agent)).message_id
    viewer, reviewer = await person(home, "viewer"), await person(home, "reviewer")
    seen = await viewer.reviews.get(held)
    with pytest.raises(Forbidden, match="viewer"):
        await viewer.reviews.approve(held, ApproveRequest(content_hash=seen.content_hash))
    with pytest.raises(Forbidden, match="reviewer"):
        await reviewer.api_keys.create(CreateAPIKeyRequest(name="mine"))
    await reviewer.reviews.approve(held, ApproveRequest(content_hash=seen.content_hash))
    assert not (await viewer.reviews.list()).items


async def test_no_secret_is_shown_to_who_only_looks(home: Home, owner: Session) -> None:
    key = (await owner.api_keys.create(CreateAPIKeyRequest(name="agents"))).key
    webhook = await owner.webhooks.create(
        CreateWebhookRequest(url="http://127.0.0.1:9/hook", events=["email.received"])
    )
    for role in ("viewer", "reviewer"):
        session = await person(home, role)
        shown = [
            *(await session.api_keys.list()).items,
            *(await session.webhooks.list()).items,
            await session.webhooks.get(webhook.id),
            await session.account.get(),
        ]
        text = "".join(item.model_dump_json() for item in shown)
        assert key not in text
        assert webhook.signing_secret not in text
        with pytest.raises(Forbidden):
            await session.webhooks.rotate_secret(webhook.id)
        with pytest.raises(Forbidden):
            await session.account.export()
