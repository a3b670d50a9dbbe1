"""Which parts of a message are read as its letter, and which are listed as attachments."""

from __future__ import annotations

from base64 import encodebytes

import pytest

from e2a_core.mail.attachments import attachment_content
from e2a_core.mail.parse import ParsedMessage, parse_message

LETTER = "".join(
    f"<p>Item {number}: the harbour committee meets in hall {number}.</p>" for number in range(1, 16)
)


def multipart(subtype: str, *parts: str, boundary: str = "b") -> str:
    joined = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{subtype}; boundary={boundary}\n\n{joined}--{boundary}--\n"


def leaf(content_type: str, body: str, *fields: str) -> str:
    return "\n".join([f"Content-Type: {content_type}", *fields, "", body])


def read(entity: str) -> ParsedMessage:
    return parse_message(f"From: ann@example.org\nSubject: s\nMIME-Version: 1.0\n{entity}".encode())


def plain(text: str) -> str:
    return leaf("text/plain; charset=utf-8", text)


def html(text: str) -> str:
    return leaf("text/html; charset=utf-8", text)


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("application/pdf", "part-2.pdf"),
        ("text/csv", "part-2.csv"),
        ("image/tiff", "part-2.tif"),
        ("image/webp", "part-2.webp"),
        ("application/json", "part-2.json"),
        ("application/ld+json", "part-2.json"),
        ("text/calendar; method=REQUEST", "part-2.ics"),
        ("text/x-vcard", "part-2.vcf"),
        ("text/x-unheard-of", "part-2.txt"),
        ("application/x-unheard-of", "part-2.bin"),
        ("audio/ogg", "part-2.ogg"),
        ("message/external-body", "part-2.txt"),
        ("application/pgp-signature", "part-2.asc"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "part-2.docx"),
    ],
)
@pytest.mark.parametrize("disposition", ["", "Content-Disposition: inline"])
@pytest.mark.parametrize(
    "subtype", ["mixed", "related", "alternative", "parallel", "x-unknown", "report", "signed"]
)
def test_each_leaf_that_is_not_read_is_listed(
    content_type: str, name: str, disposition: str, subtype: str
) -> None:
    fields = [disposition] if disposition else []
    parsed = read(multipart(subtype, plain("Hello."), leaf(content_type, "content", *fields)))
    assert parsed.text.strip() == "Hello."
    assert [item.filename for item in parsed.attachments] == [name]


def test_a_message_that_is_nothing_but_a_calendar_is_listed_with_its_content() -> None:
    raw = b"From: a@example.org\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\n"
    assert [item.filename for item in parse_message(raw).attachments] == ["part-1.ics"]
    assert attachment_content(raw, 0)[1].startswith(b"BEGIN:VCALENDAR")


@pytest.mark.parametrize(
    "stub",
    [
        "",
        "   \n",
        "This message is in HTML. Please view it in a browser.",
        "Your e-mail client does not display HTML.",
        "View this email in your browser: https://news.example.org/1",
        "Diese E-Mail im Browser ansehen",
        "Si vous ne voyez pas ce message, ouvrez la version en ligne",
        "Ver este correo en el navegador",
        "Visualizza nel tuo browser",
        "Ver no navegador",
        "Bekijk in je browser",
        "Если письмо не видно, откройте в браузере",
        "ブラウザで表示",
        "在浏览器中查看",
        "Hi",
        "https://news.example.org/a-very-long-address?with=many&parameters=in-it",
    ],
)
def test_a_stub_gives_way_to_the_html(stub: str) -> None:
    parsed = read(multipart("alternative", plain(stub), html(LETTER)))
    assert "harbour committee" in parsed.text
    assert "harbour committee" in parsed.search_text
    assert parsed.html


@pytest.mark.parametrize(
    "letter",
    [
        "Dear Ann, the committee meets on Monday.",
        "Your code is 123456.",
        "OK",
        "Please open the door for the browser team.",
        "We moved the talk about HTML to Friday. " * 40,
    ],
)
def test_plain_text_that_says_the_same_is_read(letter: str) -> None:
    parsed = read(multipart("alternative", plain(letter), html(f"<p>{letter.strip()}</p>")))
    assert parsed.text.strip() == letter.strip()


def test_a_short_stub_before_a_short_letter_gives_way() -> None:
    parsed = read(
        multipart("alternative", plain("Please use an HTML capable reader."), html("<p>Room 12 at nine.</p>"))
    )
    assert parsed.text.strip() == "Room 12 at nine."


PDF = leaf("application/pdf; name=plan.pdf", "x", "Content-Disposition: inline")


