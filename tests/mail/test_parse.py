"""Messages as the common clients write them, and as nobody should."""

from __future__ import annotations

import time
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from e2a_core.errors import AttachmentNotFound
from e2a_core.mail.attachments import attachment_content
from e2a_core.mail.fields import text_field
from e2a_core.mail.headers import is_header_text, parse_headers
from e2a_core.mail.parse import ParsedMessage, message_author, parse_date, parse_message


def message(text: str) -> bytes:
    """`␠` stands for a blank at the end of a line."""
    return text.lstrip("\n").replace("\n", "\r\n").replace("␠", " ").encode()


GMAIL_REPLY = message("""
MIME-Version: 1.0
References: <m1@agents.example.net> <m2@agents.example.net>
In-Reply-To: <m2@agents.example.net>
From: =?UTF-8?Q?J=C3=BCrgen_M=C3=BCller?= <juergen@example.org>
Date: Tue, 1 Sep 2026 12:00:00 +0200
Message-ID: <CAF+abc@mail.gmail.com>
Subject: =?UTF-8?Q?Re=3A_Angebot_f=C3=BCr?= =?UTF-8?Q?_M=C3=A4rz?=
To: Bot <bot@agents.example.net>, "Lee, Ann" <Ann@Example.org>
Content-Type: multipart/alternative; boundary="000000000000abcdef"

--000000000000abcdef
Content-Type: text/plain; charset="UTF-8"
Content-Transfer-Encoding: quoted-printable

Passt f=C3=BCr mich.

Am Mo., 31. Aug. 2026 um 09:00 Uhr schrieb Bot <
bot@agents.example.net>:

> Passt der Termin?
>
> Bot
>

--000000000000abcdef
Content-Type: text/html; charset="UTF-8"

<div dir=3D"ltr">Passt</div>
--000000000000abcdef--
""")

OUTLOOK_REPLY = message("""
From: Ann Lee <ann@example.org>
To: "bot@agents.example.net" <bot@agents.example.net>
Subject: RE: Invoice
Thread-Topic: Invoice
Date: Tue, 1 Sep 2026 10:00:00 +0000
Message-ID: <AM0PR01@EXAMPLE.PROD.OUTLOOK.COM>
Content-Type: text/html; charset="Windows-1252"
Content-Transfer-Encoding: quoted-printable
MIME-Version: 1.0

<html><head><style>p.x {margin:0}</style></head><body>
<div>Please pay by Friday =96 thanks.</div>
<div id=3D"appendonsend"></div>
<hr style=3D"display:inline-block;width:98%">
<div id=3D"divRplyFwdMsg"><b>From:</b> Bot &lt;bot@agents.example.net&gt;<br>
<b>Sent:</b> Monday, August 31, 2026 9:00 AM<br>
<b>To:</b> Ann Lee<br><b>Subject:</b> Invoice</div>
<div>When is it due?</div></body></html>
""")

APPLE_REPLY_BELOW = message("""
Content-Type: text/plain; charset=us-ascii; format=flowed; delsp=yes
Mime-Version: 1.0
Subject: Re: Lunch
From: Ann <ann@example.org>
In-Reply-To: <m1@agents.example.net>
Date: Tue, 1 Sep 2026 10:00:00 +0000
Message-Id: <A1@example.org>
To: bot@agents.example.net

> On 31 Aug 2026, at 09:00, Bot <bot@agents.example.net> wrote:␠
>␠
> Lunch at noon, or␠␠
> rather later?␠

Noon is good, and I will bring the papers we␠␠
talked about.
""")

FORWARD = message("""
From: ann@example.org
To: bot@agents.example.net
Subject: Fwd: Contract
Content-Type: text/plain

Please file this.

---------- Forwarded message ---------
From: Carl <carl@example.com>
Date: Mon, Aug 31, 2026 at 9:00 AM
Subject: Contract
To: Ann <ann@example.org>

The contract is signed.

On Sun, Aug 30, 2026 at 8:00 AM Ann <ann@example.org> wrote:
> Is it signed?
""")


def test_a_gmail_reply() -> None:
    parsed = parse_message(GMAIL_REPLY)
    assert parsed.header_from == "juergen@example.org"
    assert parsed.author is not None
    assert parsed.author.display_name == "Jürgen Müller"
    assert parsed.subject == "Re: Angebot für März"
    assert parsed.to == ["bot@agents.example.net", "Ann@Example.org"]
    assert parsed.message_id == "<CAF+abc@mail.gmail.com>"
    assert parsed.in_reply_to == ["<m2@agents.example.net>"]
    assert parsed.references == ["<m1@agents.example.net>", "<m2@agents.example.net>"]
    assert parsed.date == datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
    assert parsed.text == "Passt für mich."
    assert parsed.quoted_text.endswith("> Passt der Termin?\n>\n> Bot\n>")
    assert parsed.html is not None
    assert "Passt</div>" in parsed.html
    assert parsed.auto_submitted is None
    assert parsed.attachments == []
    assert not parsed.truncated


