"""The command: its options, its exit, its streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e2a_mcp.version import VERSION

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
FREE_PORTS = {"E2A_SMTP_LISTEN": "127.0.0.1:0", "E2A_HTTP_LISTEN": "127.0.0.1:0"}


def run(*arguments: str, home: Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
    return subprocess.run(
        [sys.executable, "-m", "e2a_mcp", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**inherited, **FREE_PORTS, "E2A_HOME": str(home), **environment},
    )


def test_version(tmp_path: Path) -> None:
    assert run("--version", home=tmp_path).stdout == f"e2a-mcp {VERSION}\n"


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:99999", "127.0.0.1:", ":80"])
def test_a_wrong_listener_is_named(tmp_path: Path, listen: str) -> None:
    done = run("--http", listen, home=tmp_path)
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = run(home=tmp_path, E2A_MCP_SCOPE="everything")
    assert (done.returncode, done.stdout) == (2, "")
    assert "E2A_MCP_SCOPE must be agent or account" in done.stderr


def test_the_end_of_input_ends_the_server_cleanly(tmp_path: Path) -> None:
    done = run(home=tmp_path, stdin=json.dumps(INITIALIZE) + "\n")
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    told = json.loads(line)["result"]["serverInfo"]
    assert {name: told[name] for name in ("name", "title", "version", "description")} == {
        "name": "e2a",
        "title": "e2a mailbox",
        "version": VERSION,
        "description": "Authenticated email for an AI agent",
    }
    assert "Traceback" not in done.stderr


def test_input_that_is_no_protocol_ends_cleanly_too(tmp_path: Path) -> None:
    done = run(home=tmp_path, stdin="hello\n{}\n\n")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_a_signal_ends_the_server_while_input_is_open(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "e2a_mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **FREE_PORTS, "E2A_HOME": str(tmp_path)},
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(INITIALIZE) + "\n")
        child.stdin.flush()
        assert '"serverInfo"' in child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0


def test_a_mailbox_that_cannot_be_opened_is_told_to_caller_and_person(tmp_path: Path) -> None:
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    stdin = "".join(json.dumps(message) + "\n" for message in (INITIALIZE, initialized, CALL))
    done = run(home=tmp_path, stdin=stdin, E2A_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
