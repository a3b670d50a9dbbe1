"""HTML mail as a browser shows it: what it hides is not read, what it shows is."""

from __future__ import annotations

import time

import pytest

from e2a_core.mail.html import read_html
from e2a_core.mail.html_visible import MAX_HTML_TOKENS, MAX_STEPS, visible
from tests.support.newsletters import newsletter

STYLE = "<style>.x{display:none}</style>"
HIDDEN = [
    "<style>:root{--w:#fff}.v{color:var(--w)}</style><p class=v>W</p>",
    "<style>.v{display:var(--d)}:root{--d:none}</style><p class=v>W</p>",
    "<style>:root{--w:#fff}</style><p style='color:var(--w)'>W</p>",
    "<div style='--size:0'><p style='font-size:var( --size , 12px)'>W</p></div>",
    "<p style='display:var(--missing, none)'>W</p>",
    "<p style='color:var(--missing, rgb(255,255,255))'>W</p>",
    "<style>:root{--w:#fff}@media print{:root{--w:#000}}b{color:var(--w)}</style><b>W</b>",
    "<style>:is(.q,.r){display:none}</style><p class=r>W</p>",
    "<style>p:where(.q, .r) b{display:none}</style><p class=q><b>W</b></p>",
    "<style>div > :is(p, h1).x{display:none}</style><div><h1 class=x>W</h1></div>",
    "<style>:is(.a,.b) :is(.c,.d){display:none}</style><div class=b><p class=c>W</p></div>",
    "<style>p:-webkit-any(.q,.r){display:none}</style><p class=q>W</p>",
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
    "<p aria-hidden=true>W</p>",
    "<div aria-hidden='TRUE'><b>W</b></div>",
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
    "<details>open me<p>W</p></details>",
    "<details><summary>a</summary>W</details>",
    "<details><div><summary>W</summary></div></details>",
    "<details><details open><summary>W</summary></details></details>",
    "<noscript>W</noscript>",
    "<noscript><p>W</p></noscript>",
    "<style>.x{display:block}.x{display:none}</style><p class=x>W</p>",
    "<style>.x{display:block}#i{display:none}</style><p class=x id=i>W</p>",
    "<style>#i{display:block}p{display:none!important}</style><p id=i>W</p>",
    "<style>.x{color:#f6f6f6}</style><div style='background-color:#f6f6f6'><p class=x>W</p></div>",
    "<style>.x{background:#222}</style><p class=x style='color:#222222'>W</p>",
    "<style>.x{font-size:0}</style><table><tr><td class='a x'>W</td></tr></table>",
    "<style>.x{text-indent:-9999px}</style><h1 class=x>W</h1>",
    "<style>.x{position:absolute;left:-10000px;width:1px;height:1px;overflow:hidden}</style><i class=x>W</i>",
    "<style>.x{clip:rect(0 0 0 0);position:absolute}</style><span class=x>W</span>",
    "<style>.x{visibility:hidden}</style><div class=x><div>W</div></div>",
    "<style>.x{opacity:0}</style><div class=x><p style='opacity:1'>W</p></div>",
    "<style>p{mso-hide:all}</style><p>W</p>",
    "<style media=screen>.x{display:none}</style><p class=x>W</p>",
    "<style>@media (prefers-color-scheme:light){.x{display:none}}</style><p class=x>W</p>",
    "<style>@media (width>=1px){.x{display:none}}</style><p class=x>W</p>",
    "<style>@media not print{.x{display:none}}</style><p class=x>W</p>",
    "<style>@media screen and (orientation:landscape){.x{display:none}}</style><p class=x>W</p>",
    "<style>p:not(.y){display:none}</style><p class=z>W</p>",
    "<style>[class*='X' i]{display:none}</style><p class=ax>W</p>",
    "<style>td>div>p.x{display:none}</style><table><tr><td><div><p class=x>W</p></div></td></tr></table>",
    "<style>.a .b .c{display:none}</style><p class=a><b class=b><i class=c>W</i></b></p>",
    "<style>.x{display:none}</style><img class=x alt=W>",
    "<p style='display:none;display:none'>W</p>",
    '<p style="color:#fff !important;color:#000">W</p>',
    "<p style='display:block;display:none'>W</p>",
    "<p style='font-size:12px;font:0px/1 Arial'>W</p>",
    "<p style='line-height:0;font-size:0px;max-height:0'>W</p>",
    "<p style='width:0;overflow:hidden;white-space:nowrap'>W</p>",
    "<p style='color:hsla(0,0%,0%,0)'>W</p>",
    "<p style='color:rgb(255 255 255 / 1)'>W</p>",
    "<p style='color:rgb(0 0 0 / 0%)'>W</p>",
    "<p style='position:relative;top:-2000px'>W</p>",
    "<p style='position:absolute;right:-99999px'>W</p>",
    "<p style='position:absolute;left:-100vw'>W</p>",
    "<p style='position:absolute;left:-100%'>W</p>",
    "<p style='position:absolute;left:200vw'>W</p>",
    "<p style='margin-left:-9999px'>W</p>",
    "<p style='transform:translate(-200%)'>W</p>",
    "<p style='transform:translateY(-5000px)'>W</p>",
    "<p style='transform:scale(0.001)'>W</p>",
    "<p style='transform:scaleX(0)'>W</p>",
    "<p style='zoom:0.01'>W</p>",
    "<p style='clip-path:polygon(0 0,0 0,0 0)'>W</p>",
    "<p style='clip-path:inset(100%)'>W</p>",
    "<p style='clip-path:inset(0 100% 0 0)'>W</p>",
    "<p style='clip-path:circle(0px)'>W</p>",
    "<p style='filter:opacity(0%)'>W</p>",
    "<p style='opacity:0e1'>W</p>",
    "<p style='opacity:.0'>W</p>",
    "<p style='opacity:1%'>W</p>",
    "<p style='display:none' aria-hidden=false>W</p>",
    "<p HIDDEN=''>W</p>",
    "<p hidden=until-found>W</p>",
    "<input type=hidden value=W>",
    "<select><option>W</select>",
    "<textarea>W</textarea>",
    "<title>W</title>",
    "<iframe>W</iframe>",
    "<object>W</object>",
    "<audio>W</audio>",
    "<canvas>W</canvas>",
    "<datalist><option>W</datalist>",
    "<map><area alt=W></map>",
    "<p style='font-size:calc(0px)'>W</p>",
    "<p style='height:0px;overflow:clip'>W</p>",
    "<p style='max-width:0;overflow-x:hidden'>W</p>",
    "<style>.x{}.x{;display:none}</style><p class=x>W</p>",
    "<style>.x{color:red;;display : none ;}</style><p class=x>W</p>",
    "<style>@charset 'x';@import url(a);.x{display:none}</style><p class=x>W</p>",
    "<style><!-- .x{display:none} --></style><p class=x>W</p>",
    "<style>div *{display:none}</style><div><p>W</p></div>",
    "<style>:root p{display:none}</style><html><p>W</p>",
    "<style>a:link{color:#fff}</style><a href=x>W</a>",
    "<style>a{color:#fff}</style><a href=x>W</a>",
    "<style>p{color:#fff}</style><p>W</p>",
    "<style>@layer a{.x{display:none}}</style><p class=x>W</p>",
    "<style>p{display:none}</style><p>W<b>W</b></p>",
    "<style>.x{DISPLAY:NONE}</style><p CLASS=x>W</p>",
    "<style>P.x{display:none}</style><p class=x>W</p>",
    "<style>.x\\:y{display:none}</style><p class=x:y>W</p>",
    "<style>p:first-of-type+p{display:block}.x{display:none}</style><p class=x>W</p>",
    "<marquee hidden>W</marquee>",
    "<p style='text-indent:100%;overflow:hidden;white-space:nowrap'>W</p>",
    "<p style='text-indent:-999em'>W</p>",
    "<p style='background:#fff;color:#fff'>W</p>",
    "<p style='background-color:red;color:#f00'>W</p>",
    "<p style='background:red;background:#00f;color:blue'>W</p>",
    "<p style='background-color:red;background:#fff;color:white'>W</p>",
    "<ul hidden><li>W</ul>",
    "<p style='display:none'><span style='display:block'>W</span>",
    "<p style='color:#ffffff08'>W</p>",
    "<p style='color:#FFFFFF'>W</p>",
    "<p style='color:WHITE'>W</p>",
    "<p style='color:linen;background:linen'>W</p>",
    "<p style='position:absolute;top:-9999px'><a href='https://x.example'>W</a></p>",
    "<p style='font-size:0.1px'>W</p>",
    "<p style='font-size:.5pt'>W</p>",
    "<p style='font-size:1e-3em'>W</p>",
    "<p style='font-size:0rem'>W</p>",
    "<p style='font-size:0%'>W</p>",
    "<frameset><noframes>W</noframes></frameset>",
    "<p style='visibility:collapse'>W</p>",
    "<table style='visibility:hidden'><tr><td>W</td></tr></table>",
    "<p style='color:rgba(255,255,255,.01)'>W</p>",
    "<p style='color:#fff;background:none'>W</p>",
    "<p style='background:transparent;color:#fff'>W</p>",
    "<p style='height:1px;width:1px;overflow:hidden;position:absolute'>W</p>",
    "<font size=0 color=#ffffff>W</font>",
    "<table background=''><td style='display:none'>W</table>",
]
SHOWN = [
    "<style>:root{--w:#fff}.v{color:var(--b)}</style><p class=v>W</p>",
    "<style>:root{--w:#fff}.dark{--w:#000}p{color:var(--w)}</style><p>W</p>",
    "<style>:root{--w:var(--w)}p{color:var(--w)}</style><p>W</p>",
    "<style>@media (max-width:600px){:root{--d:none}}p{display:var(--d)}</style><p>W</p>",
    "<p style='color:var(--missing, #222)'>W</p>",
    "<style>:is(.q,.r){display:none}</style><p class=s>W</p>",
    "<style>.y:is(h1,b){display:none}</style><p class=yh1>W</p>",
    "<style>p:not(:is(.q,.r)){display:none}</style><p class=q>W</p>",
    "<style>:is(:hover,.r){display:none}</style><p>W</p>",
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
    "<details open><summary>a</summary>W</details>",
    "<details><summary>W</summary>a</details>",
    "<details>a</details>W",
    "<noscript>a</noscript>W",
    "<style>.x{display:none}.x{display:block}</style><p class=x>W</p>",
    "<style>.x{display:none}#i{display:block}</style><p class=x id=i>W</p>",
    "<style>p.x{display:none}.y{display:block!important}</style><p class='x y'>W</p>",
    "<style>p{display:none}p.x{display:table-cell}</style><p class=x>W</p>",
    "<p hidden style='display:block'>W</p>",
    "<style>.x{display:block}</style><p hidden class=x>W</p>",
    "<style media=print>.x{display:none}</style><p class=x>W</p>",
    "<style media='(max-width:600px)'>.x{display:none}</style><p class=x>W</p>",
    "<style>@media print{p{display:none}}</style><p>W</p>",
    "<style>@media only screen and (max-width:480px){p{display:none!important}}</style><p>W</p>",
    "<style>@media (prefers-color-scheme:dark){body{background:#000;color:#000}}</style><body><p>W</p>",
    "<style>@media not screen{p{display:none}}</style><p>W</p>",
    "<style>@media (orientation:portrait){p{display:none}}</style><p>W</p>",
    "<style>@media (width<600px){p{display:none}}</style><p>W</p>",
    "<style>.d{background:#000;color:#fff}</style><td class=d bgcolor=#ffffff>W</td>",
    "<style>a{color:#fff}</style><div style='background:#00f'><a href=x>W</a></div>",
    "<style>p:not(.x){display:none}</style><p class=x>W</p>",
    "<style>p:hover{display:none}</style><p>W</p>",
    "<style>p::before{display:none}</style><p>W</p>",
    "<style>.x p{display:none}</style><div class=x></div><p>W</p>",
    "<style>div>.x{display:none}</style><div><b><i class=x>W</i></b></div>",
    "<p style='background:#fff;background:#000;color:#fff'>W</p>",
    "<p style='background-color:#fff;background:#000;color:#fff'>W</p>",
    "<p style='font-size:0;font:14px Arial'>W</p>",
    "<p style='opacity:0.5'>W</p>",
    "<p style='position:absolute;left:10px'>W</p>",
    "<p style='clip:rect(0,0,0,0)'>W</p>",
    "<p style='clip-path:inset(5%)'>W</p>",
    "<p style='overflow:hidden;height:20px'>W</p>",
    "<p style='height:0;overflow:visible'>W</p>",
    "<p style='margin:0 auto'>W</p>",
    "<p style='margin:-20px 0 0'>W</p>",
    "<p style='color:#000'>W</p>",
    "<p style='color:#777'>W</p>",
    "<p style='color:currentColor'>W</p>",
    "<div style='color:#fff;background:#333'><p style='background:#fff;color:#333'>W</p></div>",
    "<div class=p style='display:none'>a</div><p>W</p>",
    "<style>u + .body .x{display:none}</style><p class=x>W</p>",
    "<style>.x{display:none}</style><p class=X>W</p>",
    "<p style='display:nonesuch'>W</p>",
    "<p style='mso-hide:none'>W</p>",
    "<p style='transform:rotate(3deg) translate(10px,-20px)'>W</p>",
    "<style>.x{visibility:hidden}.y{visibility:visible}</style><p class=x><b class=y>W</b></p>",
    "<!--[if !mso]><!--><p>W</p><!--<![endif]-->",
    "<table><tr><td style='font-size:0;line-height:0'><span style='font-size:16px'>W</span></td></tr></table>",
    "<p style='color:#fff;background:#fff url(a.png)'>W</p>",
    "<div style='background:#222'><table bgcolor=''><td style='color:#fff'>W</td></table></div>",
    "<style>.x{display:none}</style><div class=y>W</div><p class=x>a</p>",
    "<style>p{color:#fff}.b{background-color:#123}</style><p class=b>W</p>",
    "<style>@keyframes a{0%{opacity:0}to{opacity:1}}</style><p>W</p>",
    "<style>@font-face{font-family:x;src:url(y)}p{color:red}</style><p>W</p>",
    "<p style='position:relative;left:-40px'>W</p>",
    "<p style='text-indent:2em'>W</p>",
    "<p style='max-width:600px;overflow:hidden'>W</p>",
    "<p style='width:1px'>W</p>",
    "<b><p>a</b>W",
    "<div hidden>a</div><div>W</div>",
    "<p>" + "<b>a<p>" * 600 + "W",
]


