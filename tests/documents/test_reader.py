"""Files of strangers, read by the real worker process."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable

import anyio
import pytest
from PIL import Image

from e2a_core.documents.document import MAX_TEXT, Kind, Outcome, kind_of, may_hold_text
from e2a_core.documents.reader import DocumentReader
from e2a_core.documents.worker import READY
from tests.documents.files import INVITATION, compressed, docx, locked, pdf, word

pytestmark = pytest.mark.anyio

PARAGRAPH = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1 if n else str()};" * 10}">' for n in range(9))
    + "]>"
)


@pytest.fixture
def reader() -> DocumentReader:
    # The machine that runs the tests may be busy, and a worker takes half a second to start then.
    return DocumentReader(seconds=30)


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("one.pdf", pdf(["Invoice total 42 EUR"]), "Invoice total 42 EUR"),
        ("two.pdf", pdf(["first", "second"]), "[page 1]\nfirst\n\n[page 2]\nsecond"),
        ("no-name", b"junk before\n" + pdf(["late header"]), "late header"),
        ("open.pdf", locked(pdf(["for all"]), "", "AES-256"), "for all"),
        ("old.pdf", locked(pdf(["for all"]), "", "RC4-128"), "for all"),
        ("a.docx", docx(word(PARAGRAPH.format("Total 42"))), "Total 42"),
        ("b.docx", docx(word(PARAGRAPH.format("a")), footnotes=word(PARAGRAPH.format("note"))), "a\nnote"),
        (
            "tracked.docx",
            docx(
                word(
                    "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:t>old</w:t></w:r></w:del></w:p>"
                )
            ),
            "new",
        ),
        (
            "control.docx",
            docx(word(f"<w:sdt><w:sdtContent>{PARAGRAPH.format('field')}</w:sdtContent></w:sdt>")),
            "field",
        ),
        (
            "table.docx",
            docx(
                word(
                    f"<w:tbl><w:tr><w:tc>{PARAGRAPH.format('Sum')}</w:tc><w:tc>{PARAGRAPH.format('7')}</w:tc></w:tr></w:tbl>"
                )
            ),
            "Sum | 7",
        ),
        ("x.csv", b"a,b\n1,2", "a,b\n1,2"),
        ("x.json", '{"ä": 1}'.encode(), '{"ä": 1}'),
        ("old.txt", "Grüße".encode("cp1252"), "Grüße"),
        ("page.html", b"<style>p{}</style><p>Hello <b>you</b></p>", "Hello you"),
        (
            "letter.eml",
            b"From: a@b.example\r\nSubject: Hi\r\n\r\nText\r\n",
            "From: a@b.example\nSubject: Hi\n\nText",
        ),
    ],
)
async def test_the_text_of_a_file(reader: DocumentReader, name: str, data: bytes, text: str) -> None:
    found = await reader.text(data, "application/octet-stream", name)
    assert (found.outcome, found.text.strip()) == (Outcome.TEXT, text)


async def test_an_invitation_says_what_when_where_who(reader: DocumentReader) -> None:
    found = await reader.text(INVITATION, "text/calendar", "")
    assert found.text.splitlines() == [
        "Invitation (REQUEST)",
        "What: Budget talk",
        "When: 2026-12-01 10:00+01:00 Europe/Berlin to 2026-12-01 11:00+01:00 Europe/Berlin",
        "Repeats: FREQ=WEEKLY;COUNT=4",
        "Where: Room 5",
        "Organizer: Ann <ann@example.org>",
        "Who: Bob <bob@example.net> (accepted), eve@example.net (has not answered)",
        "Description: Bring figures, please.",
        "UID: 1@example.org",
    ]


@pytest.mark.parametrize(
    ("what", "data", "outcome"),
    [
        ("scan.pdf", pdf([""], picture=True), Outcome.SCAN),
        ("empty.pdf", pdf([""]), Outcome.EMPTY),
        ("secret.pdf", locked(pdf(["x"]), "secret", "AES-256"), Outcome.PASSWORD),
        ("secret-old.pdf", locked(pdf(["x"]), "secret", "RC4-128"), Outcome.PASSWORD),
        ("secret.docx", b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), Outcome.PASSWORD),
        ("cut.pdf", pdf(["abc"])[:150], Outcome.DAMAGED),
        ("noise.pdf", b"%PDF-1.7" + bytes(range(256)) * 50, Outcome.DAMAGED),
        ("cut.docx", docx(word(PARAGRAPH.format("a")))[:-40], Outcome.DAMAGED),
        ("cut.ics", b"BEGIN:VCALENDAR\r\nwhat is this", Outcome.DAMAGED),
        ("laughs.docx", docx(LAUGHS + word(PARAGRAPH.format("&a8;"))), Outcome.DAMAGED),
        ("sheet.xlsx", docx(word("")).replace(b"word/", b"xl//x"), Outcome.UNSUPPORTED),
        ("old.doc", b"\xd0\xcf\x11\xe0" + bytes(100), Outcome.UNSUPPORTED),
        ("x.zip", b"PK\x03\x04" + bytes(30), Outcome.UNSUPPORTED),
        ("x.bin", bytes(range(256)), Outcome.UNSUPPORTED),
        ("blank.txt", b" \r\n ", Outcome.EMPTY),
        ("a.png", b"\x89PNG\r\n\x1a\n", Outcome.PICTURE),
    ],
)
async def test_what_cannot_be_read_says_why(
    reader: DocumentReader, what: str, data: bytes, outcome: Outcome
) -> None:
    found = await reader.text(data, "application/octet-stream", what)
    assert (found.outcome, found.text) == (outcome, "")
    assert found.outcome.sentence


@pytest.mark.parametrize(
    "made",
    [
        lambda: pdf([compressed(b" " * 1_000_000, 1000)]),
        lambda: docx(word("<w:p><w:r/></w:p>" * 5_000_000)),
    ],
    ids=["pdf", "docx"],
)
async def test_a_bomb_is_too_demanding(reader: DocumentReader, made: Callable[[], bytes]) -> None:
    found = await reader.text(made(), "application/octet-stream", "bomb")
    assert (found.outcome, found.text) == (Outcome.TOO_DEMANDING, "")


async def test_a_reader_that_does_not_end_is_killed() -> None:
    endless = pdf([compressed(b"BT /F1 12 Tf " + b"(a) Tj " * 100_000 + b"ET ", 30)])
    with anyio.fail_after(30):
        found = await DocumentReader(seconds=1).text(endless, "application/pdf", "slow.pdf")
    assert found.outcome is Outcome.TOO_DEMANDING


async def test_a_long_text_is_cut_and_says_so(reader: DocumentReader) -> None:
    found = await reader.text(b"x" * (MAX_TEXT + 1), "text/plain", "long.txt")
    assert (len(found.text), found.truncated) == (MAX_TEXT, True)


async def test_a_file_of_many_pages_is_read_from_its_beginning(reader: DocumentReader) -> None:
    busy = compressed(b"BT /F1 12 Tf 72 700 Td (word) Tj ET " * 60, 1)
    found = await reader.text(pdf([busy] * 2_000), "application/pdf", "long.pdf")
    assert (found.outcome, found.truncated, found.pages) == (Outcome.TEXT, True, 2_000)
    assert found.text.startswith("[page 1]\nword")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
async def test_a_picture_is_scaled(reader: DocumentReader, format: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (3200, 1600), "teal").save(out, format)
    assert (await reader.text(out.getvalue(), "application/octet-stream", "")).outcome is Outcome.PICTURE
    picture = await reader.picture(out.getvalue())
    assert (picture.outcome, picture.width, picture.height) == (Outcome.PICTURE, 1568, 784)
    with Image.open(io.BytesIO(picture.data)) as seen:
        assert (seen.size, Image.MIME[seen.format or ""]) == ((1568, 784), picture.content_type)


async def test_what_is_clear_stays_clear(reader: DocumentReader) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(out, "PNG")
    assert (await reader.picture(out.getvalue())).content_type == "image/png"


async def test_pictures_that_cannot_be_shown_say_why(reader: DocumentReader) -> None:
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    assert (await reader.picture(out.getvalue())).outcome is Outcome.TOO_DEMANDING
    assert (await reader.picture(b"\xff\xd8\xff cut")).outcome is Outcome.DAMAGED


@pytest.mark.parametrize(
    ("attempt", "allowed"),
    [
        ("open('/etc/passwd')", False),
        ("__import__('socket').socket()", False),
        ("__import__('os').fork()", False),
        ("__import__('subprocess').run(['true'])", False),
        ("bytearray(400 * 1024 * 1024)", False),
        ("1 + 1", True),
    ],
)
def test_the_worker_gives_up_what_it_does_not_need(attempt: str, allowed: bool) -> None:
    """Whatever a file makes the reader of PDF do, it has no files, no network, no children and little memory."""
    program = (
        "import socket, subprocess, sys\n"
        "from e2a_core.documents import worker\n"
        "sys.argv = ['worker', 'pdf']\n"
        f"worker._reader = lambda kind: lambda data: {attempt} and 1 / 0\n"
        "worker._answer = lambda found: None\n"
        "worker.main()\n"
        f"{attempt}\n"
        "sys.stdout.write('did it')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"", capture_output=True, check=False, env={**os.environ}
    )
    assert done.stdout.startswith(READY)
    assert done.stdout.endswith(b"did it") is allowed


def test_the_worker_learns_nothing_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2A_HMAC_SECRET", "not for readers of documents")
    seen = subprocess.run(
        [
            sys.executable,
            "-c",
            "from e2a_core.documents.reader import _environment; print(dict(_environment()))",
        ],
        capture_output=True,
        check=True,
    )
    assert b"E2A" not in seen.stdout


@pytest.mark.parametrize(
    ("data", "content_type", "filename", "kind"),
    [
        (b"%PDF-1.7", "text/plain", "x.txt", Kind.PDF),
        (b"plain", "application/pdf", "x.pdf", Kind.OTHER),
        (b"plain", "text/x-log", "", Kind.TEXT),
        (b"<svg/>", "image/svg+xml", "x.svg", Kind.TEXT),
        (b"{}", "application/vnd.api+json", "", Kind.TEXT),
        (b"a\0b", "application/octet-stream", "x.csv", Kind.OTHER),
        (b"begin:vcalendar\r\n", "application/octet-stream", "", Kind.CALENDAR),
        (b"x", "application/octet-stream", "invite.ICS", Kind.CALENDAR),
        (b"x", "message/rfc822", "", Kind.MESSAGE),
        (b"x", "message/delivery-status", "", Kind.TEXT),
    ],
)
def test_the_kind_of_a_file(data: bytes, content_type: str, filename: str, kind: Kind) -> None:
    assert kind_of(data, content_type, filename) is kind


@pytest.mark.parametrize(
    ("content_type", "filename", "expected"),
    [
        ("application/pdf", "", True),
        ("application/octet-stream", "Invoice.PDF", True),
        ("application/octet-stream", "letter.docx", True),
        ("text/csv", "", True),
        ("image/png", "x.png", False),
        ("application/zip", "x.zip", False),
    ],
)
def test_what_may_hold_text(content_type: str, filename: str, expected: bool) -> None:
    assert may_hold_text(content_type, filename) is expected


async def test_a_table_inside_a_cell_is_read_once(reader: DocumentReader) -> None:
    before, after = "<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"
    nested = before * 30 + PARAGRAPH.format("inner") + after * 30
    found = await reader.text(docx(word(nested)), "", "nested.docx")
    assert (found.outcome, found.text) == (Outcome.TEXT, "inner")


async def test_a_calendar_of_years_is_read_from_its_beginning(reader: DocumentReader) -> None:
    entry = "BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:standup\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\n"
    data = f"BEGIN:VCALENDAR\r\n{entry * 100_000}END:VCALENDAR\r\n".encode()
    found = await reader.text(data, "text/calendar", "years.ics")
    assert (found.outcome, found.truncated) == (Outcome.TEXT, True)
    assert found.text.count("What: standup") == 200
    assert found.text.endswith("(99800 more entries are left out)")
