"""The server as a child process, talked to by the official client in both protocol eras."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import ResourceListChangedNotification

from mcp import Client, StdioServerParameters, stdio_client
from tests.support.dns import DnsServer
from tests.support.home import SHARED, Keys, environment_of, open_home_for_test

from .conftest import SAME_CODE
from .relay import LEGACY
from .results import text_of

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def connected(mode: str, environment: dict[str, str], **options: Any) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "e2a_mcp"], env={**SAME_CODE, **environment}
    )
    with anyio.fail_after(30):
        async with Client(stdio_client(parameters), mode=mode, **options) as client:
            yield client


async def test_lists_reads_and_replies(tmp_path: Path, dns: DnsServer, keys: Keys, era: str) -> None:
    async with open_home_for_test(tmp_path, "", dns, keys) as home:
        assert (await home.deliver(subject="hi", text="first words")).accepted
    async with connected(era, environment_of(tmp_path, "", dns)) as client:
        me = await client.call_tool("whoami", {})
        assert me.structured_content["scope"] == "agent"
        listed = await client.call_tool("list_messages", {})
        (row,) = listed.structured_content["messages"]
        assert (row["subject"], row["trust"]) == ("hi", "verified")
        read = await client.call_tool("get_message", {"message_id": row["id"]})
        assert "first words" in text_of(read)
        replied = await client.call_tool("reply_to_message", {"message_id": row["id"], "text": "hello back"})
        assert replied.structured_content["status"] == "accepted"
        thread = {"conversation_id": replied.structured_content["conversation_id"]}
        shown = await client.call_tool("get_conversation", thread)
        assert row["id"] in [item["id"] for item in shown.structured_content["messages"]]


async def test_an_owner_is_told_when_an_inbox_comes(tmp_path: Path, dns: DnsServer, era: str) -> None:
    told = anyio.Event()

    async def hear(message: Any) -> None:
        if isinstance(message, ResourceListChangedNotification):
            told.set()

    async def listen(client: Client) -> None:
        async with client.listen(resources_list_changed=True) as stream:
            await anext(stream)
            told.set()

    environment = environment_of(tmp_path, "", dns, mcp_scope="account")
    async with (
        connected(era, environment, message_handler=hear) as client,
        anyio.create_task_group() as tasks,
    ):
        if era != LEGACY:
            tasks.start_soon(listen, client)
        number = 0
        while not told.is_set():  # nothing says when the watch begins
            number += 1
            made = await client.call_tool("create_agent", {"email": f"box{number}@{SHARED}"})
            assert not made.is_error
            with anyio.move_on_after(0.2):
                await told.wait()
        tasks.cancel_scope.cancel()


async def test_a_mailbox_that_cannot_be_opened_leaves_the_tools_listed(
    tmp_path: Path, dns: DnsServer
) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    async with connected(LEGACY, environment_of(tmp_path, nowhere, dns)) as client:
        assert (await client.list_tools()).tools
        result = await client.call_tool("whoami", {})
    assert result.is_error
    assert (result.structured_content["code"], result.structured_content["retryable"]) == (
        "unavailable",
        False,
    )


async def test_an_inbox_of_the_settings_that_is_not_there_is_named_with_its_setting(
    tmp_path: Path, dns: DnsServer
) -> None:
    wrong = f"assistent@{SHARED}"
    async with connected(LEGACY, environment_of(tmp_path, "", dns, agent_email=wrong)) as client:
        result = await client.call_tool("whoami", {})
        assert result.structured_content["code"] == "not_found"
        assert f"E2A_AGENT_EMAIL names {wrong}" in text_of(result)