@pytest.mark.parametrize(
    ("entity", "words"),
    [
        (multipart("mixed", plain("One."), PDF, plain("Two.")), ["One.", "Two."]),
        (multipart("mixed", html("<p>One.</p>"), PDF, html("<p>Two.</p>")), ["One.", "Two."]),
        (multipart("mixed", html("<p>One.</p>"), PDF, plain("-- \nTwo.")), ["One.", "Two."]),
        (multipart("mixed", plain("One."), PDF, html("<p>Two.</p>")), ["One.", "Two."]),
        (multipart("parallel", plain("One."), PDF, plain("Two.")), ["One.", "Two."]),
        (multipart("x-future", html("<p>One.</p>"), PDF, plain("Two.")), ["One.", "Two."]),
        (
            multipart(
                "mixed",
                multipart("alternative", plain("One."), html("<p>One.</p>"), boundary="c"),
                PDF,
                plain("Two."),
            ),
            ["One.", "Two."],
        ),
        (
            multipart(
                "mixed", multipart("related", html("<p>One.</p>"), boundary="c"), PDF, html("<p>Two.</p>")
            ),
            ["One.", "Two."],
        ),
    ],
)
def test_all_inline_text_is_read_in_order(entity: str, words: list[str]) -> None:
    parsed = read(entity)
    text = parsed.full_text
    assert [text.find(word) for word in words] == sorted(text.find(word) for word in words)
    assert all(word in text for word in words)
    assert [item.filename for item in parsed.attachments] == ["plan.pdf"]


def test_html_parts_are_joined() -> None:
    parsed = read(multipart("mixed", html("<p>One.</p>"), PDF, html("<p>Two.</p>"), plain("A <footer>")))
    assert parsed.html is not None
    assert "<p>One.</p>" in parsed.html
    assert "<p>Two.</p>" in parsed.html
    assert "A &lt;footer&gt;" in parsed.html


def test_an_inner_boundary_equal_to_the_outer_is_read() -> None:
    entity = (
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b\n\n"
        f"--b\n{plain('One.')}\n--b\n{html('<p>One.</p>')}\n--b--\n--b\n{PDF}\n--b--\n"
    )
    parsed = read(entity)
    assert parsed.text.strip() == "One."
    assert [item.filename for item in parsed.attachments] == ["plan.pdf"]


def test_a_multipart_that_was_encoded_as_a_whole_is_read() -> None:
    inside = f"--b\n{plain('One.')}\n--b\n{PDF}\n--b--\n"
    encoded = encodebytes(inside.encode()).decode()
    parsed = read(
        f"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n{encoded}"
    )
    assert parsed.text.strip() == "One."
    assert [item.filename for item in parsed.attachments] == ["plan.pdf"]


@pytest.mark.parametrize(
    "encoding",
    [
        "base64",
        "BASE64",
        '"base64"',
        "base-64",
        "base64;",
        "base64 (as ever)",
        "(c) Base64",
        "=?utf-8?q?base64?=",
        "x-base64",
    ],
)
def test_spellings_of_base64(encoding: str) -> None:
    parsed = read(
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\nR3LDvMOfZQ==\n"
    )
    assert parsed.text.strip() == "Grüße"


@pytest.mark.parametrize(
    "encoding", ["quoted-printable", "Quoted Printable", "quoted_printable", "'quoted-printable'"]
)
def test_spellings_of_quoted_printable(encoding: str) -> None:
    parsed = read(
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\nGr=C3=BC=C3=9Fe\n"
    )
    assert parsed.text.strip() == "Grüße"


def test_what_a_limit_leaves_out_is_told() -> None:
    many = read(multipart("mixed", *[leaf("application/pdf", "x")] * 1100))
    assert any("1000" in note for note in many.notes)
    long = read(plain("word " * 100_000 + "end"))
    assert long.whole.truncated
    assert any("256 KiB" in note for note in long.notes)
    deep = plain("deep")
    for number in range(40):
        deep = multipart("mixed", deep, boundary=f"b{number}x")
    assert any("deeper" in note for note in read(deep).notes)
    assert len(read(deep).attachments) == 1
    assert read(plain("short")).notes == ()


def test_messages_in_messages_are_read() -> None:
    inner = "From: Bob <bob@example.net>\nSubject: Meter\n\nThe meter shows 4711.\n"
    middle = "From: carol@example.org\nSubject: Fwd\n" + multipart(
        "mixed", plain("See below."), leaf("message/rfc822", inner)
    )
    encoded = encodebytes(inner.encode()).decode()
    parsed = read(
        multipart(
            "mixed",
            plain("What does it show?"),
            leaf("message/rfc822", middle),
            leaf("message/rfc822", encoded, "Content-Transfer-Encoding: base64"),
            boundary="outer",
        )
    )
    assert [item.subject for item in parsed.nested] == ["Fwd", "Meter"]
    assert all("4711" in item.text for item in parsed.nested)
    assert "4711" in parsed.search_text
    assert "4711" not in parsed.full_text