@pytest.mark.parametrize("html", HIDDEN)
def test_what_a_browser_hides_is_not_read(html: str) -> None:
    found = read_html(f"<html><body><h4>Hello.</h4>{html}</div></table></b><p style='all:revert'>")
    assert "Hello." in found.text
    assert "W" not in found.text


@pytest.mark.parametrize("html", SHOWN)
def test_what_a_browser_shows_is_read(html: str) -> None:
    assert "W" in read_html(html).text


def test_hidden_characters_are_counted() -> None:
    assert read_html("<p>a</p><p style='display:none'>four</p>").hidden_chars == 4
    assert read_html("<head><title>no</title></head><p>a</p>").hidden_chars == 0


def test_a_long_table_is_read_to_its_end() -> None:
    rows = "".join(f"<tr><td>{number}</td><td>Item</td><td>2</td><td>3</td></tr>\n" for number in range(4000))
    found = read_html(f"<table>{rows}</table><p>Total 31337</p>")
    assert "31337" in found.text
    assert not found.truncated


@pytest.mark.parametrize(
    "html", ["<body bgcolor=#eeeeee><p style='color:#eee'>W", "<body text=white><p>W</p>"]
)
def test_the_background_of_the_page_counts(html: str) -> None:
    assert "W" not in read_html(html).text


