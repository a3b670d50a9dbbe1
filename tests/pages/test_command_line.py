"""`e2a login` against the pages of a home: what is handed over, to whom, and what is refused."""

from __future__ import annotations

import asyncio
import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from e2a_core.contract.engine import Session
from tests.pages.people import Visitor, fields_of
from tests.program.commanding import COMMAND, at_home
from tests.support.home import Home
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.local_only]

PATH = "/api/auth/login"
STATE = "0123456789abcdef0123456789abcdef"


def asking(callback: str = "http://127.0.0.1:9/callback", state: str = STATE, name: str = "laptop") -> str:
    return f"{PATH}?{urlencode({'cli_callback': callback, 'cli_state': state, 'cli_name': name})}"


async def test_the_command_gets_a_key_by_two_buttons(
    visitor: Visitor, url: str, owner: Session, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "login",
        url,
        env=at_home(tmp_path / "home"),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    line = (await process.stderr.readline()).decode()
    page, code = re.search(r"open (\S+) \(code (\w{6})\)", line).groups()  # type: ignore[union-attr]
    parts = urlsplit(page)
    asked = await visitor.read(f"{parts.path}?{parts.query}")
    assert f"<b>{code}</b>" in asked
    answer = await visitor.post(PATH, fields_of(asked, PATH))
    assert answer.status_code == 200
    [callback] = [unescape(url) for url in re.findall(r'action="(http://127[^"]*)"', answer.text)]
    origin = callback.removesuffix("/callback")
    assert f"form-action 'self' {origin};" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as http:
        handed = await http.post(callback, data=fields_of(answer.text, callback))
    assert handed.status_code == 200
    await process.communicate()
    assert process.returncode == 0
    kept = json.loads((tmp_path / "home" / "config.json").read_text())
    assert kept["api_url"] == url
    assert kept["api_key"] not in line
    keys = (await owner.api_keys.list()).items
    assert [key.scope for key in keys if key.name.startswith("e2a on ")] == ["account"]
    again = await asyncio.create_subprocess_exec(
        *COMMAND, "whoami", env=at_home(tmp_path / "home"), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await again.communicate()
    assert json.loads(out)["user"]["id"] == owner.principal.account_id


@pytest.mark.parametrize(
    "callback",
    [
        "https://evil.example/callback",
        "http://evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1@evil.example:80/callback",
        "http://evil@127.0.0.1:80/callback",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:x/callback",
        "http://localhost:80/callback",
        "http://0.0.0.0:80/callback",
        "http://[::1]:80/callback",
        "http://127.0.0.1:80",
        "http://127.0.0.1:80/a;script-src *",
        "http://127.0.0.1:80/a?b",
        "http://127.0.0.1:80/a#b",
        "http://127.0.0.1:80/\r\nX-A: b",
        "//127.0.0.1:80/callback",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://127.0.0.1:80\\@evil.example/",
        "",
    ],
)
async def test_a_key_leaves_for_this_machine_alone(visitor: Visitor, owner: Session, callback: str) -> None:
    before = len((await owner.api_keys.list()).items)
    assert (await visitor.get(asking(callback))).status_code == 400
    proof = fields_of(await visitor.read("/"), "/sign-out")
    answer = await visitor.post(PATH, {"cli_callback": callback, "cli_state": STATE, **proof})
    assert answer.status_code == 400
    assert len((await owner.api_keys.list()).items) == before


@pytest.mark.parametrize("state", ["", "short", "0" * 201, "x" * 20 + "<b>", "\u00e9" * 32])
async def test_a_state_is_what_a_command_makes(visitor: Visitor, state: str) -> None:
    assert (await visitor.get(asking(state=state))).status_code == 400


async def test_looking_makes_no_key_and_another_site_neither(
    home: Home, visitor: Visitor, owner: Session, url: str
) -> None:
    before = len((await owner.api_keys.list()).items)
    page = await visitor.read(asking(name="<script>alert(1)</script>\u202e"))
    assert "<script>alert" not in page
    assert "\u202e" not in page
    fields = fields_of(page, PATH)
    cross = await visitor.client.post(PATH, data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    forged = await visitor.post(PATH, {**fields, "proof": "0" * 64})
    assert forged.status_code == 403
    assert len((await owner.api_keys.list()).items) == before
