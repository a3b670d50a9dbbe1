"""Connections that say nothing: mail and the API go on beside more of them than the process has descriptors for."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from e2a_core.http.connections import HEAD_SECONDS, READING_SECONDS
from tests.support.serving import ASSISTANT, Served, serving
from tests.support.smtp_client import letter, submit

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.apart]

SILENT = 1500
DESCRIPTORS = 1024
"""The usual limit of a process; here the server cannot raise it."""
PATIENT_SECONDS = 5.0
HEAD = b"GET /v1/agents HTTP/1.1\r\nHost: 127.0.0.1\r\n"
SAID = {
    "nothing": b"",
    "one octet": b"G",
    "half a head": HEAD + b"X-Slow: ",
    "one answered request": HEAD + b"\r\n",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * SILENT
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        folder = tmp_path_factory.mktemp("served")
        with serving(folder, "", descriptors=DESCRIPTORS, smtp_max_connections_per_address="500") as served:
            yield served
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def silent(address: tuple[str, int], said: bytes) -> Iterator[list[socket.socket]]:
    opened = []
    try:
        for _ in range(SILENT):
            connection = socket.create_connection(address, timeout=PATIENT_SECONDS)
            opened.append(connection)
            with suppress(OSError):
                connection.sendall(said)
        yield opened
    finally:
        for connection in opened:
            connection.close()


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
async def test_mail_and_the_api_go_on_beside_silent_http_connections(served: Served, said: bytes) -> None:
    parts = urlsplit(served.url)
    assert parts.hostname is not None
    assert parts.port is not None
    slowest = {"mail": 0.0, "api": 0.0}
    with silent((parts.hostname, parts.port), said):
        for number in range(5):
            slowest["api"] = max(slowest["api"], await seconds_of_a_listing(served))
            slowest["mail"] = max(slowest["mail"], await seconds_of_a_letter(served, number))
    sys.stdout.write(f"{SILENT} connections that said {said[:20]!r}: {slowest}\n")
    assert "Too many open files" not in "".join(served.lines())


async def test_a_connection_that_sends_no_request_is_closed(served: Served) -> None:
    parts = urlsplit(served.url)
    started = time.monotonic()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(SAID["half a head"])
    async with asyncio.timeout(HEAD_SECONDS + PATIENT_SECONDS):
        assert await reader.read() == b""
    assert time.monotonic() - started >= HEAD_SECONDS - 0.5
    writer.close()


UNREAD = 300
"""More than are served at once, and less than one address may open."""
LONG_ANSWER = b"GET /v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextmanager
def unread(address: tuple[str, int], requests: int) -> Iterator[list[socket.socket]]:
    """Connections whose long answers nobody reads, all asked for at once."""
    opened = []
    try:
        for _ in range(UNREAD):
            connection = socket.socket()
            opened.append(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.settimeout(PATIENT_SECONDS)
            connection.connect(address)
            connection.sendall(LONG_ANSWER * requests)
        yield opened
    finally:
        for connection in opened:
            connection.close()


@pytest.mark.parametrize("requests", [1, 60])
async def test_answers_that_nobody_reads_hold_no_place(served: Served, requests: int) -> None:
    parts = urlsplit(served.url)
    assert parts.hostname is not None
    assert parts.port is not None
    with unread((parts.hostname, parts.port), requests) as opened:
        await seconds_of_a_listing(served)
        await asyncio.sleep(2 * READING_SECONDS + PATIENT_SECONDS)
        await seconds_of_a_listing(served)
        ended = [connection for connection in opened if is_reset(connection)]
    assert len(ended) == UNREAD if requests > 1 else ended


def is_reset(connection: socket.socket) -> bool:
    try:
        # The answer to the first octet says that nobody takes it.
        connection.sendall(b"G")
        connection.sendall(b"E")
    except OSError:
        return True
    return False


async def test_long_answers_asked_for_at_once_are_read_whole_at_leisure(served: Served) -> None:
    parts = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=4096)
    writer.write(LONG_ANSWER * 40 + LONG_ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    octets = bytearray()
    while piece := await reader.read(64 * 1024):
        octets += piece
        await asyncio.sleep(0.002)
    writer.close()
    answers = bytes(octets).split(b"HTTP/1.1 200 OK")[1:]
    assert len(answers) == 41
    assert len({answer.partition(b"\r\n\r\n")[2] for answer in answers}) == 1


async def seconds_of_a_listing(served: Served) -> float:
    started = time.monotonic()
    async with httpx.AsyncClient(timeout=PATIENT_SECONDS) as client:
        answer = await client.get(
            f"{served.url}/v1/agents", headers={"Authorization": f"Bearer {served.key}"}
        )
    assert answer.status_code == 200
    return time.monotonic() - started


async def seconds_of_a_letter(served: Served, number: int) -> float:
    started = time.monotonic()
    content = letter(message_id=f"<{number}.{started}@example.org>")
    async with asyncio.timeout(PATIENT_SECONDS):
        exchange = await submit(served.smtp, content, mail_from="alice@example.org", recipients=[ASSISTANT])
    assert exchange.accepted
    return time.monotonic() - started
