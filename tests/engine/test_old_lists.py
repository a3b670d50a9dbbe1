"""Mail stored by an older reader, whose lists of attachments differ from what is read now."""

from __future__ import annotations

import json

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.sending import ForwardRequest, SendOptions
from e2a_core.extraction.relist import RELIST_JOB, Relist
from e2a_core.store.jobs import Job
from e2a_core.store.migrate import load_migrations, statements_of
from e2a_core.store.statement import sql
from tests.engine.mailbox import arrived, inbox
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

HEADERS = {"MIME-Version": "1.0", "Content-Type": "multipart/mixed; boundary=b"}
BODY = (
    b"--b\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n"
    b"--b\r\nContent-Type: text/csv\r\n\r\nquince,7\r\n"
    b'--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="notes.txt"\r\n\r\nbuy medlars\r\n'
    b"--b--\r\n"
)
OLD_LIST = [{"index": 0, "filename": "notes.txt", "content_type": "text/plain", "size_bytes": 11}]
"""An older reader did not list parts without a name."""


async def stored_by_an_older_reader(home: Home, agent: Session) -> MessageView:
    assert (await home.deliver(headers=HEADERS, body=BODY)).accepted
    view = await arrived(agent)
    db = home.local.core.db

    async def read() -> bool:
        found = await db.read(sql("SELECT 1 FROM attachment_texts WHERE message_id = :id", id=view.id))
        return len(found) == 2

    await until(read)
    await db.write(
        [
            sql(
                "UPDATE messages SET attachments = :old WHERE id = :id", old=json.dumps(OLD_LIST), id=view.id
            ),
            sql("DELETE FROM attachment_texts WHERE message_id = :id AND attachment_index = 0", id=view.id),
            sql("UPDATE attachment_texts SET attachment_index = 0 WHERE message_id = :id", id=view.id),
        ]
    )
    return view


async def names_and_octets(session: Session, message_id: str) -> list[tuple[str | None, bytes]]:
    found = []
    for meta in (await session.messages.get(ASSISTANT, message_id, peek=True)).attachments:
        content = await session.messages.attachment_content(ASSISTANT, message_id, meta.index)
        shown = await session.messages.attachment(ASSISTANT, message_id, meta.index)
        read = await session.messages.attachment_text(ASSISTANT, message_id, meta.index)
        assert (content.meta, shown.filename, read.filename) == (meta, meta.filename, meta.filename)
        assert content.data.decode().strip() == read.text.strip()
        found.append((meta.filename, content.data))
    return found


async def test_an_index_means_the_same_everywhere(home: Home, agent: Session) -> None:
    view = await stored_by_an_older_reader(home, agent)
    wanted = [("part-2.csv", b"quince,7"), ("notes.txt", b"buy medlars")]
    assert await names_and_octets(agent, view.id) == wanted
    request = ForwardRequest(to=["bob@example.org"], text="FYI")
    sent = await agent.messages.forward(ASSISTANT, view.id, request, SendOptions(wait="sent"))
    assert await names_and_octets(agent, sent.message_id) == wanted


async def test_what_lists_and_searches_go_by_is_made_again(home: Home, agent: Session) -> None:
    view = await stored_by_an_older_reader(home, agent)
    assert [item.attachment_count for item in await inbox(agent, read_status="all")] == [1]
    db = home.local.core.db
    relist = next(item for item in load_migrations() if item.name == "relist")
    await db.write(statements_of(relist, db.dialect))

    async def named(word: str, name: str) -> bool:
        found = await inbox(agent, query=word, read_status="all")
        return [(item.id, item.attachment_count, item.found_in) for item in found] == [(view.id, 2, [name])]

    await until(lambda: named("quince", "part-2.csv"))
    await until(lambda: named("medlars", "notes.txt"))
    assert [item.id for item in await inbox(agent, query="part-2.csv", read_status="all")] == [view.id]


@pytest.mark.local_only("a look into the store")
async def test_old_mail_is_listed_again_in_batches(home: Home, agent: Session) -> None:
    old = [await stored_by_an_older_reader(home, agent) for _ in range(3)]
    now = home.local.core.clock.now()
    await Relist(home.local.core, batch=1)(Job("job", RELIST_JOB, {}, 1, "lease", now, now))

    async def listed() -> bool:
        counts = {item.id: item.attachment_count for item in await inbox(agent, read_status="all")}
        return [counts[view.id] for view in old] == [2, 2, 2]

    await until(listed)

    async def done() -> bool:
        return not await home.local.core.db.read(sql("SELECT 1 FROM jobs WHERE kind = 'relist'"))

    await until(done)
