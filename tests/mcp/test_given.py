"""Arguments in the forms in which hosts really send them."""

from __future__ import annotations

import json
import time
from typing import Any, Literal

import pytest
from pydantic import Field

from e2a_core.errors import InvalidRequest
from e2a_mcp.given import separated
from e2a_mcp.schema import Arguments, validated

from .conftest import Connect
from .relay import Inbox
from .test_sending import call, sent

BOB, DAN = "bob@example.net", "dan@example.net"


class File(Arguments):
    name: str


class Given(Arguments):
    to: list[str] | None = None
    files: list[File] | None = None
    data: dict[str, Any] | None = None
    peek: bool = False
    limit: int = 20
    ratio: float | None = None
    sort: Literal["asc", "desc"] | None = None
    confirm: Literal[True] = True
    text: str | None = None


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (BOB, [BOB]),
        (f" {BOB} ", [BOB]),
        (f"{BOB}, {DAN}", [BOB, DAN]),
        (f"{BOB};{DAN};", [BOB, DAN]),
        (f"{BOB}\n{DAN}", [BOB, DAN]),
        (f"{BOB} {DAN}", [BOB, DAN]),
        (f'["{BOB}"]', [BOB]),
        (f'["{BOB}", "{DAN}"]', [BOB, DAN]),
        (f'"{BOB}"', [BOB]),
        (json.dumps(json.dumps([BOB])), [BOB]),
        (f"['{BOB}', '{DAN}']", [BOB, DAN]),
        (f"[{BOB}, {DAN}]", [BOB, DAN]),
        ([f"{BOB}, {DAN}"], [BOB, DAN]),
        ([BOB, ""], [BOB]),
        (f"Doe, Bob <{BOB}>", [f"Doe, Bob <{BOB}>"]),
        (f"Doe, Bob <{BOB}>, {DAN}", [f"Doe, Bob <{BOB}>", DAN]),
        (f"Doe, Bob <{BOB}>; Roe, Dan <{DAN}>", [f"Doe, Bob <{BOB}>", f"Roe, Dan <{DAN}>"]),
        (f'"Doe, Bob" <{BOB}>, <{DAN}>', [f'"Doe, Bob" <{BOB}>', f"<{DAN}>"]),
        (f"{BOB} (Bob, at work), {DAN}", [f"{BOB} (Bob, at work)", DAN]),
        ({"name": "Doe, Bob", "email": BOB}, [f'"Doe, Bob" <{BOB}>']),
        ([{"address": BOB}, DAN], [BOB, DAN]),
        ([{"emailAddress": {"address": BOB, "name": "Bob"}}], [f'"Bob" <{BOB}>']),
        (json.dumps([{"email": BOB}]), [BOB]),
        ("work", ["work"]),
        ("work, home", ["work", "home"]),
        ('["work"]', ["work"]),
        ("", None),
        ("null", None),
        (None, None),
    ],
)
def test_a_list_of_texts(given: Any, read: Any) -> None:
    assert validated(Given, {"to": given}).to == read


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"peek": "true"}, {"peek": True}),
        ({"peek": "False"}, {"peek": False}),
        ({"peek": "yes"}, {"peek": True}),
        ({"peek": None}, {"peek": False}),
        ({"peek": ""}, {"peek": False}),
        ({"limit": "5"}, {"limit": 5}),
        ({"limit": 5.0}, {"limit": 5}),
        ({"limit": None}, {"limit": 20}),
        ({"limit": ""}, {"limit": 20}),
        ({"limit": "null"}, {"limit": 20}),
        ({"ratio": "0.5"}, {"ratio": 0.5}),
        ({"sort": "DESC"}, {"sort": "desc"}),
        ({"sort": ""}, {"sort": None}),
        ({"confirm": "true"}, {"confirm": True}),
        ({"text": ["msg_1"]}, {"text": "msg_1"}),
        ({"text": ""}, {"text": ""}),
        ({"text": "[1, 2]"}, {"text": "[1, 2]"}),
        ({"data": '{"a": 1}'}, {"data": {"a": 1}}),
        ({"data": ""}, {"data": None}),
        ({"files": '[{"name": "a"}]'}, {"files": [File(name="a")]}),
        ({"files": {"name": "a"}}, {"files": [File(name="a")]}),
        ({"files": ['{"name": "a"}']}, {"files": [File(name="a")]}),
    ],
)
def test_other_arguments(given: dict[str, Any], read: dict[str, Any]) -> None:
    found = validated(Given, given)
    assert {name: getattr(found, name) for name in read} == read


