"""What clients on the TypeScript SDK 1.x make of the tools: they check errors against the output schema too."""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.home import ASSISTANT, Home

from .relay import Listener, mcp_listening
from .test_catalogue import ACCOUNT_NAMES, AGENT_NAMES, LEGACY_NAMES

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.apart, pytest.mark.timeout(900)]

PROGRAMS = Path(__file__).parent / "node"
NAMES = [*AGENT_NAMES, *ACCOUNT_NAMES, *sorted(LEGACY_NAMES)]
UNKNOWN = "an_argument_that_no_tool_has"
INSPECTED = NAMES[::8]
"""Every eighth: an inspector is a process that takes a core for two seconds, over the client that is tried with all."""
AT_ONCE = 2
"""Inspectors at once."""

MISSING: dict[str, dict[str, Any]] = {
    "get_message": {"message_id": "msg_1"},
    "get_attachment": {"message_id": "msg_1", "attachment_index": 0},
    "reply_to_message": {"message_id": "msg_1", "text": "Hi"},
    "get_conversation": {"conversation_id": "conv_1"},
    "get_review": {"message_id": "msg_1"},
    "approve_review": {"message_id": "msg_1"},
    "reject_review": {"message_id": "msg_1"},
    "get_domain": {"domain": "nobody.example"},
}
"""Calls that fail in the engine, about what is not there."""


async def run(*command: str | Path, given: str = "", cwd: Path | None = None) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=cwd)
    answer, errors = await process.communicate(given.encode())
    assert process.returncode == 0, errors.decode()
    return answer.decode()


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs, with the packages they need."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(PROGRAMS, folder, dirs_exist_ok=True)
    await run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)
    return folder


@pytest.fixture(scope="module")
async def listener(shared_home: Home) -> AsyncIterator[Listener]:
    settings = replace(shared_home.local.core.settings, mcp_legacy_tools=True)
    async with mcp_listening(shared_home.local, settings) as found:
        yield found


async def outcomes(
    node: Path, listener: Listener, key: str, calls: list[tuple[str, dict[str, Any]]]
) -> list[dict[str, Any]]:
    made = [{"name": name, "arguments": arguments} for name, arguments in calls]
    asked = json.dumps({"url": listener.url, "key": key, "calls": made})
    found: list[dict[str, Any]] = json.loads(await run("node", node / "call.mjs", given=asked))
    assert len(found) == len(calls)
    return found


def assert_told(name: str, outcome: dict[str, Any], code: str) -> None:
    assert "thrown" not in outcome, f"{name}: {outcome}"
    result = outcome["result"]
    assert result["isError"] is True, name
    assert result["content"][0]["text"].startswith(f"e2a error [{code}]"), name
    assert result["structuredContent"]["code"] == code, name


async def test_the_client_hands_on_the_error_of_every_tool(
    node: Path, listener: Listener, shared_home: Home
) -> None:
    calls = [(name, {UNKNOWN: 1}) for name in NAMES]
    found = await outcomes(node, listener, shared_home.account_key, calls)
    for name, outcome in zip(NAMES, found, strict=True):
        assert_told(name, outcome, "invalid_request")


async def test_the_client_hands_on_what_the_engine_refuses(
    node: Path, listener: Listener, shared_home: Home
) -> None:
    found = await outcomes(node, listener, shared_home.agent_key, [("list_agents", {})])
    assert_told("list_agents", found[0], "unknown_tool")
    email = {"email": ASSISTANT}
    bound = {"get_message", "get_attachment", "reply_to_message", "get_conversation"}
    calls = [(name, {**given, **(email if name in bound else {})}) for name, given in MISSING.items()]
    found = await outcomes(node, listener, shared_home.account_key, calls)
    for (name, _), outcome in zip(calls, found, strict=True):
        assert_told(name, outcome, "not_found")


async def test_the_client_takes_answers(node: Path, listener: Listener, shared_home: Home) -> None:
    reads = ("whoami", "list_messages", "list_conversations", "get_agent_metrics", "get_agent")
    found = await outcomes(node, listener, shared_home.agent_key, [(name, {}) for name in reads])
    for name, outcome in zip(reads, found, strict=True):
        assert "thrown" not in outcome, f"{name}: {outcome}"
        assert not outcome["result"].get("isError"), f"{name}: {outcome}"


async def test_the_inspector_shows_the_error_of_a_tool(
    node: Path, listener: Listener, shared_home: Home
) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def shown(name: str) -> dict[str, Any]:
        async with turn:
            printed = await run(
                node / "node_modules" / ".bin" / "mcp-inspector",
                *("--cli", listener.url),
                *("--transport", "http", "--header", f"Authorization: Bearer {shared_home.account_key}"),
                *("--method", "tools/call", "--tool-name", name, "--tool-arg", f"{UNKNOWN}=1"),
                cwd=node,
            )
        return {"result": json.loads(printed)}

    async with asyncio.TaskGroup() as tasks:
        running = {name: tasks.create_task(shown(name)) for name in INSPECTED}
    for name, task in running.items():
        assert_told(name, task.result(), "invalid_request")
