"""The words in attachments, as an agent reads and finds them."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from e2a_core.contract.engine import Session
from e2a_core.errors import AttachmentNotFound
from e2a_core.store.statement import sql
from tests.documents.files import INVITATION, pdf
from tests.engine.mailbox import arrived, inbox
from tests.support.home import ASSISTANT, Home
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

MIXED = {"MIME-Version": "1.0", "Content-Type": 'multipart/mixed; boundary="outer"'}


def carrying(data: bytes, content_type: str, filename: str) -> bytes:
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    return (
        b"--outer\r\n\r\nSee the file.\r\n--outer\r\n"
        b"Content-Type: %s\r\nContent-Disposition: attachment; filename=%s\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n%s--outer--\r\n"
    ) % (content_type.encode(), filename.encode(), encoded)


async def received(home: Home, agent: Session, data: bytes, content_type: str, filename: str) -> str:
    assert (await home.deliver(headers=MIXED, body=carrying(data, content_type, filename))).accepted
    return (await arrived(agent)).id


async def test_the_text_of_an_invoice_in_pages(home: Home, agent: Session) -> None:
    message_id = await received(
        home, agent, pdf(["Invoice 4711", "Total 42 EUR"]), "application/pdf", "i.pdf"
    )
    whole = await agent.messages.attachment_text(ASSISTANT, message_id, 0)
    assert (whole.outcome, whole.pages, whole.next_offset) == ("text", 2, None)
    assert whole.text == "[page 1]\nInvoice 4711\n\n[page 2]\nTotal 42 EUR"
    head = await agent.messages.attachment_text(ASSISTANT, message_id, 0, max_chars=8)
    assert (head.text, head.next_offset, head.total_chars) == ("[page 1]", 8, len(whole.text))
    rest = await agent.messages.attachment_text(ASSISTANT, message_id, 0, offset=8)
    assert head.text + rest.text == whole.text


async def test_what_cannot_be_read_says_so(home: Home, agent: Session) -> None:
    message_id = await received(home, agent, b"PK\x03\x04" + bytes(40), "application/zip", "x.zip")
    read = await agent.messages.attachment_text(ASSISTANT, message_id, 0)
    assert (read.outcome, read.text) == ("unsupported", "")
    assert "cannot be read here" in read.note
    with pytest.raises(AttachmentNotFound):
        await agent.messages.attachment_text(ASSISTANT, message_id, 5)


async def test_a_picture_is_scaled(home: Home, agent: Session) -> None:
    out = io.BytesIO()
    Image.new("RGB", (2000, 1000)).save(out, "PNG")
    message_id = await received(home, agent, out.getvalue(), "image/png", "x.png")
    assert (await agent.messages.attachment_text(ASSISTANT, message_id, 0)).outcome == "picture"
    picture = await agent.messages.attachment_picture(ASSISTANT, message_id, 0)
    assert (picture.outcome, picture.content_type) == ("picture", "image/jpeg")
    with Image.open(io.BytesIO(picture.data)) as seen:
        assert seen.size == (1568, 784)


@pytest.mark.local_only("a look into the store")
async def test_what_arrives_is_read_without_being_asked_for(home: Home, agent: Session) -> None:
    message_id = await received(home, agent, INVITATION, "text/calendar", "invite.ics")

    async def kept() -> str | None:
        rows = await home.local.core.db.read(
            sql("SELECT * FROM attachment_texts WHERE message_id = :id", id=message_id)
        )
        return rows[0]["text"] if rows else None

    assert "What: Budget talk" in (await until(kept) or "")


@pytest.mark.local_only("a look into the store")
async def test_a_text_goes_with_its_message(home: Home, owner: Session, agent: Session) -> None:
    message_id = await received(home, agent, b"a,b", "text/csv", "x.csv")
    await agent.messages.attachment_text(ASSISTANT, message_id, 0)
    count = sql("SELECT count(*) AS n FROM attachment_texts")
    assert (await home.local.core.db.read(count))[0]["n"] == 1
    await owner.messages.delete(ASSISTANT, message_id)
    await owner.messages.delete(ASSISTANT, message_id, permanent=True)
    assert (await home.local.core.db.read(count))[0]["n"] == 0


async def test_a_search_finds_the_words_of_a_file_and_names_it(home: Home, agent: Session) -> None:
    letter = pdf(["Rechnung 4711", "Creme brulee"])
    message_id = await received(home, agent, letter, "application/pdf", "scan-7.pdf")

    async def found(query: str) -> list[list[str] | None]:
        items = await inbox(agent, query=query)
        return [item.found_in for item in items if item.id == message_id]

    async def named() -> bool:
        return await found("4711") == [["scan-7.pdf"]]

    await until(named)
    assert await found("creme brulee") == [["scan-7.pdf"]]
    assert await found("see 4711") == [["scan-7.pdf"]]
    # The words of the message itself are not the file's, and the file's name alone finds the message too.
    assert await found("see") == [None]
    assert await found("scan 7") == [None]
    assert await found("4712") == []


async def test_the_same_octets_are_read_by_their_label_and_kind(home: Home, agent: Session) -> None:
    octets = "\u041f\u0440\u0438\u0432\u0435\u0442".encode("koi8-r")
    for content_type, filename, outcome in (
        ("application/octet-stream", "x.bin", "unsupported"),
        ("text/plain; charset=koi8-r", "x.txt", "text"),
    ):
        message_id = await received(home, agent, octets, content_type, filename)
        read = await agent.messages.attachment_text(ASSISTANT, message_id, 0)
        assert read.outcome == outcome
    assert read.text == octets.decode("koi8-r")
