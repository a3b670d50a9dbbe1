"""The served document, tried by schemathesis against the server that serves it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.serving import ASSISTANT, Served, serving

ROOT = Path(__file__).parents[2]
RUN_SECONDS = 150
COMMAND = "from schemathesis.cli import schemathesis; schemathesis()"
SPARE = "spare@agents.example"

CONFIG = """
[parameters]
"path.email" = "{inbox}"
"path.address" = "bob@example.org"
"path.domain" = "own.example.com"
"path.alias" = "welcome"

# What the schema cannot say (an address that is one, a domain not yet taken) is refused with these, as documented.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 402, 404, 409, 412, 413, 422, 429]

# It would take the key with it.
[[operations]]
include-operation-id = "delete_account"
enabled = false

[[operations]]
include-operation-id = "delete_agent"
[operations.parameters]
"path.email" = "{spare}"

[[operations]]
include-operation-id = "delete_message"
[operations.parameters]
"path.id" = "{trashed}"

[[operations]]
include-path-regex = "/messages/"
exclude-operation-id = "delete_message"
[operations.parameters]
"path.id" = "{message}"

[[operations]]
include-path-regex = "/conversations/"
[operations.parameters]
"path.id" = "{conversation}"

[[operations]]
include-path-regex = "^/v1/templates/"
exclude-operation-id = "delete_template"
[operations.parameters]
"path.id" = "{template}"
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("schemathesis")
    with serving(folder, f"sqlite:///{folder / 'e2a.db'}") as running:
        yield running


@pytest.mark.timeout(RUN_SECONDS + 60)
def test_no_failure_no_undocumented_answer_no_schema_violation(served: Served, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIG.format(**_things(served)), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-c", COMMAND, "run", f"{served.url}/v1/openapi.json"),
            *("--header", f"Authorization: Bearer {served.key}", "--suppress-health-check", "all"),
            *("--max-examples", "12", "--seed", "1", "--no-color"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.http.schemathesis_hooks"},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Stateful" in done.stdout
    assert not [line for line in served.lines() if " ERROR " in line or "Traceback" in line]


def _things(served: Served) -> dict[str, str]:
    """What the operations need to find something."""
    with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {served.key}"}) as client:

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
        template = call("POST", "/v1/templates", {"name": "n", "subject": "s {{a}}", "text": "t"})
    return {
        "inbox": ASSISTANT,
        "spare": SPARE,
        "message": message["id"],
        "trashed": trashed["id"],
        "conversation": conversation["id"],
        "template": template["id"],
    }
