"""Search finds words of every script, parts of author and subject, and files, however much mail there is."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from e2a_core.contract.engine import Session
from e2a_core.contract.messages import MessageQuery, UpdateMessageRequest
from e2a_core.messages import driving, listing, search
from tests.engine.mailbox import inbox, send
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio

INSIDE = {
    "会议改到周五下午，请带上合同和发票原件。今晚重启mail-node后恢复服务": (
        "合同",
        "发票",
        "node",
        "会",
        "周五下午",
    ),
    "先日お送りした請求書の金額に誤りがありました。ﾃﾞｰﾀ": ("請求書", "金額", "データ"),
    "지난주에보낸견적서의 금액이 틀려서": ("견적서", "금액"),
    "กรุณาส่งใบแจ้งหนี้ภายในวันศุกร์": ("ใบแจ้งหนี้", "วันศุกร์"),
    "ກະລຸນາສົ່ງໃບແຈ້ງໜີ້": ("ໃບແຈ້ງ",),
    "សូមផ្ញើវិក្កយបត្រ": ("វិក្កយបត្រ",),
    "Das Café in der Straße: naïve résumé": ("cafe", "STRASSE", "resum"),
    "Τιμολόγιο και Счёт-фактура": ("τιμολογιο", "счет"),
    "invoice INV-2026/0042 foo_bar@example.org": ("INV-2026/0042", "foo_bar@example.org", "invoi"),
}


async def _subjects(session: Session, **query: object) -> list[str]:
    return [item.subject for item in await inbox(session, **{"read_status": "all", **query})]  # type: ignore[arg-type]


async def test_words_are_found_inside_text_of_every_script(home: Home, agent: Session) -> None:
    for number, text in enumerate(INSIDE):
        assert (await home.deliver(subject=f"letter {number}", text=text)).accepted
    for number, words in enumerate(INSIDE.values()):
        for word in words:
            assert await _subjects(agent, query=word) == [f"letter {number}"], word
    assert await _subjects(agent, query="合书") == []


async def test_either_of_two_words(home: Home, agent: Session) -> None:
    for name in ("apples today", "pears today", "plums today"):
        assert (await home.deliver(subject=name)).accepted
    assert await _subjects(agent, query="apples OR pears") == ["pears today", "apples today"]
    assert await _subjects(agent, query="today apples OR plums") == ["plums today", "apples today"]
    assert await _subjects(agent, query="apples AND today") == ["apples today"]
    assert await _subjects(agent, query="apples pears") == []
    for odd in ('"unclosed', "a AND", "x OR", "NEAR(", "col:x", "a*", "-x", "'; DROP", "{x}:y"):
        await inbox(agent, query=odd)


WORDS = [f"word{number}x" for number in range(30)]
LONG_QUERIES = {
    "as many as are looked for": (" ".join(WORDS[:20]), None),
    "one more": (" ".join(WORDS[:21]), WORDS[20:21]),
    "many more": (" ".join(WORDS), WORDS[20:]),
    "AND is no word": (" AND ".join(WORDS[:22]), WORDS[20:22]),
    "OR is no word": (" OR ".join(WORDS[:20]), None),
    "more alternatives": (" OR ".join(WORDS[:23]), WORDS[20:23]),
    "has:attachment is no word": ("has:attachment " + " ".join(WORDS[:20]), None),
    "punctuation is no word": (" - ".join(WORDS[:20]) + " & !", None),
    "hyphens join one": (" ".join(f"{word}-{word}" for word in WORDS[:21]), [f"{WORDS[20]}-{WORDS[20]}"]),
    "other scripts": ("結合 " * 20 + "請求書 ราคา", ["請求書", "ราคา"]),
}


async def test_words_that_are_not_looked_for_are_told(home: Home, agent: Session) -> None:
    assert (await home.deliver(subject="letter", text=" ".join(WORDS[:20]))).accepted
    for kind, (query, unsearched) in LONG_QUERIES.items():
        page = await agent.messages.list(ASSISTANT, MessageQuery(query=query))
        assert page.unsearched == unsearched, kind
    found = await agent.messages.list(ASSISTANT, MessageQuery(query=" ".join(WORDS)))
    assert [row.subject for row in found.items] == ["letter"]


async def test_files_are_found_by_name_and_asked_for(home: Home, agent: Session) -> None:
    await send(
        agent,
        subject="with",
        attachments=[{"filename": "Angebot-Ünlü.pdf", "content_type": "application/pdf", "data": "aGk="}],
    )
    await send(agent, subject="without")
    for query in ({"query": "unlu"}, {"query": "has:attachment"}, {"filter": "has:attachment"}):
        assert await _subjects(agent, direction="outbound", **query) == ["with"]
    assert await _subjects(agent, direction="outbound", filter="-has:attachment") == ["without"]


@pytest.fixture
def short_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "WALK", 2)


@pytest.mark.local_only("the pages are made in the other process")
async def test_what_is_rare_is_found_behind_much_other_mail(
    home: Home, agent: Session, short_walk: None
) -> None:
    assert (
        await home.deliver(subject="Rare Subject", text="needle 合同", sender="Zed <zed@plain.example>")
    ).accepted
    [rare] = await inbox(agent)
    await agent.messages.update(ASSISTANT, rare.id, UpdateMessageRequest(add_labels=["kept"]))
    for number in range(6):
        assert (await home.deliver(subject=f"letter {number}", text="hay needling")).accepted
    for query in (
        {"query": "needle"},
        {"query": "合同"},
        {"from": "zed@plain"},
        {"subject_contains": "are subj"},
        {"labels": ["kept"]},
        {"filter": 'subject:"re sub" from:zed'},
        {"filter": "label:kept OR subject:nothing"},
    ):
        assert await _subjects(agent, **query) == ["Rare Subject"], query
        assert await _subjects(agent, **{**query, "sort": "asc"}) == ["Rare Subject"], query
    assert await _subjects(agent, query="nowhere") == []
    assert len(await _subjects(agent, query="hay")) == 6
    await agent.messages.update(ASSISTANT, rare.id, UpdateMessageRequest(remove_labels=["kept"]))
    assert await _subjects(agent, labels=["kept"]) == []
    found: list[str] = []
    cursor = None
    while True:
        asked = MessageQuery(query="hay", limit=2, cursor=cursor, read_status="all")
        page = await agent.messages.list(ASSISTANT, asked)
        found += [item.subject for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [f"letter {number}" for number in range(5, -1, -1)]


@pytest.mark.local_only("the pages are made in the other process")
async def test_own_mail_is_found_by_parts_of_the_address_behind_other_mail(
    home: Home, agent: Session, short_walk: None
) -> None:
    await send(agent, subject="own offer")
    assert (await home.deliver(subject="assistant wanted", sender="assis@plain.example")).accepted
    for number in range(4):
        assert (await home.deliver(subject=f"letter {number}")).accepted
    own, other = ["own offer"], ["assistant wanted"]
    for query, found in (
        ({"from": ASSISTANT}, own),
        ({"from": ASSISTANT.upper()}, own),
        ({"from": ASSISTANT[2:9]}, own),
        ({"from": ASSISTANT[-8:], "subject_contains": "offer"}, own),
        ({"from": "assis"}, other + own),
        ({"from": "assis@"}, other),
        ({"subject_contains": ASSISTANT[:9]}, other),
        ({"filter": f"from:{ASSISTANT[:9]}"}, own),
        ({"filter": f"from:assis OR subject:{ASSISTANT[:9]}"}, other + own),
        ({"filter": f"from={ASSISTANT}"}, own),
        ({"filter": "from:plain.example subject:assis"}, other),
        ({"query": "offer", "from": "assis"}, own),
    ):
        assert await _subjects(agent, direction="all", **query) == found, query
    assert await _subjects(agent, direction="outbound", **{"from": "assis"}) == own
    assert await _subjects(agent, **{"from": "assis"}) == other


@pytest.mark.local_only("the pages are made in the other process")
async def test_several_common_conditions_are_met_page_by_page(
    home: Home, agent: Session, database_url: str, short_walk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (search, listing):
        monkeypatch.setattr(module, "MAX_HITS", 3)
    monkeypatch.setattr(driving, "SCATTERED", 4)
    for name in ("POSTGRESQL_HITS", "BUCKET", "_FIRST_SPAN"):
        monkeypatch.setattr(listing, name, 2)
    monkeypatch.setattr(search, "SAMPLE", 4)
    monkeypatch.setattr(search, "COMMON", 2)
    for number in range(14):
        text = "hay straw" if number % 2 else "hay strawberry clover" if number % 4 else "clover"
        sender = f"Zed <zed{number % 3}@plain.example>"
        assert (await home.deliver(subject=f"letter {number}", text=text, sender=sender)).accepted
    for row in await inbox(agent):
        number = int(row.subject.removeprefix("letter "))
        labels = [name for name, every in (("third", 3), ("fifth", 5)) if number % every == 0]
        if labels:
            await agent.messages.update(ASSISTANT, row.id, UpdateMessageRequest(add_labels=labels))
    if database_url.startswith("postgresql"):
        connection = await asyncpg.connect(database_url)
        await connection.execute("ANALYZE message_search")
        await connection.close()
    for query, expected in (
        ({"query": "hay", "labels": ["third"]}, [3, 6, 9]),
        ({"query": "hay straw"}, [1, 2, 3, 5, 6, 7, 9, 10, 11, 13]),
        ({"query": "straw hay"}, [1, 3, 5, 7, 9, 11, 13]),
        ({"query": "clover", "from": "zed1@"}, [4, 10]),
        ({"query": "hay OR clover", "from": "zed1@plain"}, [1, 4, 7, 10, 13]),
        ({"labels": ["third", "fifth"]}, [0]),
        ({"labels": ["third"], "subject_contains": "letter 1"}, [12]),
        ({"filter": "label:third -from:zed0"}, []),
        ({"filter": "(label:third OR label:fifth) from:zed", "query": "clo"}, [0, 6, 10, 12]),
        ({"query": "straw has:attachment"}, []),
    ):
        for sort in ("asc", "desc"):
            found = await _every_page(agent, {**query, "sort": sort})
            assert found == sorted(expected, reverse=sort == "desc"), query


async def _every_page(agent: Session, query: dict[str, Any]) -> list[int]:
    """The numbers in the subjects of all pages."""
    found: list[int] = []
    cursor = None
    while True:
        asked = {"limit": 2, "read_status": "all", **query, "cursor": cursor}
        page = await agent.messages.list(ASSISTANT, MessageQuery.model_validate(asked))
        found += [int(item.subject.removeprefix("letter ")) for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found