@pytest.mark.parametrize(
    "given",
    [
        {"peek": "perhaps"},
        {"limit": "many"},
        {"sort": "up"},
        {"confirm": "false"},
        {"confirm": False},
        {"to": 5},
        {"to": [5]},
        {"to": [{"phone": "5"}]},
        {"text": 2026},
        {"text": True},
        {"text": ["a", "b"]},
        {"data": "[1]"},
        {"data": "{"},
        {"files": "a.txt"},
        {"files": "[" * 100_000},
    ],
)
def test_what_has_no_one_meaning_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validated(Given, given)
    ((location, _), *_) = refused.value.fields
    assert location.startswith(f"arguments.{next(iter(given))}")


class Narrow(Arguments):
    to: list[str] = Field(max_length=100)


@pytest.mark.parametrize("text", ["<", '"', '"\\', ",", "(", "a@b,", '"a', " ", "[", "a@b ", "a<"])
def test_nonsense_takes_no_time(text: str) -> None:
    before = time.process_time()
    separated(text * (50_000 // len(text)))
    with pytest.raises(InvalidRequest):
        validated(Narrow, {"to": [text * 1_000] * 2_000})
    with pytest.raises(InvalidRequest):
        validated(Narrow, {"to": text * 1_000_000, "more": 1})
    assert time.process_time() - before < 1


@pytest.mark.anyio
async def test_a_name_may_have_a_comma_without_quotes(connect: Connect, box: Inbox) -> None:
    async with connect() as client:
        await call(client, "send_message", to=f"Doe, Bob <{BOB}>, {DAN}", subject="s", text="t", cc="null")
    (message,) = await sent(box)
    assert message.to == [BOB, DAN]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Dear <b>Ann</b>,</p><p>see <a href='https://example.org/'>this</a></p>", "Dear Ann,"),
        ("<ul><li>one</li><li>two</li></ul>", "- one"),
        ("<h1>Tag &amp; Nacht</h1>", "Tag & Nacht"),
    ],
)
async def test_html_alone_makes_its_text(connect: Connect, box: Inbox, html: str, text: str) -> None:
    async with connect() as client:
        await call(client, "send_message", to=BOB, subject="s", html=html, wait_sent=True)
        (first,) = await sent(box)
        await call(client, "reply_to_message", message_id=first.id, html=html)
        await call(client, "forward_message", message_id=first.id, to=BOB, html=html)
    for message in await sent(box):
        assert message.parsed is not None
        assert message.parsed.text.startswith(text)
        assert message.parsed.html is not None


@pytest.mark.anyio
async def test_a_picture_alone_is_sent(connect: Connect, box: Inbox) -> None:
    async with connect() as client:
        await call(client, "send_message", to=BOB, subject="s", html="<img src='cid:a'>")
    (message,) = await sent(box)
    assert message.parsed is not None
    assert "cid:a" in (message.parsed.html or "")


@pytest.mark.anyio
@pytest.mark.parametrize("send_at", ["2h", "in 2 hours", "+2h", "PT2H", "tomorrow", "2089-01-31 09:00"])
async def test_a_time_to_send_is_read_as_a_period_is(connect: Connect, box: Inbox, send_at: str) -> None:
    async with connect() as client:
        result = await client.call_tool(
            "send_message", {"to": [BOB], "subject": "s", "text": "t", "send_at": send_at}
        )
    if send_at.startswith("2089"):
        assert "at most" in str(result.content)
    else:
        assert result.structured_content["status"] == "scheduled"
