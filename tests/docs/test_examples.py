"""The examples do what they say, on a home served by the real command."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mcp import Client, StdioServerParameters, stdio_client
from tests.docs.documents import ROOT
from tests.docs.served import INBOX, ServedHome, served_home

EXAMPLES = ROOT / "examples"
ZONES = {
    "example.org": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]},
    "_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject"]},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHome]:
    """One for all: each test leaves no unread mail behind."""
    with served_home(tmp_path_factory.mktemp("home"), ZONES) as running:
        yield running


def example(home: ServedHome, name: str, *arguments: str, stdin: str = "", status: int = 0) -> str:
    done = home.run(sys.executable, str(EXAMPLES / name), *arguments, stdin=stdin)
    assert done.returncode == status, done.stderr
    return done.stdout


def test_every_example_is_told_of_and_tested() -> None:
    told = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    tests = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f"]({path.name})" in told
        assert f'"{path.name}"' in tests


def test_triage_labels_by_what_is_known_of_the_sender(home: ServedHome) -> None:
    home.mail("Lunch", "Are you free?")
    home.mail("News", "We moved.")
    home.mail("Lunch", "Are you free?", sender="me@elsewhere.example")
    home.mail("Away", "Back on Monday?", header="Auto-Submitted: auto-replied\r\n")
    labels = [line.split()[1] for line in example(home, "triage_agent.py").splitlines()]
    assert labels == ["automatic", "unproven", "information", "question"]
    assert example(home, "triage_agent.py") == ""


def test_the_reviewer_decides_what_was_shown(home: ServedHome) -> None:
    hold_all_outgoing(home)
    home.mail("Lunch", "Are you free?")
    [line] = example(home, "triage_agent.py").splitlines()
    assert line.endswith("question")
    shown = example(home, "review_queue.py", stdin="a\n")
    assert "1 waiting" in shown
    assert "Subject: Re: Lunch" in shown
    assert shown.rstrip().endswith("accepted")
    assert "0 waiting" in example(home, "review_queue.py")


def test_a_genuine_statement_holds_and_one_under_another_secret_does_not(home: ServedHome) -> None:
    home.mail("Lunch", "Are you free?")
    [line] = example(home, "triage_agent.py").splitlines()
    message_id = line.split()[0]
    proven = example(home, "verify_auth_headers.py", message_id)
    assert re.search(r"^verified=true sender=me@example.org entity=human$", proven, re.MULTILINE)
    done = home.run(
        sys.executable,
        str(EXAMPLES / "verify_auth_headers.py"),
        message_id,
        E2A_HMAC_SECRET="another secret than the one that signed",
    )
    assert (done.returncode, done.stdout[:15]) == (1, "does not hold: ")


def test_what_is_refused_ends_with_a_line(home: ServedHome) -> None:
    api, mcp = str(home.address["http"]), str(home.address["mcp"])
    elsewhere = {"E2A_API_KEY": "e2a_acct_wrong", "E2A_API_URL": api, "E2A_MCP_URL": mcp}
    refusals: list[tuple[list[str], dict[str, str], str]] = [
        (["triage_agent.py"], elsewhere, "set E2A_API_KEY"),
        (["review_queue.py"], elsewhere, "set E2A_API_KEY"),
        (["verify_auth_headers.py", "msg_none"], {}, "get_message: no such message (not_found)"),
        (["verify_auth_headers.py", "msg_none"], {"E2A_MCP_SCOPE": "none"}, "Connection closed"),
        (["webhook_agent.py", callback()], elsewhere, "(unauthorized)"),
        (["webhook_agent.py", callback()], {}, "set E2A_API_KEY"),
        (["laptop_agent.py", INBOX], elsewhere, "(unauthorized)"),
        (["laptop_agent.py"], elsewhere, "usage: "),
        (["chatgpt_subscriber.py", callback(), INBOX], elsewhere, "refused: missing or invalid credential"),
        (["chatgpt_subscriber.py", callback(), INBOX], {**elsewhere, "E2A_MCP_URL": api}, "no MCP endpoint"),
    ]
    for (name, *arguments), settings, words in refusals:
        done = home.run(sys.executable, str(EXAMPLES / name), *arguments, **settings)
        assert done.returncode == 1
        assert words in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


def hold_all_outgoing(home: ServedHome) -> None:
    """As the owner: nothing leaves before a person has seen it."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "e2a_mcp"], env={**home.environment, "E2A_MCP_SCOPE": "account"}
    )

    async def configure() -> None:
        async with Client(stdio_client(server)) as owner:
            asked = {"email": INBOX, "outbound_gate_policy": "allowlist", "outbound_gate_action": "review"}
            assert not (await owner.call_tool("update_protection", asked)).is_error

    asyncio.run(configure())


@contextmanager
def told(home: ServedHome, name: str, *arguments: str) -> Iterator[Callable[[], str]]:
    """A running example that is told of mail; the result reads its next line."""
    made = json.loads(home.run("e2a", "bootstrap", "--email", "owner@localhost", "--json").stdout)
    environment = {
        **home.environment,
        "E2A_API_KEY": made["api_key"],
        "E2A_API_URL": str(home.address["http"]),
        "E2A_MCP_URL": str(home.address["mcp"]),
    }
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline
            assert process.wait(30) == 0
        finally:
            process.kill()


def callback() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/hook"


def test_a_cloud_agent_is_told_by_webhook(home: ServedHome) -> None:
    with told(home, "webhook_agent.py", callback(), "1") as line:
        assert line() == "ready\n"
        home.mail("By webhook", "Hello.")
        assert line() == "me@example.org: By webhook\n"
    example(home, "triage_agent.py")


def test_an_agent_on_a_laptop_is_told_by_websocket(home: ServedHome) -> None:
    home.mail("By WebSocket", "Hello.")
    with told(home, "laptop_agent.py", INBOX, "1") as line:
        assert line().startswith("me@example.org: By W")


def test_a_host_is_told_by_subscription(home: ServedHome) -> None:
    with told(home, "chatgpt_subscriber.py", callback(), INBOX, "1") as line:
        assert line().startswith("ready sub_")
        home.mail("By subscription", "Hello.")
        assert line() == "email.received: By subscription\n"
    example(home, "triage_agent.py")
