"""What an agent learns of a file in one call: its words, its picture, or why neither."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from tests.documents.files import INVITATION, locked, pdf

from .conftest import Connect
from .relay import Inbox
from .results import text_of

pytestmark = pytest.mark.anyio


async def with_file(box: Inbox, data: bytes, content_type: str, filename: str) -> str:
    return await box.deliver(
        headers={
            "MIME-Version": "1.0",
            "Content-Type": content_type,
            "Content-Disposition": f"attachment; filename={filename}",
            "Content-Transfer-Encoding": "base64",
        },
        body=base64.encodebytes(data).replace(b"\n", b"\r\n"),
    )


async def read(connect: Connect, message_id: str, **arguments: Any) -> Any:
    async with connect() as client:
        result = await client.call_tool(
            "get_attachment", {"message_id": message_id, "attachment_index": 0, **arguments}
        )
    assert not result.is_error, result.content
    return result


async def test_one_call_says_what_the_invoice_says(connect: Connect, box: Inbox) -> None:
    message_id = await with_file(box, pdf(["Invoice 4711", "Total 42 EUR"]), "application/pdf", "i.pdf")
    result = await read(connect, message_id)
    assert "Total 42 EUR" in text_of(result)
    told = result.structured_content
    assert (told["outcome"], told["pages"]) == ("text", 2)
    # The words are a stranger's: they stand in a fence, which the text explains.
    marker = told["untrusted"]["marker"]
    assert told["text"].startswith(f"<<{marker}>>")
    assert "text" in told["untrusted"]["fields"]
    assert "data" not in told


async def test_a_long_document_comes_in_pages(connect: Connect, box: Inbox) -> None:
    message_id = await with_file(box, b"0123456789" * 100, "text/plain", "long.txt")
    first = await read(connect, message_id, max_chars=400)
    assert (first.structured_content["next_offset"], first.structured_content["total_chars"]) == (400, 1000)
    assert "go on with offset=400" in text_of(first)
    last = await read(connect, message_id, max_chars=600, offset=400)
    assert "next_offset" not in last.structured_content


async def test_a_picture_is_shown(connect: Connect, box: Inbox) -> None:
    out = io.BytesIO()
    Image.new("RGB", (3000, 1500), "teal").save(out, "PNG")
    result = await read(connect, await with_file(box, out.getvalue(), "image/png", "x.png"))
    (picture,) = (block for block in result.content if block.type == "image")
    with Image.open(io.BytesIO(base64.b64decode(picture.data))) as seen:
        assert (seen.size, picture.mime_type) == ((1568, 784), "image/jpeg")


@pytest.mark.parametrize(
    ("data", "content_type", "filename", "words"),
    [
        (locked(pdf(["x"]), "secret", "AES-256"), "application/pdf", "x.pdf", "locked with a password"),
        (pdf([""], picture=True), "application/pdf", "scan.pdf", "(a scan)"),
        (b"%PDF-1.7 cut", "application/pdf", "x.pdf", "damaged"),
        (b"PK\x03\x04" + bytes(30), "application/zip", "x.zip", "cannot be read here"),
    ],
)
async def test_what_cannot_be_read_says_why(
    connect: Connect, box: Inbox, data: bytes, content_type: str, filename: str, words: str
) -> None:
    result = await read(connect, await with_file(box, data, content_type, filename))
    assert words in text_of(result)
    assert "text" not in result.structured_content


async def test_bytes_come_only_when_asked_for(connect: Connect, box: Inbox) -> None:
    message_id = await with_file(box, b"a,b", "text/csv", "x.csv")
    assert "data" not in (await read(connect, message_id)).structured_content
    inline = await read(connect, message_id, inline=True)
    assert base64.b64decode(inline.structured_content["data"]) == b"a,b"


async def test_an_invitation_is_in_its_message(connect: Connect, box: Inbox) -> None:
    message_id = await with_file(box, INVITATION, "text/calendar", "invite.ics")
    async with connect() as client:
        shown = await client.call_tool("get_message", {"message_id": message_id, "peek": True})
        assert not shown.is_error, shown.content
        listed = await client.call_tool("list_messages", {})
    words = text_of(shown)
    for line in ("What: Budget talk", "When: 2026-12-01 10:00+01:00", "Where: Room 5", "Organizer: Ann"):
        assert line in words
    marker = shown.structured_content["untrusted"]["marker"]
    assert shown.structured_content["invitation"].startswith(f"<<{marker}>>")
    # Looking at the file does not mark the message read either.
    assert message_id in text_of(listed)


@pytest.mark.parametrize(
    ("data", "content_type", "filename", "text"),
    [
        ("a,b\n1,ä".encode(), "text/csv", "x.csv", "a,b\n1,ä"),
        (b'{"a": 1}', "application/json", "x.json", '{"a": 1}'),
        (INVITATION, "text/calendar", "x.ics", INVITATION.decode()),
        ("Grüße".encode("cp1252"), "text/plain", "x.txt", "Grüße"),
        (pdf(["x"]), "application/pdf", "x.pdf", None),
    ],
)
async def test_a_resource_of_a_text_kind_is_text(
    connect: Connect, box: Inbox, data: bytes, content_type: str, filename: str, text: str | None
) -> None:
    message_id = await with_file(box, data, content_type, filename)
    async with connect() as client:
        found = await client.read_resource(f"mail://{box.email}/messages/{message_id}/attachments/0")
    assert getattr(found.contents[0], "text", None) == text
    assert found.contents[0].mime_type == content_type