def test_a_newsletter_is_read_without_its_hidden_parts() -> None:
    found = read_html(newsletter(60_000))
    assert "Story number 3" in found.text
    assert "Read more (https://news.example/r/3?" in found.text
    assert "preview" not in found.text
    assert "Tap to read" not in found.text
    assert not found.truncated


def _small(count: int) -> list[str]:
    """Pages of `count` pieces each, one for each way in which reading could take more than linear time."""
    rules = "".join(f".a{number} .b, td>.c{number}{{color:red}}" for number in range(30))
    pieces = [
        "<p>a", "<td>a", "<b>a", "<a href=x>a", "<div>a</div>", "<p class=b>a</p>",
        "<div class=a1><b class=b></b></div>",
        "<b><p></b></p>", "<font color=red><p></p>", "<table><tr><td>a</table>", "<ul><li>a<li>b</ul>", "<p><i>a<div>",
        "<p style='color:red'>a", "<span></p></span>", "<details><summary>a</details>", "<svg><p>", "<pre>a", "</b><b>",
    ]  # fmt: skip
    return [f"<style>{rules}</style>{piece * count}" for piece in pieces] + [
        newsletter(1500 * count),
        "<style>" + "".join(f".a{number} .b{{color:red}}" for number in range(count)) + "</style><p class=b>",
        "".join(f"<p style='margin:{number}px'>a</p>" for number in range(count)),
        "".join(f"<a href=x{number}>a</a>" for number in range(count)),
    ]