def test_an_outlook_reply_in_html() -> None:
    parsed = parse_message(OUTLOOK_REPLY)
    assert parsed.text == "Please pay by Friday – thanks."
    assert "When is it due?" in parsed.quoted_text
    assert parsed.full_text.endswith("When is it due?")


def test_an_answer_below_an_apple_quote() -> None:
    parsed = parse_message(APPLE_REPLY_BELOW)
    assert parsed.text == "Noon is good, and I will bring the papers we talked about."
    assert "> Lunch at noon, or rather later?" in parsed.quoted_text


def test_a_forward_is_read_whole() -> None:
    parsed = parse_message(FORWARD)
    assert parsed.text.startswith("Please file this.")
    assert "The contract is signed." in parsed.text
    assert parsed.quoted_text == ""


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-8859-1", "cp1252", "naïve – “quoted” €5"),
        ("windows-1251", "cp1251", "Привет"),
        ("koi8-r", "koi8-r", "Привет"),
        ("gb2312", "gb18030", "中文邮件𠮷"),
        ("Big5", "big5", "中文郵件"),
        ("iso-2022-jp", "iso2022_jp", "日本語のメール"),
        ("Shift_JIS", "cp932", "日本語①"),
        ("ks_c_5601-1987", "cp949", "한국어 메일 똠"),
        ("iso-8859-8-i", "iso8859-8", "שלום"),
        ("utf8", "utf-8", "grüße 🎉"),
        ("unknown-8bit", "utf-8", "grüße"),
        ("x-nonsense", "cp1252", "grüße"),
        ("us-ascii", "utf-8", "grüße"),
    ],
)
def test_charsets(label: str, codec: str, text: str) -> None:
    encoded = b64encode(text.encode(codec))
    name = label.encode()
    raw = b"Subject: =?%b?b?%b?=\r\nContent-Type: text/plain; charset=%b\r\n" % (name, encoded, name)
    raw += b"Content-Transfer-Encoding: base64\r\n\r\n%b\r\n" % encoded
    parsed = parse_message(raw)
    assert parsed.subject == text
    assert parsed.text == text


@pytest.mark.parametrize(
    "label", ["rot13", "punycode", "idna", "unicode_escape", "zlib", "utf-7", "undefined", "mbcs"]
)
def test_codecs_that_are_no_charset_of_mail_are_never_used(label: str) -> None:
    raw = f"Content-Type: text/plain; charset={label}\r\n\r\nplain +AGE- text\r\n".encode()
    assert parse_message(raw).text == "plain +AGE- text"


def test_octets_outside_the_charset_are_replaced() -> None:
    raw = b"Content-Type: text/plain; charset=utf-8\r\n\r\nab\xff\xfec\x00d"
    assert parse_message(raw).text == "ab\ufffd\ufffdc\ufffdd"


@pytest.mark.parametrize(
    ("field", "subject"),
    [
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E9?= c", "aé c"),
        ("=?utf-8?b?w6k?= x", "é x"),
        ("=?utf-8?b?5pel5pys?= =?utf-8?b?6Kqe?=", "日本語"),
        ("=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?q?a=0D=0ABcc:_x=40y?=", "a Bcc: x@y"),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        ("plain\r\n\t folded", "plain\t folded".replace("\t", " ")),
        ("caf\u00e9 raw", "café raw"),
    ],
)
def test_encoded_words(field: str, subject: str) -> None:
    assert parse_message(f"Subject: {field}\r\n\r\n".encode()).subject == subject


def test_split_multibyte_characters_between_words_are_joined() -> None:
    data = "日".encode()
    words = b" ".join(b"=?utf-8?b?" + b64encode(data[at : at + 1]) + b"?=" for at in range(3))
    assert parse_message(b"Subject: " + words + b"\r\n\r\n").subject == "日"


