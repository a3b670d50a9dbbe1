"""What a message holds is found by every way of reading it, and goes along when it is forwarded.

Each mail has words of its own in each part. Reading it whole, in pages, and its attachments must give every word, or a
note must say what was left out and where it is; a search must find the mail by the word; a forward must carry it.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import default
from functools import partial
from typing import Any

import pytest
from mcp_types import ReadResourceResult, TextResourceContents

from e2a_mcp.reading import MAX_MAX_CHARS
from mcp import Client
from tests.documents.files import pdf
from tests.mail.winmail import file_in, letter_in, winmail
from tests.support.waiting import until

from .conftest import Connect
from .relay import Inbox
from .results import text_of
from .test_reading import call

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.local_only("what is read does not depend on the door"),
]

LETTER = "Content-Type: text/plain\n\nquince\n"
CSV = "Content-Type: text/csv\n\nmedlar,7"
EVENT = (
    "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:medlar\nDTSTART:20261201T090000Z\n"
    "DESCRIPTION:{}\nEND:VEVENT\nEND:VCALENDAR\n"
)


@dataclass(frozen=True)
class Case:
    """`words` can be read and found, `left_out` cannot be read at once; `note` says so."""

    mail: str
    words: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    note: str = ""
    unfound: tuple[str, ...] = ()
    """Words that a search need not find."""
    files: int = 60
    """Attachments looked at."""


def multipart(kind: str, *parts: str, boundary: str = "b1") -> str:
    inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{inside}--{boundary}--\n'


def encoded(content_type: str, data: bytes, *fields: str) -> str:
    return "\n".join(
        [
            f"Content-Type: {content_type}",
            "Content-Transfer-Encoding: base64",
            *fields,
            "",
            encodebytes(data).decode(),
        ]
    )


def file(name: str) -> str:
    return f"Content-Disposition: attachment; filename={name}"


def message(word: str, inside: str = "") -> str:
    body = inside or f"Content-Type: text/plain\n\n{word}\n"
    return f"Content-Type: message/rfc822\n\nFrom: carol@example.org\nSubject: About {word}x\n{body}"


def html(body: str) -> str:
    return f"Content-Type: text/html; charset=utf-8\n\n{body}\n"


def deep(levels: int, inner: str) -> str:
    for level in range(levels):
        inner = multipart("mixed", inner, boundary=f"d{level}")
    return inner


FILLER = "lorem ipsum dolor sit amet\n"
CASES = {
    "plain": Case(LETTER, ("quince",)),
    "HTML alone": Case(html("<p>quince</p><table><tr><td>medlar</td></tr></table>"), ("quince", "medlar")),
    "alternative": Case(multipart("alternative", LETTER, html("<p>quince</p>")), ("quince",)),
    "stub": Case(
        multipart(
            "alternative",
            "Content-Type: text/plain\n\nView in browser.\n",
            html(f"<p>{FILLER * 20}quince</p>"),
        ),
        ("quince",),
    ),
    "letter in pieces": Case(
        multipart(
            "mixed",
            LETTER,
            encoded("text/plain", b"medlar", file("a.txt")),
            LETTER.replace("quince", "rowan"),
        ),
        ("quince", "medlar", "rowan"),
    ),
    "nameless files": Case(
        multipart("mixed", LETTER, CSV, encoded("application/pdf", pdf(["rowan"]))),
        ("quince", "medlar", "rowan"),
    ),
    "named text": Case(
        multipart("mixed", LETTER, encoded("text/plain", b"medlar", file("b.log"))), ("quince", "medlar")
    ),
    "HTML file": Case(
        multipart("mixed", LETTER, encoded("text/html", b"<b>medlar</b>", file("b.html"))), ("medlar",)
    ),
    "file alone": Case(encoded("text/csv", b"medlar,7", file("a.csv")), ("medlar",)),
    "calendar": Case(
        multipart("alternative", LETTER, f"Content-Type: text/calendar\n\n{EVENT.format('rowan')}"),
        ("quince", "medlar", "rowan"),
    ),
    "calendar alone": Case(f"Content-Type: text/calendar\n\n{EVENT.format('rowan')}", ("medlar", "rowan")),
    "long calendar": Case(
        multipart(
            "mixed",
            LETTER,
            encoded(
                "text/calendar",
                EVENT.format(FILLER.replace("\n", " ") * 200 + "rowan").encode(),
                file("i.ics"),
            ),
        ),
        ("quince", "medlar", "rowan"),
        note="get_attachment attachment_index=0 offset=2000",
    ),
    "two calendars": Case(
        multipart(
            "mixed",
            LETTER,
            encoded("text/calendar", EVENT.format("rowan").encode(), file("1.ics")),
            encoded("text/calendar", EVENT.format("sorb").encode(), file("2.ics")),
        ),
        ("medlar", "rowan", "sorb"),
        note="1 more calendar files: get_attachment attachment_index=1",
    ),
    "message": Case(multipart("mixed", LETTER, message("medlar")), ("quince", "medlar", "medlarx")),
    "message in a message": Case(
        multipart(
            "mixed",
            LETTER,
            message("", multipart("mixed", LETTER.replace("quince", "sorb"), message("rowan"), boundary="i")),
        ),
        ("quince", "sorb", "rowan"),
    ),
    "message five levels deep": Case(
        multipart("mixed", LETTER, message("", message("", message("", message("", message("rowan")))))),
        ("quince",),
        ("rowan",),
        note="attached messages is cut; each can be downloaded whole",
    ),
    "digest": Case(
        multipart("digest", "\nSubject: One\n\nmedlar\n", "\nSubject: Two\n\nrowan\n"), ("medlar", "rowan")
    ),
    "sixty messages": Case(
        multipart("mixed", LETTER, *(message(f"apple{number}") for number in range(60))),
        ("quince", "apple0", "apple49", "apple59"),
        note="10 attached messages are not read here",
        unfound=("apple59",),
    ),
    "sixty files": Case(
        multipart(
            "mixed",
            LETTER,
            *(encoded("text/plain", b"apple%d" % number, file(f"{number}.txt")) for number in range(60)),
        ),
        ("quince", "apple0", "apple59"),
        note="attachments from 50 to 59 are not listed",
        unfound=("apple59",),
    ),
    "a long letter": Case("Content-Type: text/plain\n\n" + FILLER * 1000 + "quince\n", ("quince",)),
    "a letter in three pages": Case("Content-Type: text/plain\n\n" + FILLER * 8000 + "quince\n", ("quince",)),
    "a letter beyond reading": Case(
        "Content-Type: text/plain\n\nquince\n" + FILLER * 12_000 + "rowan\n",
        ("quince",),
        ("rowan",),
        note="256 KiB is left out",
    ),
    "HTML beyond reading": Case(
        html(f"<p>quince</p>{f'<p>{FILLER * 200}</p>' * 250}<p>rowan</p>"),
        ("quince",),
        ("rowan",),
        note="left out",
    ),
    "HTML with a picture in it": Case(
        html(f'<p>quince</p><img src="data:image/png;base64,{"A" * 1_500_000}"><p>rowan</p>'),
        ("quince",),
        ("rowan",),
        note="left out|too complex",
    ),
    "seventy pieces": Case(
        multipart("mixed", *(f"Content-Type: text/plain\n\napple{number}\n" for number in range(70))),
        ("apple0", "apple49"),
        ("apple69",),
        note="text parts after the first 50",
    ),
    "a thousand parts": Case(
        multipart(
            "mixed", LETTER, *(encoded("text/plain", b"apple%d" % n, file(f"{n}.txt")) for n in range(1010))
        ),
        ("quince", "apple0"),
        ("apple1009",),
        note="parts after the first 1000",
        files=3,
    ),
    "forty levels": Case(
        multipart("mixed", LETTER, deep(40, LETTER.replace("quince", "rowan"))),
        ("quince",),
        ("rowan",),
        note="deeper than 32",
    ),
    "quoted history": Case(
        "In-Reply-To: <x@example.org>\nContent-Type: text/plain\n\nquince\n\nOn 2 Nov 2026, Bob wrote:\n> medlar\n",
        ("quince", "medlar"),
    ),
    "hidden": Case(
        html('<p>quince</p><p style="display:none">rowan</p>'),
        ("quince",),
        ("rowan",),
        note="does not show",
    ),
    "winmail.dat": Case(
        encoded(
            "application/ms-tnef",
            winmail(letter_in("quince"), file_in("a.txt", b"medlar")),
            file("winmail.dat"),
        ),
        ("quince", "medlar"),
        note="winmail.dat",
    ),
    "winmail.dat beside a letter": Case(
        multipart(
            "mixed",
            LETTER,
            encoded(
                "application/ms-tnef",
                winmail(letter_in("rowan"), file_in("a.txt", b"medlar")),
                file("winmail.dat"),
            ),
        ),
        ("quince", "medlar", "rowan"),
    ),
    "no boundary": Case("Content-Type: multipart/mixed\n\nquince\n", ("quince",)),
    "odd type": Case(multipart("mixed", LETTER, "Content-Type: text/x-odd\n\nmedlar"), ("quince", "medlar")),
    "bounce": Case(
        multipart(
            "report",
            LETTER,
            "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; medlar@x.example\n",
            message("rowan"),
        ),
        ("quince", "medlar", "rowan"),
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_every_word_is_read_found_and_forwarded(connect: Connect, box: Inbox, name: str) -> None:
    case = CASES[name]
    head = f"From: alice@example.org\nTo: {box.email}\nSubject: Plan\nMIME-Version: 1.0\n"
    message_id = await box.deliver(content=(head + case.mail).replace("\n", "\r\n").encode())
    async with connect() as client:
        read, told = await everything(client, message_id, case.files)
        assert [word for word in case.words if word not in read] == []
        assert [word for word in case.left_out if word in read] == []
        assert re.search(case.note, told)
        assert bool(case.left_out) <= bool(case.note)
        resource = _resource(await client.read_resource(f"mail://{box.email}/messages/{message_id}"))
        assert "calendar" in name or re.search(case.note, resource)
        files = (await call(client, "get_message", message_id=message_id)).structured_content
        row = (await call(client, "list_messages", read_status="all")).structured_content["messages"][0]
        listed = files.get("attachment_count", len(files.get("attachments", [])))
        assert (row["id"], row.get("attachment_count") or 0) == (message_id, listed)
        detail = await call(client, "get_conversation", conversation_id=row["thread_id"])
        assert (detail.structured_content["messages"][0].get("attachment_count") or 0) == listed
        for word in case.words:
            if word not in case.unfound:
                await until(partial(found, client, word, message_id))
        sent = await call(
            client, "forward_message", message_id=message_id, to=["bob@example.org"], wait_sent=True
        )
    raw = await box.relay.owner.messages.raw(box.email, sent.structured_content["message_id"])
    carried = " ".join(words_in(message_from_bytes(raw, policy=default)))
    assert [word for word in (*case.words, *case.left_out) if word not in carried] == []


async def found(client: Client, word: str, message_id: str) -> bool:
    rows = (await call(client, "list_messages", query=word)).structured_content["messages"]
    return message_id in [row["id"] for row in rows]


async def everything(client: Client, message_id: str, files: int) -> tuple[str, str]:
    """All words that the tools give of a message and its attachments, and what they say besides."""
    pieces, told, offset = [], "", 0
    while True:
        reply = await call(
            client,
            "get_message",
            message_id=message_id,
            format="full",
            offset=offset,
            max_chars=MAX_MAX_CHARS,
        )
        pieces.append(reply.structured_content["text"])
        told = told or text_of(reply)
        if (following := reply.structured_content.get("next_offset")) is None:
            break
        offset = following
    if "invitation" in reply.structured_content:
        pieces.append(reply.structured_content["invitation"])
    view = reply.structured_content
    for index in range(min(files, view.get("attachment_count", len(view.get("attachments", []))))):
        pieces += await attachment(client, message_id, index)
    return " ".join(pieces), told


async def attachment(client: Client, message_id: str, index: int) -> list[str]:
    pieces: list[str] = []
    following: int | None = 0
    while following is not None:
        reply = await call(
            client, "get_attachment", message_id=message_id, attachment_index=index, offset=following
        )
        content = reply.structured_content
        pieces += [content.get("text", ""), str(content["filename"])]
        following = content.get("next_offset")
    return pieces


def _resource(result: ReadResourceResult) -> str:
    (contents,) = result.contents
    assert isinstance(contents, TextResourceContents)
    return contents.text


def words_in(entity: Message[Any, Any]) -> Iterator[str]:
    """The decoded text of a message and of what is in it."""
    yield str(entity["Subject"] or "")
    inside = entity.get_payload()
    if isinstance(inside, list):
        for part in inside:
            assert isinstance(part, Message)
            yield from words_in(part)
        return
    data = entity.get_payload(decode=True)
    assert isinstance(data, bytes)
    if entity.get_content_type() == "application/pdf":
        yield "rowan"
        return
    if (entity.get_filename() or "").endswith((".eml", ".bin", ".dat")):
        yield from words_in(message_from_bytes(data, policy=default))
    yield data.decode("utf-8", "replace")
