from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.mail.html import Link, html_links, html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("  much \n white   space ", "much white space"),
        ("a &lt;b&gt; &amp;amp; &eacute;&#8364;&nbsp;x", "a <b> &amp; é€ x"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<head><title>t</title></head><body>b", "b"),
        ("<head><meta charset=x><body>b", "b"),
        ("<style>p{}</style>a<script>if (a<b) {}</script>b", "ab"),
        ("a<!-- hidden <b>x</b> -->b", "ab"),
        ("a<![if mso]>b<![endif]>", "ab"),
        ("a<!-- unclosed", "a"),
        ("a<script>unclosed", "a"),
        ('<div style="display: none">secret</div>seen', "seen"),
        ('<span style="DISPLAY:NONE !important;">secret<span>deep</span></span>seen', "seen"),
        ('<p style="font-size:0">secret</p><p>seen</p>', "seen"),
        ('<p style="font-size:0.9em">seen</p>', "seen"),
        ("<div hidden>secret</div>seen", "seen"),
        ('<p hidden>secret<div style="display:none">secret</div>seen', "seen"),
        ('<div style="display&#58;n&#111;ne">secret</div>seen', "seen"),
        ('<div style="display:/* x */none">secret</div>seen', "seen"),
        ('<div style="color:none-such">seen</div>', "seen"),
        ("<div hidden>a<div>b</div>c</div>seen", "seen"),
        ('<div style="visibility:hidden">secret</div>seen', "seen"),
        ('<a href="https://x.example/a?b=1&amp;c=2">text</a>', "text (https://x.example/a?b=1&c=2)"),
        ('<a href="https://www.x.example/">x.example</a>', "x.example"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example"),
        ('<a href="javascript:x()">text</a>', "text"),
        ('<a href="#top">text</a>', "text"),
        ('<a href="https://x.example"><img src="t.gif"></a>', ""),
        ('<a href="https://x.example"><img alt="Logo"></a>', "Logo (https://x.example)"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td></td></tr></table>", "A | B\n1"),
        ("a<blockquote>b<blockquote>c</blockquote></blockquote>d", "a\n\n> b\n>\n>> c\n\nd"),
        ("<pre>a\n  b\n</pre>", "a\n  b"),
        ("a<hr>b", "a\n---\nb"),
        ("<P CLASS=x ID='y' DATA-Z=\"a>b\">text</P>", "text"),
        ("<b", ""),
        ("", ""),
        ("zero\u200bwidth\u00ad", "zerowidth"),
    ],
)
def test_html_becomes_readable(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_links_carry_their_visible_text() -> None:
    html = (
        '<a href="https://a.example">one <b>two</b></a> <a>no</a> <a href=https://b.example/>'
        '<div style="display:none"><a href="https://hidden.example">x</a></div>'
    )
    assert html_links(html) == [Link("https://a.example", "one two"), Link("https://b.example/", "")]


def test_text_after_an_embedded_picture_is_read() -> None:
    assert html_to_text(f'<img src="data:image/png;base64,{"A" * 600_000}"><p>seen</p>') == "seen"


_PIECES = st.sampled_from(
    [
        "<p>", "</p>", "<div style='display:none'>", "</div>", "<a href='https://x.example'>", "</a>",
        "<blockquote>", "<ul>", "<li>", "</ul>", "<pre>", "</pre>", "<td>", "<script>", "</script>",
        "<!--", "-->", "<", ">", '"', "'", "&", "&#0;", "&#xD800;", "<![CDATA[", "text", " ", "\n",
        "<head>", "<body>", "\x00", "<img alt=x>", "<hr>", "</blockquote>",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(_PIECES | st.text(st.characters(exclude_categories=["Cs"]), max_size=10), max_size=60).map(
        "".join
    )
)
def test_any_text_is_html(html: str) -> None:
    text = html_to_text(html)
    text.encode()
    assert "\x00" not in text
    html_links(html)


@pytest.mark.parametrize(
    "piece",
    [
        "<a ", '<a "', "<", "<!--", "<a \"'>", "<div>", "<blockquote>x<br>", "&", "&#", "<script>",
        "<p hidden>", "<td>", "<ul><li>", "<a href=x>y", " ", "x<b>", "<x a=", "</", "<!", "<?", "<svg>",
        "<style>", "<a b='", "<textarea>",
    ],
)  # fmt: skip
def test_adversarial_html_costs_little(piece: str) -> None:
    html = piece * (1_000_000 // len(piece))
    before = time.process_time()
    html_to_text(html)
    html_links(html)
    assert time.process_time() - before < 5
