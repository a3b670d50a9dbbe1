"""Mail indexed by an older version, which took text without blanks between words for one word."""

from __future__ import annotations

import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import UpdateMessageRequest
from e2a_core.extraction.reindex import REINDEX_JOB, Reindex
from e2a_core.store.database import Database
from e2a_core.store.jobs import Job
from e2a_core.store.migrate import load_migrations, statements_of
from e2a_core.store.statement import Statement, sql
from tests.engine.mailbox import arrived, inbox, protect, send
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

OLD = {
    "会议改到周五下午，请带上合同和发票原件": ("合同", "发票", "周五下午"),
    "先日お送りした請求書の金額に誤りがありました": ("請求書", "金額"),
    "지난주에보낸견적서의 금액이 틀려서": ("견적서", "금액"),
    "กรุณาส่งใบแจ้งหนี้ภายในวันศุกร์": ("ใบแจ้งหนี้", "วันศุกร์"),
    "ກະລຸນາສົ່ງໃບແຈ້ງໜີ້": ("ໃບແຈ້ງ",),
    "សូមផ្ញើវិក្កយបត្រ": ("វិក្កយបត្រ",),
    "ကျေးဇူးပြု၍ငွေတောင်းခံလွှာပို့ပါ": ("ငွေတောင်းခံ",),
    "plain words with one 発注番号 in between": ("発注", "between"),
}


def older_index() -> Statement:
    """What 0010 made of the words of an old index: each run of letters is one. Files have been read since."""
    words = "replace(replace(m.subject, '，', ' '), '၍', ' ')"
    files = (
        "ARRAY(SELECT t FROM attachment_texts a, unnest(string_to_array(a.terms, ' ')) t "
        "WHERE a.message_id = m.id AND t <> '')"
    )
    return Statement(
        "UPDATE message_search SET body = '', head = (SELECT '_i' || lower(hex(m.agent_email)) || ' ' || "
        f"{words} FROM messages m WHERE m.seq = message_search.rowid)",
        {},
        "UPDATE message_search s SET terms = old.made || old.words || old.files, head = old.made || old.words FROM ("
        "SELECT m.seq, array_to_tsvector(ARRAY(SELECT t FROM unnest(tsvector_to_array(i.terms)) t "
        f"WHERE t ~ '^_[ialb]')) AS made, array_to_tsvector({files}) AS files, "
        f"array_to_tsvector(array_remove(string_to_array({words}, ' '), '')) AS words "
        "FROM messages m JOIN message_search i ON i.seq = m.seq) old WHERE old.seq = s.seq",
    )


async def run_migration(db: Database) -> None:
    reindex = next(item for item in load_migrations() if item.name == "reindex")
    await db.write(statements_of(reindex, db.dialect))


async def found(session: Session, **query: object) -> list[str]:
    return [item.subject for item in await inbox(session, read_status="all", **query)]  # type: ignore[arg-type]


async def until_reindexed(home: Home) -> None:
    async def done() -> bool:
        return not await home.local.core.db.read(
            sql("SELECT 1 FROM jobs WHERE kind = :kind", kind=REINDEX_JOB)
        )

    await until(done)


async def test_words_inside_old_mail_are_found(home: Home, agent: Session) -> None:
    db = home.local.core.db
    for text in OLD:
        assert (await home.deliver(subject=text, text=text)).accepted
    await db.write([older_index()])
    assert await found(agent, query="合同") == []
    await run_migration(db)
    await until_reindexed(home)
    for text, words in OLD.items():
        for word in words:
            assert await found(agent, query=word) == [text], word


async def test_labels_and_files_of_old_mail_are_still_found(home: Home, agent: Session) -> None:
    db = home.local.core.db
    headers = {"MIME-Version": "1.0", "Content-Type": "multipart/mixed; boundary=b"}
    body = (
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n請見附件中的報價單\r\n"
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        'Content-Disposition: attachment; filename="價目表.txt"\r\n\r\n'
        "榲桲每公斤七元\r\n--b--\r\n"
    ).encode()
    assert (await home.deliver(subject="報價", headers=headers, body=body)).accepted
    view = await arrived(agent)

    async def read() -> bool:
        return await found(agent, query="榲桲") == ["報價"]

    await until(read)
    await db.write([older_index()])
    await agent.messages.update(ASSISTANT, view.id, UpdateMessageRequest(add_labels=["kept"]))
    await run_migration(db)
    await until_reindexed(home)
    for word in ("報價單", "榲桲", "價目", "報價"):
        assert await found(agent, query=word) == ["報價"], word
    assert await found(agent, labels=["kept"], query="報價單") == ["報價"]
    assert await found(agent, filter="has:attachment", query="報價單") == ["報價"]


async def test_sent_and_held_mail_is_indexed_again(home: Home, owner: Session, agent: Session) -> None:
    db = home.local.core.db
    await send(agent, subject="訂單確認", text="貨物將於星期三送達倉庫")
    await protect(owner, outbound={"policy": "allowlist", "action": "review"})
    assert (await send(agent, subject="訂單取消", text="星期四的送達已取消")).status == "pending_review"
    await db.write([older_index()])
    assert await found(agent, direction="outbound", query="送達") == []
    await run_migration(db)
    await until_reindexed(home)
    assert await found(agent, direction="outbound", query="送達") == ["訂單取消", "訂單確認"]


@pytest.mark.local_only("a look into the store")
async def test_it_goes_on_batch_by_batch_and_leaves_new_mail_alone(home: Home, agent: Session) -> None:
    core = home.local.core
    for number in range(4):
        assert (await home.deliver(subject=f"第{number}封信件内容", text="关于合同的说明")).accepted
    await core.db.write([older_index()])
    [last] = await core.db.read(sql("SELECT max(seq) AS seq FROM messages"))
    now = core.clock.now()
    one = Reindex(core, batch=1)
    payload = {"until": last["seq"] - 1}
    for _ in range(2):  # A process that was killed in between handles its batch again.
        await one(Job("job", REINDEX_JOB, payload, 1, "lease", now, now))
    queued = await core.db.read(sql("SELECT id FROM jobs WHERE kind = :kind", kind=REINDEX_JOB))
    assert len(queued) <= 1
    await until_reindexed(home)
    assert len(await found(agent, query="合同")) == 3
