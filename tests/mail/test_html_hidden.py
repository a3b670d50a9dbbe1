"""HTML mail as a browser shows it: what it hides is not read, what it shows is."""

from __future__ import annotations

import time

import pytest

from e2a_core.mail.html import read_html

STYLE = "<style>.x{display:none}</style>"
HIDDEN = [
    "<p style='display:none'>W</p>",
    "<p style='DISPLAY : NONE !important'>W</p>",
    "<p style='d\\69splay:none'>W</p>",
    "<p style='dis/**/play:none;display:none'>W</p>",
    "<p style='visibility:hidden'>W</p>",
    "<p style='opacity:0.01'>W</p>",
    "<p style='font-size:1px'>W</p>",
    "<p style='font-size:0.05em'>W</p>",
    "<p style='font:0/0 a'>W</p>",
    "<p style='font-size:1%'>W</p>",
    "<div style='font-size:0'><b>W</b></div>",
    "<p style='mso-hide:all'>W</p>",
    "<p style='position:absolute;left:-9999px'>W</p>",
    "<p style='position:fixed;top:-100em'>W</p>",
    "<p style='text-indent:-9999px'>W</p>",
    "<p style='margin-left:-5000px'>W</p>",
    "<p style='margin:0 0 0 -900px'>W</p>",
    "<p style='transform:translateX(-9999px)'>W</p>",
    "<p style='transform:scale(0)'>W</p>",
    "<p style='position:absolute;clip:rect(0,0,0,0)'>W</p>",
    "<p style='position:absolute;clip:rect(1px 1px 1px 1px)'>W</p>",
    "<p style='clip-path:inset(50%)'>W</p>",
    "<p style='clip-path:circle(0)'>W</p>",
    "<p style='height:0;overflow:hidden'>W</p>",
    "<p style='max-height:0px;overflow:hidden'>W</p>",
    "<p style='width:1px;height:1px;overflow:hidden'>W</p>",
    "<p style='color:#fff'>W</p>",
    "<p style='color:white'>W</p>",
    "<p style='color:rgb(255,255,255)'>W</p>",
    "<p style='color:rgba(0,0,0,0)'>W</p>",
    "<p style='color:#0000'>W</p>",
    "<p style='color:hsl(0,0%,100%)'>W</p>",
    "<p style='color:#fefefe'>W</p>",
    "<p style='color:transparent'>W</p>",
    "<font color=white>W</font>",
    "<font color=ffffff>W</font>",
    "<table bgcolor='#123456'><td style='color:#123456'>W</td></table>",
    "<div style='background:#000'><span style='color:black'>W</span></div>",
    "<p hidden>W</p>",
    "<p aria-hidden=true>W</p>",
    "<dialog>W</dialog>",
    "<template>W</template>",
    f"{STYLE}<p class='x'>W</p>",
    f"<p class='a x b'>W</p>{STYLE}",
    "<style>#i{display:none}</style><p id=i>W</p>",
    "<style>div{color:#fff}</style><div>W</div>",
    "<style>div .x{display:none}</style><div><p class=x>W</p></div>",
    "<style>div>p.x{display:none}</style><div><p class=x>W</p></div>",
    "<style>[data-a]{display:none}</style><p data-a>W</p>",
    "<style>p[class^=pre]{opacity:0}</style><p class=preheader>W</p>",
    "<style>a,.x,b{font-size:0}</style><p class=x>W</p>",
    "<style>@media screen{.x{display:none}}</style><p class=x>W</p>",
    "<style>/*{*/.x{display:none}</style><p class=x>W</p>",
    "<style>@media (min-width:600px){.x{display:none}}</style><p class=x>W</p>",
    "<style>@supports (display:none){.x{display:none}}</style><p class=x>W</p>",
    "<style>.x{display:none!important}</style><p class=x style='display:block'>W</p>",
    "<div style='display:none'><p>a</div><p style='display:none'>W",
    "<span style='display:none'><p>W</span>W",
    "<b style='display:none'><p>a</p><p>W</p></b>",
    "<p><b hidden>a</p><p>W</p></b>",
    "<p style='-webkit-text-fill-color:transparent'>W</p>",
    "<p style='content-visibility:hidden'>W</p>",
    "<img src=x width=1 height=1 alt='W'>",
    "<img src=x style='width:1px' alt='W'>",
    "<img hidden src=x alt=W>",
    "<!-- W -->",
    "<![CDATA[W]]>",
    "<svg><text>W</text></svg>",
    "<p style='filter:opacity(0)'>W</p>",
    "<p style='color:var(--x);opacity:0%'>W</p>",
]
SHOWN = [
    "<p style='font-size:0'><span style='font-size:14px'>W</span></p>",
    "<div style='visibility:hidden'><p style='visibility:visible'>W</p></div>",
    "<p style='color:#fff;background:#036'>W</p>",
    "<td bgcolor='#003366'><a href=x style='color:#ffffff'>W</a></td>",
    "<p style='color:#fff;background:url(a.png)'>W</p>",
    "<div style='background-image:linear-gradient(red,blue)'><p style='color:white'>W</p></div>",
    "<style>@media (max-width:600px){.x{display:none}}</style><p class=x>W</p>",
    "<style>@media print{.x{display:none}}</style><p class=x>W</p>",
    "<style>@media (prefers-color-scheme:dark){p{color:#fff}}</style><p>W</p>",
    "<!--[if mso]><style>p{display:none}</style><![endif]--><p>W</p>",
    "<style>.x:hover{display:none}</style><p class=x>W</p>",
    "<style>.y .x{display:none}</style><p class=x>W</p>",
    "<style>.x{display:none}</style><p class=x style='display:block!important'>W</p>",
    "<p style='height:0'>W</p>",
    "<p style='left:-9999px'>W</p>",
    "<p style='position:relative;left:-9px'>W</p>",
    "<p style='text-indent:-20px'>W</p>",
    "<p style='display:none'>a</p>W",
    "<p style='display:none'>a<div>W</div>",
    "<table><td style='display:none'>a<td>W</table>",
    "<li style='display:none'>a<li>W",
    "<b hidden>a</b>W",
    "<div><span hidden>a</div>b</span>W</div>W",
    "<td><font color=white>a</td></table>W",
    "<head><title>a</title><p>W</p>",
    "<svg><path/><p>W</p>",
    "<style>@keyframes k{from{opacity:0}}</style><p>W</p>",
    "<dialog open>W</dialog>",
    "<p style='font-size:2px'>W</p>",
    "<p style='opacity:.9'>W</p>",
    "<p style='max-height:100px;overflow:hidden'>W</p>",
    "<p style='color:inherit'>W</p>",
    "<style>u + .b{display:none}</style><p class=b>W</p>",
    "<p style='margin:-4px'>W</p>",
]


