"""Text is read in the charset that its sender meant."""

from __future__ import annotations

import pytest

from e2a_core.mail.charsets import decode_bytes, named_charset
from e2a_core.mail.parse import parse_message

HEAD = b"From: a@b.example\r\nMIME-Version: 1.0\r\n"


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        (b"\x1b$B-!-5-j\x1b(B", "iso-2022-jp", "①Ⅰ㈱"),
        (b"\x1b$B-!F|K\\\x1b(B ok", None, "①日本 ok"),
        ("これはテスト".encode("iso-2022-jp"), None, "これはテスト"),
        ("これはテスト".encode("iso-2022-jp"), "us-ascii", "これはテスト"),
        ("これはテスト".encode("iso-2022-jp"), "utf-8", "これはテスト"),
        (b"\x1b(I1234\x1b(B", "iso-2022-jp", "ｱｲｳｴ"),
        (b"\xad\xa1\xb4\xc1", "euc-jp", "①漢"),
        ("한글".encode("iso2022_kr"), None, "한글"),
        ("x".encode("utf-16"), "iso-8859-1", "x"),
        ("\ufeffé".encode(), "windows-1252", "é"),
        ("abc".encode("utf-16-be"), "utf-16", "abc"),
        ("é".encode(), "UTF_8", "é"),
        ("é".encode(), '"utf-8";', "é"),
        ("привет".encode("koi8-r"), "KOI8_R", "привет"),
        ("привет".encode("cp1251"), "win-1251", "привет"),
        ("žluť".encode("iso-8859-2"), "ISO8859_2", "žluť"),
        (b"caf\xe9 \x80", "x-unknown", "café €"),
        ("中文".encode("gb2312"), "GB2312", "中文"),
        ("ก".encode("cp874"), "tis620", "ก"),
    ],
)
def test_labels_marks_and_escape_sequences(data: bytes, label: str | None, text: str) -> None:
    assert decode_bytes(data, label) == text


@pytest.mark.parametrize(
    ("charset", "text", "meta"),
    [
        (
            "windows-1251",
            "Добрый день",
            '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        ),
        ("shift_jis", "お世話", '<meta charset="Shift_JIS">'),
        ("iso-8859-2", "Příliš", "<META HTTP-EQUIV=Content-Type CONTENT='text/html; CHARSET = iso-8859-2'>"),
        ("big5", "中文", "<meta charset=big5>"),
        ("utf-8", "ü", '<meta charset="utf-16">'),
    ],
)
def test_html_names_its_charset(charset: str, text: str, meta: str) -> None:
    html = f"<html><head>{meta}</head><p>{text}</p></html>".encode(charset)
    assert text in parse_message(HEAD + b"Content-Type: text/html\r\n\r\n" + html).text


@pytest.mark.parametrize(
    ("charset", "subject"),
    [
        ("koi8-r", "Купите"),
        ("windows-1251", "Заказ"),
        ("gb2312", "会议通知"),
        ("iso-8859-2", "Zażółć"),
        ("big5", "會議"),
    ],
)
def test_a_raw_field_is_read_as_the_body_is(charset: str, subject: str) -> None:
    raw = HEAD + b"Subject: " + subject.encode(charset)
    raw += (
        b"\r\nContent-Type: text/plain; charset=" + charset.encode() + b"\r\n\r\n" + subject.encode(charset)
    )
    message = parse_message(raw)
    assert (message.subject, message.text) == (subject, subject)


def test_a_part_without_label_is_read_as_the_others_are() -> None:
    raw = (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        + "Заказ".encode("koi8-r")
        + b"\r\n--b\r\nContent-Type: text/csv; charset=koi8-r; name=a\r\n\r\nx\r\n--b--\r\n"
    )
    assert parse_message(raw).text == "Заказ"
    assert named_charset(raw) == "koi8-r"


def test_octets_without_a_label_are_not_read_by_a_charset_without_ascii() -> None:
    raw = b"Subject: caf\xe9 \r\nContent-Type: text/plain; charset=utf-16\r\n\r\n"
    assert parse_message(raw).subject == "café"


@pytest.mark.parametrize(
    ("data", "label", "html", "text"),
    [
        (b"plain words", None, False, "plain words"),
        (b"plain words", "utf-8", False, "plain words"),
        (b"plain words", "iso-8859-1", True, "plain words"),
        (b"plain words", "x-unknown", False, "plain words"),
        (b"", None, False, ""),
        (b"a\x00b", None, False, "a\ufffdb"),
        (b"a\x00b", "utf-8", False, "a\ufffdb"),
        (b"\x1b$B$3$s\x1b(B", None, False, "こん"),
        (b"\x1b$B$3$s\x1b(B", "us-ascii", False, "こん"),
        (b"\x1b[1mbold", None, False, "\x1b[1mbold"),
        (b"~{VPND~}", "hz-gb-2312", False, "中文"),
        (b"~{VPND~}", None, False, "~{VPND~}"),
        (b"a\x00b\x00", "utf-16le", False, "ab"),
        (b'<meta charset="hz-gb-2312">~{VPND~}', None, True, '<meta charset="hz-gb-2312">中文'),
        (b'<meta charset="hz-gb-2312">~{VPND~}', None, False, '<meta charset="hz-gb-2312">~{VPND~}'),
    ],
)
def test_octets_that_look_like_ascii_mean_what_their_charset_says(
    data: bytes, label: str | None, html: bool, text: str
) -> None:
    assert decode_bytes(data, label, html=html) == text
