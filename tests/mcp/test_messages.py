"""Messages that cannot be served: whoever waits for an answer gets an error, with the id where one can be read."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2a_core.json_bounds import MAX_JSON_VALUES
from e2a_mcp.messages import faults_in

from .conftest import SAME_CODE

PARSE, INVALID = -32700, -32600
CROWD = b"[" + b"[]," * MAX_JSON_VALUES + b"[]]"
HALF = "\\ud83d"

SAMPLES: list[tuple[bytes, list[tuple[int, int | str | None]]]] = [
    (
        f'{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"cursor":"{HALF}"}}}}'.encode(),
        [(PARSE, 1)],
    ),
    (f'{{"jsonrpc":"2.0","id":"a","method":"{HALF}"}}'.encode(), [(PARSE, "a")]),
    (f'{{"jsonrpc":"2.0","method":"ping","id":"{HALF}"}}'.encode(), [(INVALID, None)]),
    (b'{"jsonrpc":"2.0","id":2,"method":7}', [(INVALID, 2)]),
    (b'{"jsonrpc":"2.0","id":2,"method":null}', [(INVALID, 2)]),
    (b'{"jsonrpc":"2.0","id":2,"method":["ping"]}', [(INVALID, 2)]),
    (b'{"jsonrpc":"2.0","id":2}', [(INVALID, 2)]),
    (b'{"jsonrpc":"1.0","id":3,"method":"ping"}', [(INVALID, 3)]),
    (b'{"id":3,"method":"ping"}', [(INVALID, 3)]),
    (b'{"jsonrpc":2.0,"id":3,"method":"ping"}', [(INVALID, 3)]),
    (b'{"jsonrpc":"2.0","id":4,"method":"ping","params":[1]}', [(INVALID, 4)]),
    (b'{"jsonrpc":"2.0","id":4,"method":"ping","params":"x"}', [(INVALID, 4)]),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', [(INVALID, None)]),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', [(INVALID, None)]),
    (b'{"jsonrpc":"2.0","id":1.0,"method":"ping"}', [(INVALID, None)]),
    (b'{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}', [(INVALID, None)]),
    (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}', [(INVALID, None)]),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', [(INVALID, None)]),
    (
        b'[{"jsonrpc":"2.0","id":5,"method":"ping"},{"jsonrpc":"2.0","id":"b","method":"ping"}]',
        [(INVALID, 5), (INVALID, "b")],
    ),
    (b'[{"jsonrpc":"2.0","method":"notifications/initialized"}]', [(INVALID, None)]),
    (b"[]", [(INVALID, None)]),
    (b"1", [(INVALID, None)]),
    (b'"ping"', [(INVALID, None)]),
    (b"null", [(INVALID, None)]),
    (b"{}", [(INVALID, None)]),
    (b"not json", [(PARSE, None)]),
    (b'{"jsonrpc":"2.0","id":6,"method":"ping"', [(PARSE, 6)]),
    (b'{"jsonrpc":"2.0","id":6,"method":"ping",}', [(PARSE, 6)]),
    (b'{"jsonrpc":"2.0","params":{"id":9},"id":6,"method":"ping"]', [(PARSE, 6)]),
    (b"{'jsonrpc':'2.0','id':6,'method':'ping'}", [(PARSE, None)]),
    (b'{"jsonrpc":"2.0","id":7,"method":"\xff\xfe"}', [(PARSE, 7)]),
    (b'{"jsonrpc":"2.0","id":8,"method":"ping","params":' + b"[" * 100_000, [(PARSE, 8)]),
    (b'{"jsonrpc":"2.0","id":8,"method":"ping","params":{"a":' + b"9" * 10_000 + b"}}", [(PARSE, 8)]),
    (b'{"jsonrpc":"2.0","id":9,"method":"ping","params":{"a":' + CROWD + b"}}", [(INVALID, 9)]),
    (b'{"method":"ping","params":{"a":' + CROWD + b'},"jsonrpc":"2.0","id":"c"}', [(INVALID, "c")]),
    (b'{"method":"ping","params":{"a":' + CROWD + b',"b":{"id":10}}}', [(INVALID, None)]),
]
FINE = [
    b'{"jsonrpc":"2.0","id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":"","method":"ping","params":null}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1","reason":"\\"id\\""}}',
    b'{"jsonrpc":"2.0","method":"x","params":{"id":null}}',
    b'{"jsonrpc":"2.0","id":1,"result":{}}',
    b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}',
    b'{"jsonrpc":"2.0","id":"\\ud83d\\ude00","method":"ping"}',
]


@pytest.mark.parametrize(("raw", "wanted"), SAMPLES, ids=range(len(SAMPLES)))
def test_a_message_that_cannot_be_served_has_its_errors(
    raw: bytes, wanted: list[tuple[int, int | str | None]]
) -> None:
    assert [(fault.code, fault.id) for fault in faults_in(raw)] == wanted


@pytest.mark.parametrize("raw", FINE)
def test_a_message_that_can_be_served_has_none(raw: bytes) -> None:
    assert faults_in(raw) == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**SAME_CODE, "E2A_HOME": str(tmp_path / "home"), "E2A_SMTP_LISTEN": "127.0.0.1:0"}
    with subprocess.Popen(
        [sys.executable, "-m", "e2a_mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "E2A_HTTP_LISTEN": "127.0.0.1:0"},
    ) as process:
        yield process
        process.kill()


def say(process: subprocess.Popen[bytes], raw: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(raw + b"\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    message: dict[str, Any] = json.loads(process.stdout.readline())
    return message


def shake_hands(process: subprocess.Popen[bytes]) -> None:
    parameters = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    request = {"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": parameters}
    say(process, json.dumps(request).encode())
    assert hear(process)["id"] == "hello"
    say(process, b'{"jsonrpc":"2.0","method":"notifications/initialized"}')


def test_over_stdio_each_is_answered_and_the_session_goes_on(server: subprocess.Popen[bytes]) -> None:
    shake_hands(server)
    for raw, wanted in SAMPLES:
        say(server, raw)
        say(server, b"")
        answers = [hear(server) for _ in wanted]
        assert [(item["error"]["code"], item["id"]) for item in answers] == wanted
    say(server, b'{"jsonrpc":"2.0","id":"still there","method":"ping"}')
    assert hear(server) == {"jsonrpc": "2.0", "id": "still there", "result": {}}


@pytest.mark.parametrize("requests", [0, 300])
def test_the_end_of_standard_input_under_load_leaves_no_traceback(
    server: subprocess.Popen[bytes], requests: int
) -> None:
    shake_hands(server)
    for number in range(requests):
        call: dict[str, Any] = {"name": ("whoami", "list_messages")[number % 2], "arguments": {}}
        request = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call}
        say(server, json.dumps(request).encode())
    if requests:
        hear(server)
    assert server.stdin is not None
    assert server.stderr is not None
    server.stdin.close()
    started = time.monotonic()
    assert server.wait(10) == 0
    seconds = time.monotonic() - started
    assert b"Traceback" not in server.stderr.read()
    # A second on a machine with nothing else to do.
    assert seconds < 5.0