@pytest.mark.parametrize("html", HIDDEN)
def test_what_a_browser_hides_is_not_read(html: str) -> None:
    found = read_html(f"<html><body><p>Hello.</p>{html}</div></table></b><p style='all:revert'>")
    assert "Hello." in found.text
    assert "W" not in found.text


@pytest.mark.parametrize("html", SHOWN)
def test_what_a_browser_shows_is_read(html: str) -> None:
    assert "W" in read_html(html).text


def test_hidden_characters_are_counted() -> None:
    assert read_html("<p>a</p><p style='display:none'>four</p>").hidden_chars == 4
    assert read_html("<head><title>no</title></head><p>a</p>").hidden_chars == 0


def test_a_long_table_is_read_to_its_end() -> None:
    rows = "".join(f"<tr><td>{number}</td><td>Item</td><td>2</td><td>3</td></tr>" for number in range(4000))
    found = read_html(f"<table>{rows}</table><p>Total 31337</p>")
    assert "31337" in found.text
    assert not found.truncated


@pytest.mark.parametrize(
    "html",
    [
        "".join(f"<font a={number}><p>" for number in range(60_000)),
        "<p><table><td>" + "<b>" * 400 + "<div></div>" * 80_000,
        "<style>"
        + "".join(f".a{number} .b{{color:red}}" for number in range(2000))
        + "</style>"
        + "<p class=b>x" * 70_000,
        "<style>" + "a{color:" * 100_000,
        "<style>" + "x" * 1_000_000,
        "<style>" + " " * 900_000 + "x{}",
        "<a>" + "<div>" * 90_000 + "</a>" * 90_000,
        "<p style='" + "a" * 900_000 + "'>",
        "<p style='color:" + "rgb(" * 200_000 + "'>x",
        "<b style=color:red>" * 500 + "<i></i>" * 100_000,
    ],
    ids=range(10),
)
def test_hostile_html_costs_little_and_is_told(html: str) -> None:
    before = time.process_time()
    read_html(html)
    assert time.process_time() - before < 5
