"""A deployment that means harm to the command line that asks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from e2a_mcp.program.output import note, result, result_json
from tests.program.commanding import at_home, e2a, on_terminal
from tests.remote.conftest import ACCOUNT

ESCAPE = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\r\x7f"
KEY = "e2a_acct_" + "0" * 64


class Hostile(BaseHTTPRequestHandler):
    public_url = ""

    def do_GET(self) -> None:
        if self.path == "/v1/account":
            user = {**ACCOUNT["user"], "email": f"owner{ESCAPE}@example.org"}
            self._say(200, {**ACCOUNT, "user": user})
        elif self.path == "/v1/info":
            info = {"version": "1", "shared_domain": "x", "slug_registration_enabled": True}
            self._say(200, {**info, "public_url": type(self).public_url})
        elif self.path.startswith("/v1/agents"):
            error = {"code": f"gone{ESCAPE}", "message": f"no{ESCAPE}", "request_id": f"r{ESCAPE}"}
            self._say(409, {"error": error})
        else:
            self._say(404, {})

    def _say(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def harmless(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


def test_nothing_it_says_controls_the_terminal(url: str, tmp_path: Path) -> None:
    environment = at_home(tmp_path / "home")
    signed_in = e2a(environment, "login", url, "--with-key", stdin=KEY + "\n")
    assert signed_in.returncode == 0, signed_in.stderr
    assert "signed in to" in signed_in.stdout
    refused = e2a(environment, "agents", "list")
    assert refused.returncode != 0
    assert "gone" in refused.stderr
    for text in (signed_in.stdout, signed_in.stderr, refused.stdout, refused.stderr):
        assert harmless(text), repr(text)
    _, shown = on_terminal(environment, "whoami")
    for bad in ("\x1b]0", "\x1b[2J", "\u202e", "\x9b", "\x07"):
        assert bad not in shown


@pytest.mark.parametrize(
    "told",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "vscode://x",
        "//elsewhere",
        "http://",
        "https://a\nb",
        "x:[",
    ],
)
def test_it_opens_nothing_but_pages(url: str, tmp_path: Path, told: str) -> None:
    Hostile.public_url = told
    environment = at_home(tmp_path / "home", E2A_API_URL=url, E2A_API_KEY=KEY)
    opened = e2a(environment, "open")
    assert opened.returncode == 0, opened.stderr
    assert json.loads(opened.stdout) == {"url": url}


def test_every_line_of_a_command_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    result(f"one{ESCAPE}\ntwo")
    note(f"one{ESCAPE}\ntwo")
    result_json({"a": ESCAPE})
    shown = capsys.readouterr()
    assert harmless(shown.out)
    assert harmless(shown.err)
    assert shown.err.count("\n") == 1
    assert json.loads(shown.out.splitlines()[-1]) == {"a": ESCAPE}
