"""A running deployment lets go of what it was told to keep no longer."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from e2a_core.errors import NotFound
from e2a_core.store.statement import sql
from tests.engine.mailbox import all_mail, arrived, inbox, send, settled
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("time passes behind the API")]


async def test_the_trash_is_emptied_by_itself(home: Home, agent: Session) -> None:
    await home.deliver(subject="Keep")
    kept = await arrived(agent)
    message_id = (await send(agent)).message_id
    await settled(agent, message_id)
    await agent.messages.delete(ASSISTANT, message_id)
    await home.advance(days=30, hours=2)

    async def gone() -> bool:
        try:
            await agent.messages.get(ASSISTANT, message_id)
        except NotFound:
            return True
        return False

    assert await until(gone)
    assert [item.id for item in await all_mail(agent)] == [kept.id]
    [content] = await home.local.core.db.read(sql("SELECT data FROM raw_messages"))
    assert b"Keep" in bytes(content["data"])


async def found(agent: Session, word: str) -> list[str]:
    return [item.id for item in await inbox(agent, read_status="all", query=word)]


@pytest.mark.settings(message_retention_days="10")
async def test_old_content_goes_and_its_envelope_stays(home: Home, agent: Session) -> None:
    await home.deliver(subject="Old news", text="peculiar")
    message_id = (await arrived(agent)).id
    assert await found(agent, "peculiar") == [message_id]
    await home.advance(days=10, hours=2)

    async def stripped() -> bool:
        return (await agent.messages.get(ASSISTANT, message_id)).raw_message is None

    assert await until(stripped)
    view = await agent.messages.get(ASSISTANT, message_id)
    assert (view.subject, view.attachments, view.size_bytes) == ("Old news", [], None)
    assert await found(agent, "peculiar") == []
    assert await found(agent, "news") == [message_id]
    with pytest.raises(NotFound):
        await agent.messages.raw(ASSISTANT, message_id)
