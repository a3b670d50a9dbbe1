"""A word of feedback from anybody: what is taken, and what nobody can hold up with it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import httpx
import pytest

from tests.support.serving import serving
from tests.support.waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.anyio

FEEDBACK = "/api/feedback"


@pytest.fixture
def database_kind() -> str:
    """Nothing of this reaches the store."""
    return "sqlite"


async def test_feedback_is_taken_and_its_words_stay_out_of_the_log(
    browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    given = {"email": "ann@example.org", "category": "bug", "message": "sesame", "later": 1}
    response = await browser.post(FEEDBACK, json=given)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "feedback (bug): 6 characters" in caplog.messages
    assert "sesame" not in caplog.text
    assert (await browser.post(FEEDBACK, json={"message": "x" * 5000})).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"message": ""}',
        b'{"message": "' + b"x" * 5001 + b'"}',
        b'{"message": "m", "category": "praise"}',
        b'{"message": "m", "email": "' + b"e" * 255 + b'"}',
        b'{"message": "m", "more": "' + b"x" * 64 * 1024 + b'"}',
        b'{"message": "m", "more": ' + b"[" * 50_000,
        b'\xff{"message": "m"}',
    ],
)
async def test_anything_else_is_refused_in_plain_text(content: bytes, browser: httpx.AsyncClient) -> None:
    response = await browser.post(FEEDBACK, content=content)
    assert (response.status_code, response.text) == (400, "Bad Request\n")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_an_address_may_say_so_much_an_hour(browser: httpx.AsyncClient) -> None:
    answers = [await browser.post(FEEDBACK, json={"message": "m"}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].text == "Too Many Requests\n"
    assert 3500 < int(answers[-1].headers["retry-after"]) <= 3601
    assert "ratelimit-limit" not in answers[-1].headers


async def test_a_body_that_does_not_come_is_given_up(browser: httpx.AsyncClient) -> None:
    reader, writer = await _begun(browser)
    async with asyncio.timeout(20):
        answer = await reader.readuntil(b"\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_body_that_breaks_off_is_no_failure_of_ours(
    browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "e2a.http")
    _, writer = await _begun(browser)
    writer.close()
    await writer.wait_closed()
    await until(lambda: any("/api/feedback" in line for line in caplog.messages))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_an_address_is_the_peers_own_whatever_a_header_says(browser: httpx.AsyncClient) -> None:
    answers = [await _sent_for(browser, f"192.0.2.{number}") for number in range(11)]
    assert answers == [200] * 10 + [429]


async def test_a_trusted_proxy_names_the_peer(tmp_path: Path) -> None:
    with serving(tmp_path, f"sqlite:///{tmp_path / 'e2a.db'}", http_trusted_proxies="127.0.0.0/8") as served:
        async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as client:
            assert [await _sent_for(client, f"192.0.2.{number}") for number in range(11)] == [200] * 11
            # What the client wrote itself stands before what the proxy adds.
            answers = [await _sent_for(client, f"192.0.2.{number}, 192.0.2.99") for number in range(11)]
            assert answers == [200] * 10 + [429]


async def _sent_for(client: httpx.AsyncClient, address: str) -> int:
    headers = {"X-Forwarded-For": address}
    return (await client.post(FEEDBACK, json={"message": "m"}, headers=headers)).status_code


async def _begun(browser: httpx.AsyncClient) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request of which the first octet of the body has come."""
    url = browser.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST /api/feedback HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n"
    writer.write(head.encode() + b"Content-Length: 10\r\n\r\n{")
    await writer.drain()
    return reader, writer