@pytest.mark.parametrize("kind", range(len(_small(1))))
def test_work_grows_with_the_length(kind: int) -> None:
    once, eightfold = visible(_small(50)[kind]), visible(_small(400)[kind])
    assert eightfold.truncated or eightfold.steps <= 12 * once.steps


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
        "<style>"
        + "".join(f"a[href^=x{number}]{{color:red}}" for number in range(1900))
        + "</style>"
        + "".join(f"<a href=x{number}>y</a>" for number in range(30_000)),
        "<style>" + "*{color:red}" * 1900 + "</style>" + "<p>x" * 60_000,
        "<style>" + "(," * 60_000 + "{color:red}",
        "<style>" + "a:hover," * 100_000 + "b{color:red}",
        "<style>" + "a{b:c}" * 150_000,
        "<style>" + ":is(a,b)" * 60 + "{color:red}" + "</style>" + "<a>x",
        "<style>" + ":is(a,b) :is(c,d){color:red}" * 4_000 + "</style>" + "<a>x" * 1000,
        "<style>:root{--a:" + "b" * 99 + "}" + "p{color:" + "var(--a)" * 400 + "}" * 30 + "</style><p>x",
        "<style>"
        + "".join(f"a{{--v{number}:var(--v{number + 1})}}" for number in range(6000))
        + "</style><p>x",
        "<style>" + "p{color:var(" * 10_000 + "</style><p>x",
        "<p style='" + "--a:b;" * 100_000 + "'>x",
        "".join(f"<p style='--a{number}:{number};color:var(--a{number})'>x" for number in range(20_000)),
        "".join(f"<p style=color:#{number % 4096:03x};margin:{number}px>x" for number in range(40_000)),
        "<b>" * 500 + "<p></b><b></p>" * 40_000,
    ],
    ids=range(24),
)
def test_hostile_html_costs_little_and_is_told(html: str) -> None:
    before = time.process_time()
    read_html(html)
    assert time.process_time() - before < 2
    assert visible(html).steps <= MAX_HTML_TOKENS + MAX_STEPS * 1.1