@pytest.mark.parametrize(
    ("header", "author"),
    [
        (b"From: a@b.example\r\n", "a@b.example"),
        (b"From : a@b.example\r\n", "a@b.example"),
        (b"fRoM: A <A@b.Example>\r\n", "A@b.Example"),
        (b"From: a@b.example\r\nFrom: a@b.example\r\n", None),
        (b"From: a@b.example\r\njunk without colon\r\nFrom: c@d.example\r\n", None),
        (b"From: a@b.example, c@d.example\r\n", None),
        (b"From: a@[192.0.2.1]\r\n", None),
        (b"From: a@b..example\r\n", None),
        (b"From: =?utf-8?q?a=40b=2Eexample?=\r\n", None),
        (b"From: nobody\r\n", None),
        (b"Subject: x\r\n", None),
        (b"From: a@b.example\r\n" + b"X: y\r\n" * 1001, None),
        (b"From: a@b.example\r\nX: " + b"y" * 300_000 + b"\r\n", None),
    ],
)
def test_the_author_rule_fails_closed(header: bytes, author: str | None) -> None:
    found = message_author(parse_headers(header + b"\r\nFrom: x@body.example\r\n"))
    assert (found.addr_spec if found else None) == author


MIXED = message("""
From: ann@example.org
Subject: files
Content-Type: multipart/mixed; boundary=outer

preamble
--outer
Content-Type: multipart/related; boundary="outer-inner"

--outer-inner
Content-Type: text/html

<p>See <img src="cid:logo@x"></p>
--outer-inner
Content-Type: image/png; name="=?utf-8?q?l=C3=B6go=2Epng?="
Content-ID: <logo@x>
Content-Transfer-Encoding: base64

cG5nIGRhdGE=
--outer-inner--
--outer
Content-Type: application/pdf
Content-Disposition: attachment; filename*0*=utf-8''%E2%82%AC%20re;
 filename*1=port; filename*2*=%2Epdf
Content-Transfer-Encoding: BASE64

JVBERi0=

--␠
a footer a list added
--outer
Content-Type: message/rfc822

From: Carl <carl@example.com>
Subject: =?utf-8?q?Vertrag=2FM=C3=A4rz?=
Date: Mon, 31 Aug 2026 09:00:00 +0000
Content-Type: multipart/mixed; boundary=deep

--deep
Content-Type: text/plain; name=deep.txt

deep content
--deep--

--outer
Content-Type: text/plain
Content-Disposition: attachment; filename="..\\\\..\\\\etc/pass wd"

not the body
--outer--
epilogue
""")


def test_attachments_and_embedded_messages() -> None:
    parsed = parse_message(MIXED)
    assert [
        (item.index, item.filename, item.content_type, item.content_id, item.size_bytes)
        for item in parsed.attachments
    ] == [
        (0, "lögo.png", "image/png", "logo@x", 8),
        (1, "€ report.pdf", "application/pdf", None, 5),
        (2, "Vertrag_März.eml", "message/rfc822", None, parsed.attachments[2].size_bytes),
        (3, "pass wd", "text/plain", None, 12),
    ]
    assert parsed.text == "See"
    (nested,) = parsed.nested
    assert (nested.index, nested.subject, nested.header_from) == (2, "Vertrag/März", "carl@example.com")
    assert nested.date == datetime(2026, 8, 31, 9, 0, tzinfo=UTC)

    meta, content, _ = attachment_content(MIXED, 1)
    assert (meta, content) == (parsed.attachments[1], b"%PDF-")
    inner = attachment_content(MIXED, 2)[1]
    assert inner.startswith(b"From: Carl")
    assert parse_message(inner).attachments[0].filename == "deep.txt"
    assert attachment_content(inner, 0)[1] == b"deep content"
    for index in (-1, 4):
        with pytest.raises(AttachmentNotFound, match="4 attachments"):
            attachment_content(MIXED, index)


def test_text_around_pictures_is_one_body() -> None:
    raw = message("""
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

before
--b
Content-Type: image/png; name=p.png

x
--b
Content-Type: text/plain

after
--b--
""")
    assert parse_message(raw).text == "before\n\nafter"


def test_an_alternative_gives_its_plain_part_only() -> None:
    raw = message("""
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

one
--b
Content-Type: text/plain

two
--b--
""")
    assert parse_message(raw).text == "one"


