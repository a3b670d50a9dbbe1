"""The HTML of a message in its frame: what is kept, what is left out, and that it takes linear time."""

from __future__ import annotations

import re
import time

import pytest

from e2a_core.contract.message_views import AttachmentContent, AttachmentMetaView
from e2a_core.http.pages.mail_html import framed, misleading, pictures_named
from tests.pages.hostile import HOSTILE

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def body(source: str) -> str:
    return framed(source, {}).document.partition("<body>")[2].removesuffix("</body></html>")


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("<p>Hello <b>Bob</b> &amp; all</p>", "<p>Hello <b>Bob</b> &amp; all</p>"),
        ("<p style='color:red' class=a>x", '<p class="a" style="color:red">x'),
        ("<P ALIGN=center>x</P>", '<p align="center">x</p>'),
        ("<table width=600><tr><td bgcolor='#fff'>x", '<table width="600"><tr><td bgcolor="#fff">x'),
        ("a<br>b<hr/>", "a<br />b<hr />"),
        ("<style>p{color:red}</style>", "<style>p{color:red}</style>"),
        ("<style>a{b:'</p>'}</style>x", "<style>a{b:' /p>'}</style>x"),
        (f"<img src='{PIXEL}' alt=x>", f'<img alt="x" src="{PIXEL}" />'),
        ("<img src=https://a.example/p.gif alt=logo>", '<img alt="logo" />'),
        ("<img src='data:image/svg+xml,<svg>'>", "<img />"),
        ("<a href=https://a.example onclick=x>y</a>", "<a>y</a>"),
        ("<p title='&quot;><script>'>x", '<p title="&quot;&gt;&lt;script&gt;">x'),
        ("<script>x</script><svg><p>y</p></svg>z", "z"),
        ("<svg/>z", "z"),
        ("<svg><svg></svg><p>y</p></svg>z", "z"),
        ("<form action=x><input><button>b</button></form>", "b"),
        ("<div style='background:url(https://a.example)'>x", "<div>x"),
        ("<plaintext><p>x", "<p>x"),
        ("1 < 2", "1 &lt; 2"),
    ],
)
def test_what_is_seen(source: str, seen: str) -> None:
    assert body(source) == seen


def test_pictures_of_the_message_are_put_in() -> None:
    meta = AttachmentMetaView(index=0, content_type="image/png", content_id="logo@a", size_bytes=3)
    source = '<img src="cid:logo@a"><img src="cid:other"><img src=CID:logo@a>'
    assert pictures_named(source) == {"logo@a", "other"}
    document = framed(source, {"logo@a": AttachmentContent(meta=meta, data=b"abc")}).document
    assert document.count('src="data:image/png;base64,YWJj"') == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_hostile_is_left(name: str) -> None:
    source = HOSTILE[name].format(to="https://evil.example", host="evil.example")
    seen = body(source)
    outside = re.sub(r"<style>.*?</style>", "", seen, flags=re.DOTALL)
    assert re.findall(r"<[^>]*(?:evil\.example|\bon\w+=|javascript:|href)[^>]*>", outside) == []
    assert (
        re.findall(r"<(?:script|link|meta|base|form|input|iframe|object|embed|svg|math|video)\b", outside)
        == []
    )
    assert re.findall(r"url\s*\(|@import|\\", seen) == []


LONG = {
    "a deep nest": "<div>" * 150_000,
    "open formatting": "<b><i><a href=x>" * 60_000,
    "many attributes": "<p " + " ".join(f"a{number}=1" for number in range(90_000)) + ">",
    "unclosed quotes": "<p title='" * 90_000,
    "unclosed comments": "<!--" * 200_000,
    "many styles": "<style>a{b:url(c)}</style>" * 38_000,
    "a long style": f"<style>{'url' * 300_000}</style>",
    "a long word": f"<p style='{'a' * 900_000}'>",
    "spaces in a style": f"<style>url{' ' * 900_000}x</style>",
    "many names of pictures": "cid:" * 240_000,
}


@pytest.mark.parametrize("name", LONG)
def test_time_is_linear(name: str) -> None:
    started = time.process_time()
    framed(LONG[name], {})
    pictures_named(LONG[name])
    assert time.process_time() - started < 5


def test_the_beginning_of_a_huge_body_is_shown_and_told_so() -> None:
    assert framed("x" * 1_000_001, {}).truncated
    assert not framed("x" * 1_000_000, {}).truncated


@pytest.mark.parametrize(
    ("text", "href", "lies"),
    [
        ("www.bank.example", "https://evil.example/", True),
        ("https://bank.example/login", "https://www.bank.example/login?x", False),
        ("Bank.example", "https://bank.example", False),
        ("bank.example.", "https://evil.example", False),
        ("Click here", "https://evil.example", False),
        ("bank.example/pay", "https://bank.example.evil.example/pay", True),
        ("ann@bank.example", "mailto:ann@bank.example", False),
    ],
)
def test_links_that_lie_are_found(text: str, href: str, lies: bool) -> None:
    assert misleading(text, href) is lies
