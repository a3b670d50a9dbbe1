"""The server as a child process, talked to by the official client in both protocol eras."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from mcp import Client, StdioServerParameters, stdio_client

from .conftest import SAME_CODE

pytestmark = pytest.mark.anyio

ERAS = ["legacy", "2026-07-28"]


@asynccontextmanager
async def connected(
    tmp_path: Path, mode: str, *, module: str = "tests.mcp.child", **environment: str
) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", module],
        env={**SAME_CODE, "E2A_HOME": str(tmp_path), **environment},
        cwd=Path(__file__).parents[2],
    )
    with anyio.fail_after(30):
        async with Client(stdio_client(parameters), mode=mode) as client:
            yield client


@pytest.mark.parametrize("mode", ERAS)
async def test_lists_reads_and_replies(tmp_path: Path, mode: str) -> None:
    async with connected(tmp_path, mode) as client:
        me = await client.call_tool("whoami", {})
        assert me.structured_content["scope"] == "agent"
        listed = await client.call_tool("list_messages", {})
        (row,) = listed.structured_content["messages"]
        assert (row["subject"], row["trust"]) == ("hi", "verified")
        read = await client.call_tool("get_message", {"message_id": row["id"]})
        assert "first words" in read.content[0].text
        replied = await client.call_tool("reply_to_message", {"message_id": row["id"], "text": "hello back"})
        assert replied.structured_content["status"] == "accepted"
        assert replied.structured_content["conversation_id"] == row["conversation_id"]


async def test_a_mailbox_that_cannot_be_opened_leaves_the_tools_listed(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    async with connected(tmp_path, "legacy", module="e2a_mcp", E2A_DATABASE_URL=nowhere) as client:
        assert (await client.list_tools()).tools
        result = await client.call_tool("whoami", {})
    assert result.is_error
    assert (result.structured_content["code"], result.structured_content["retryable"]) == (
        "unavailable",
        False,
    )


async def test_an_inbox_of_the_settings_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    wrong = "assistent@agents.localhost"
    listeners = {"E2A_SMTP_LISTEN": "127.0.0.1:0", "E2A_HTTP_LISTEN": "127.0.0.1:0"}
    async with connected(tmp_path, "legacy", module="e2a_mcp", E2A_AGENT_EMAIL=wrong, **listeners) as client:
        result = await client.call_tool("whoami", {})
        assert result.structured_content["code"] == "not_found"
        assert f"E2A_AGENT_EMAIL names {wrong}" in result.content[0].text