def test_an_empty_plain_part_gives_way_to_html() -> None:
    raw = message("""
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

␠
--b
Content-Type: text/html

<p>Hello</p>
--b--
""")
    assert parse_message(raw).text == "Hello"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"\r\n\r\nonly a body", "only a body"),
        (b"no header at all\r\n\r\nmore", "no header at all\n\nmore"),
        (b"Subject: x\r\nContent-Type: multipart/mixed\r\n\r\nno boundary", "no boundary"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\nnever used", "never used"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nunclosed", "unclosed"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--bb\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--", "y"),
        (b"Content-Type: ;;;\r\n\r\nx", "x"),
        (b"Content-Type: text\r\n\r\nx", "x"),
        (b"Content-Type: text/plain; charset=\r\n\r\nx", "x"),
        (b"Content-Transfer-Encoding: nonsense\r\n\r\nx=41", "x=41"),
        (b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8", "hello"),
        (b"Content-Transfer-Encoding: base64\r\n\r\na!G*V s\r\nbG8=trailing", "hello"),
        (
            b"Content-Transfer-Encoding: base64\r\n\r\nNot base64 at all, see you.",
            "Not base64 at all, see you.",
        ),
        (b"Content-Transfer-Encoding: quoted-printable\r\n\r\na= \r\nb=4=41=\r\n", "ab=4A"),
        (b"Subject: x\nContent-Type: text/plain\n\nbare\nlines", "bare\nlines"),
        (b"From x@y.example Tue Sep  1 10:00:00 2026\r\nSubject: x\r\n\r\nmbox", "mbox"),
    ],
)
def test_malformed_mime_still_shows_what_is_there(raw: bytes, text: str) -> None:
    assert parse_message(raw).text == text


def test_text_is_cut_between_characters() -> None:
    raw = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "€".encode() * 10_000
    parsed = parse_message(raw)
    assert parsed.truncated
    assert len(parsed.text.encode()) == 16_383
    assert parsed.full_text == "€" * 10_000
    exact = parse_message(b"\r\n" + b"x" * 16_384)
    assert not exact.truncated
    assert len(exact.text) == 16_384


def test_html_is_cut_at_a_mebibyte() -> None:
    raw = b"Content-Type: text/html\r\n\r\n" + b"<p>x</p>" * 200_000
    parsed = parse_message(raw)
    assert parsed.html is not None
    assert len(parsed.html) == 1024 * 1024
    assert parsed.truncated
    assert len(parsed.full_text) < 1024 * 1024


def test_ids_are_read_from_whatever_surrounds_them() -> None:
    raw = b"In-Reply-To: Your message of Tue <a@b> (x <c@d>)\r\nReferences: <a@b>\r\n\t<e@f><g@h> junk <a@b>\r\n\r\n"
    parsed = parse_message(raw)
    assert parsed.in_reply_to == ["<a@b>", "<c@d>"]
    assert parsed.references == ["<a@b>", "<e@f>", "<g@h>"]
    many = b"References: " + b" ".join(b"<%d@x>" % at for at in range(500)) + b"\r\n\r\n"
    references = parse_message(many).references
    assert len(references) == 200
    assert (references[0], references[1], references[-1]) == ("<0@x>", "<301@x>", "<499@x>")


