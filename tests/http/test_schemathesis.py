"""The served document, tried by schemathesis against the server that serves it."""

from __future__ import annotations

import base64
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docs.documents import snippets
from tests.support.serving import ASSISTANT, Served, serving
from tests.support.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
RUN_SECONDS = 150
COMMAND = "from schemathesis.cli import schemathesis; schemathesis()"
SPARE = "spare@agents.example"

THINGS = """
[parameters]
"path.email" = "{inbox}"
"path.address" = "bob@example.org"
"path.domain" = "own.example.com"
"path.alias" = "welcome"

[[operations]]
include-operation-id = "deleteAgent"
[operations.parameters]
"path.email" = "{spare}"

[[operations]]
include-operation-id = "deleteMessage"
[operations.parameters]
"path.id" = "{trashed}"

[[operations]]
include-path-regex = "/messages/"
exclude-operation-id = "deleteMessage"
[operations.parameters]
"path.id" = "{message}"

[[operations]]
include-path-regex = "/conversations/"
[operations.parameters]
"path.id" = "{conversation}"

[[operations]]
include-operation-id = "deleteWebhook"
[operations.parameters]
"path.id" = "{ended}"

[[operations]]
include-path-regex = "/webhooks/"
exclude-operation-id = "deleteWebhook"
[operations.parameters]
"path.id" = "{webhook}"

[[operations]]
include-path-regex = "/events/"
[operations.parameters]
"path.id" = "{event}"
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, f"sqlite:///{tmp_path / 'e2a.db'}", push_allow_loopback="true") as running:
        yield running


@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.timeout(RUN_SECONDS + 60)
def test_the_documented_command_ends_without_failures(served: Served) -> None:
    [command] = [
        line
        for snippet in snippets("bash")
        for line in snippet.text.splitlines()
        if line.startswith("schemathesis run")
    ]
    url = "http://127.0.0.1:8080"
    assert url in command
    assert "$KEY" in command
    words = shlex.split(command.replace(url, served.url).replace("$KEY", served.key))[1:]
    _succeeds(served, ROOT, words)


@pytest.mark.slow
@pytest.mark.apart
@pytest.mark.timeout(RUN_SECONDS + 60)
def test_no_failure_where_there_is_something_to_find(served: Served, tmp_path: Path) -> None:
    general = (ROOT / "schemathesis.toml").read_text(encoding="utf-8")
    (tmp_path / "schemathesis.toml").write_text(general + THINGS.format(**_things(served)), encoding="utf-8")
    document, header = f"{served.url}/v1/openapi.json", f"Authorization: Bearer {served.key}"
    _succeeds(served, tmp_path, ["run", document, "--header", header, "--max-examples", "6"])


def _succeeds(served: Served, folder: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words, "--seed", "1", "--no-color"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Stateful" in done.stdout
    assert "Authentication failed" not in done.stdout
    assert not [line for line in served.lines() if " ERROR " in line or "Traceback" in line]


def _things(served: Served) -> dict[str, str]:
    """What the operations need to find something."""
    with httpx.Client(
        base_url=served.url, headers={"Authorization": f"Bearer {served.key}"}, timeout=PATIENCE_SECONDS
    ) as client:

        def call(method: str, path: str, body: Any = None) -> Any:
            response = client.request(method, path, json=body)
            assert response.is_success, response.text
            return response.json()

        file = {"filename": "a.txt", "content_type": "text/plain", "data": base64.b64encode(b"x").decode()}
        note = {"to": [ASSISTANT], "subject": "note", "text": "t", "attachments": [file]}
        call("POST", "/v1/agents", {"email": SPARE})
        for _ in range(2):
            call("POST", f"/v1/agents/{ASSISTANT}/messages", note)
        message, trashed = call("GET", f"/v1/agents/{ASSISTANT}/messages")["items"]
        [conversation, *_] = call("GET", f"/v1/agents/{ASSISTANT}/conversations")["items"]
        call("POST", "/v1/contacts", {"address": "bob@example.org"})
        call("POST", "/v1/domains", {"domain": "own.example.com"})
        hook = {"url": "http://127.0.0.1:9/mail", "events": ["email.received"]}
        webhook, ended = (call("POST", "/v1/webhooks", hook)["id"] for _ in range(2))
        [event, *_] = call("GET", "/v1/events")["items"]
        call("POST", "/v1/templates", {"name": "n", "subject": "s {{a}}", "text": "t"})
    return {
        "inbox": ASSISTANT,
        "spare": SPARE,
        "message": message["id"],
        "trashed": trashed["id"],
        "conversation": conversation["id"],
        "webhook": webhook,
        "ended": ended,
        "event": event["id"],
    }