@pytest.mark.parametrize(
    ("field", "date"),
    [
        ("Tue, 1 Sep 2026 12:00:00 +0200", datetime(2026, 9, 1, 10, tzinfo=UTC)),
        ("1 Sep 2026 10:00 GMT", datetime(2026, 9, 1, 10, tzinfo=UTC)),
        ("Tue, 1 Sep 2026 10:00:00 -0000", datetime(2026, 9, 1, 10, tzinfo=UTC)),
        ("yesterday", None),
        ("Tue, 99 Sep 2026 10:00:00 +0000", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("Tue, 1 Sep 2026 10:00:00 +99999999999", None),
        ("", None),
        ("1" * 10_000, None),
    ],
)
def test_dates(field: str, date: datetime | None) -> None:
    assert parse_date(field) == date


_CHUNKS = st.sampled_from(
    [
        b"From: a@b.example\r\n", b"Subject: =?utf-8?q?=?=\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: multipart/alternative; boundary=\"b b\"\r\n",
        b"Content-Type: message/rfc822\r\n", b"Content-Type: text/html; charset=utf-16\r\n",
        b"Content-Transfer-Encoding: base64\r\n", b"\r\n", b"--b\r\n", b"--b--\r\n", b"--b b\r\n",
        b"> q\r\n", b"On 1 Jan 2026, x@y.z wrote:\r\n", b"\n", b"\r", b"\x00", b"\xff", b"=",
        b"Content-Disposition: attachment; filename*=utf-7''%2b; filename*1=x\r\n", b"Date: x\r\n", b":",
        b"<p", b"&#0;", b"Content-Type: message/delivery-status\r\n",
        b"Final-Recipient: rfc822;a@b\r\nAction: failed\r\n",
        b"Content-Type: text/plain; format=flowed; charset=iso-2022-jp\r\n", b"\x1b$B", b"- ",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(_CHUNKS | st.binary(max_size=30), max_size=60).map(b"".join))
def test_any_octets_are_a_message(raw: bytes) -> None:
    parsed = parse_message(raw)
    for text in _strings(parsed):
        assert "\x00" not in text
        text.encode("utf-8")
    for item in parsed.attachments:
        meta, content, _ = attachment_content(raw, item.index)
        assert meta == item
        assert len(content) == item.size_bytes


def _strings(parsed: ParsedMessage) -> list[str]:
    found = [
        parsed.subject,
        parsed.text,
        parsed.quoted_text,
        parsed.full_text,
        parsed.html or "",
        parsed.message_id or "",
    ]
    found += [value for field in parsed.headers for value in field]
    found += [
        *parsed.to,
        *parsed.cc,
        *parsed.reply_to,
        parsed.header_from or "",
        parsed.conversation_header or "",
    ]
    found += [
        value
        for item in parsed.attachments
        for value in (item.filename, item.content_type, item.content_id or "")
    ]
    return found


def _nest(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(depth)
    )
    return opening + b"\r\ndeep"


@pytest.mark.parametrize(
    "raw",
    [
        _nest(5000),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 400_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b x\r\n" * 300_000,
        b"Content-Type: multipart/mixed; boundary=-\r\n\r\n" + b"-" * 2_000_000,
        b"A: b\r\n" * 300_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + (b"--b\r\n" + b"A:b\r\n" * 990 + b"\r\n") * 1000,
        b"A" * 2_000_000,
        b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n\r\n",
        b"Content-Type: text/plain" + b";a*0*=b" * 100_000 + b"\r\n\r\n",
        b'Content-Type: text/plain; a="' + b"\\" * 100_000 + b"\r\n\r\n",
        b"To: " + b"(" * 200_000 + b"\r\n\r\n",
        b"References: " + b"<" * 200_000 + b"\r\n\r\n",
        b"\r\n" + b" " * 1_000_000 + b"x",
        b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"x \r\n" * 300_000,
        b"\r\n" + b"\r\n" * 1_000_000 + b"x",
        b"\r\n" + b"> " * 500_000,
        b"\r\n" + b">\r\n" * 200_000,
        b"\r\n" + b"x wrote: " * 100_000,
        b"\r\n" + b"On 1 Jan 2026 a@b wrote:\r\n" * 50_000,
        b"\r\n" + b"From: a\r\n" * 100_000,
        b"\r\n" + b"2026 1999 <a@b " * 20 + (b"2026 1999 <a@b 11111:\r\n" * 20_000),
    ],
    ids=range(21),
)
def test_adversarial_messages_cost_little(raw: bytes) -> None:
    """A bound far above what is needed, and far below what quadratic work would take."""
    before = time.process_time()
    parse_message(raw)
    assert time.process_time() - before < 5


def test_a_text_file_is_the_body_only_when_there_is_no_other() -> None:
    named = "Content-Type: text/plain; name=notes.txt\n\nfile\n"
    html = "Content-Type: text/html\n\n<p>body</p>\n"
    head = "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
    assert parse_message(message(f"{head}{named}--b\n{html}--b--")).text == "body"
    assert parse_message(message(f"{head}{named}--b--")).text == "file"
    report = html.replace("text/html", "text/html; name=report.html")
    letter = parse_message(message(f"{head}Content-Type: text/plain\n\nletter\n--b\n{report}--b--"))
    assert (letter.text, letter.html) == ("letter", None)
    assert parse_message(message(f"{head}{report}--b--")).html == "<p>body</p>"
    assert (
        parse_message(message(f"{head}{named}--b\nContent-Type: text/plain\n\nletter\n--b--")).text
        == "letter"
    )


def test_a_boundary_that_looks_like_an_encoded_word_is_taken_as_written() -> None:
    raw = message(
        'Content-Type: multipart/mixed; boundary="=?utf-8?q?b?="\n\n--=?utf-8?q?b?=\n\nx\n--=?utf-8?q?b?=--'
    )
    assert parse_message(raw).text == "x"


_WORD = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@settings(max_examples=500, deadline=None)
@given(st.lists(_WORD | st.text("a=?é", min_size=1, max_size=4), max_size=8).map(" ".join))
def test_header_text_comes_out_as_it_went_in(text: str) -> None:
    assume("=?" not in text)
    assert is_header_text(text)
    for content in (f"X-A: {text}\r\n\r\n".encode(), text_field("X-A", text, "body") + b"\r\n"):
        assert parse_headers(content).decoded("X-A") == text


@pytest.mark.parametrize("text", ["a\tb", "a\x0bb", " a", "a ", "a  b", "=?utf-8?q?x?=", "a\u2028b", "\x7f"])
def test_what_does_not_survive_a_header_is_no_header_text(text: str) -> None:
    assert not is_header_text(text)
