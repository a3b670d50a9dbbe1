"""The tools over a whole relay: mail comes in by SMTP, is authenticated, and everything is done through the client.

Each test runs against the relay's own `/mcp`, and against an `e2a-mcp` elsewhere that acts through its API.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import TextResourceContents

from e2a_core.local.run_file import read_run_file
from mcp import Client, StdioServerParameters, stdio_client
from tests.support.dns import DnsServer
from tests.support.home import ASSISTANT, SHARED, Home, environment_of
from tests.support.smtp_client import letter, submit
from tests.support.waiting import until

from .conftest import SAME_CODE, remote_of
from .relay import MODERN, Listener
from .results import octets_of

pytestmark = pytest.mark.anyio

INBOX = f"mail://{ASSISTANT}/inbox"
MIXED_TYPE = {"MIME-Version": "1.0", "Content-Type": 'multipart/mixed; boundary="b"'}
MIXED = (
    b"--b\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n"
    b'--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="a.csv"\r\n\r\n1,2\r\n--b--\r\n'
)


def as_agent(served: Listener, home: Home, mode: str = MODERN) -> AbstractAsyncContextManager[Client]:
    return served.client(home.agent_key, mode)


async def call(client: Client, name: str, /, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def test_mail_is_listed_read_and_answered(served: Listener, home: Home, era: str) -> None:
    assert (await home.deliver(subject="Lunch", text="At noon?", signer=home.keys.alice)).accepted
    forged = await home.deliver(
        sender="ceo@elsewhere.example", mail_from="bulk@list.example", subject="Pay me"
    )
    assert forged.accepted
    async with as_agent(served, home, era) as client:
        assert (await call(client, "whoami"))["agent_email"] == ASSISTANT
        rows = (await call(client, "list_messages", sort="asc"))["messages"]
        assert [(row["subject"], row["trust"]) for row in rows] == [
            ("Lunch", "verified"),
            ("Pay me", "failed"),
        ]
        found = (await call(client, "list_messages", query="noon"))["messages"]
        assert [row["subject"] for row in found] == ["Lunch"]
        read = await call(client, "get_message", message_id=rows[0]["id"])
        assert "At noon?" in read["text"]
        assert (read["trust"], read["verified_domain"]) == ("verified", "example.org")
        refused = await call(client, "get_message", message_id=rows[1]["id"])
        assert refused["trust"] == "failed"
        replied = await call(client, "reply_to_message", message_id=rows[0]["id"], text="Yes")
        assert (replied["status"], replied["sandbox"]) == ("accepted", True)
        again = await call(client, "reply_to_message", message_id=rows[0]["id"], text="Yes")
        assert (again["message_id"], again["deduplicated"]) == (replied["message_id"], True)
        anew = await call(
            client, "reply_to_message", message_id=rows[0]["id"], text="Yes", allow_duplicate=True
        )
        assert anew["message_id"] != replied["message_id"]
        thread = await call(client, "get_conversation", conversation_id=replied["conversation_id"])
        assert [row["id"] for row in thread["messages"]] == [
            rows[0]["id"],
            replied["message_id"],
            anew["message_id"],
        ]
        wrong = await client.call_tool("list_messages", {"filter": "subject:("})
        assert wrong.structured_content["code"] == "invalid_filter"
        assert "position" in wrong.structured_content["details"]


async def test_an_attachment_goes_from_mail_to_mail(served: Listener, home: Home) -> None:
    assert (await home.deliver(headers=MIXED_TYPE, body=MIXED)).accepted
    async with as_agent(served, home) as client:
        (row,) = (await call(client, "list_messages"))["messages"]
        result = await client.call_tool("get_message", {"message_id": row["id"]})
        (link,) = (block for block in result.content if block.type == "resource_link")
        (contents,) = (await client.read_resource(link.uri)).contents
        assert isinstance(contents, TextResourceContents)
        data = contents.text.encode()
        assert data.strip() == b"1,2"
        sent = await call(
            client,
            "send_message",
            to=["bob@example.net"],
            subject="f",
            text="t",
            attachments=[{"uri": link.uri}],
        )
        raw = f"mail://{ASSISTANT}/messages/{sent['message_id']}/raw"
        assert base64.b64encode(data) in octets_of(await client.read_resource(raw))


async def test_a_wait_ends_with_the_mail_and_its_code(served: Listener, home: Home, era: str) -> None:
    results: list[Any] = []
    waiting = anyio.Event()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        waiting.set()

    async with as_agent(served, home, era) as client, anyio.create_task_group() as tasks:

        async def wait() -> None:
            arguments = {"from_": "alice", "timeout_seconds": 15}
            results.append(await client.call_tool("wait_for_message", arguments, progress_callback=progress))

        tasks.start_soon(wait)
        with anyio.fail_after(10):
            await waiting.wait()
        assert (await home.deliver(subject="Other", sender="bob@plain.example")).accepted
        assert (await home.deliver(subject="Your code", text="Your verification code is 271828.")).accepted
    content = results[0].structured_content
    assert content["codes"] == ["271828"]
    assert content["message"]["subject"] == "Your code"


@pytest.mark.local_only("the API tells of arrivals alone")
async def test_arrival_and_labels_are_told_to_a_subscriber(served: Listener, home: Home) -> None:
    async with as_agent(served, home) as client, client.listen(resource_subscriptions=[INBOX]) as stream:
        assert (await home.deliver()).accepted
        with anyio.fail_after(10):
            assert await anext(stream) == ResourceUpdated(INBOX)
        (row,) = (await call(client, "list_messages"))["messages"]
        await call(client, "update_message_labels", message_id=row["id"], add_labels=["urgent"])
        with anyio.fail_after(10):
            assert await anext(stream) == ResourceUpdated(INBOX)


async def test_arrival_is_told_to_a_subscriber(served: Listener, home: Home) -> None:
    async with as_agent(served, home) as client, client.listen(resource_subscriptions=[INBOX]) as stream:
        assert (await home.deliver()).accepted
        with anyio.fail_after(10):
            assert await anext(stream) == ResourceUpdated(INBOX)


async def test_what_the_owner_wants_approved_is_held_and_approved(served: Listener, home: Home) -> None:
    async with served.client(home.account_key) as owner, as_agent(served, home) as agent:
        await call(
            owner,
            "update_protection",
            email=ASSISTANT,
            outbound_gate_policy="allowlist",
            outbound_gate_allowlist=[],
            outbound_gate_action="review",
        )
        held = await call(agent, "send_message", to=["bob@example.net"], subject="Offer", text="For you")
        assert held["status"] == "pending_review"
        assert (await agent.call_tool("approve_review", {"message_id": held["message_id"]})).is_error
        (row,) = (await call(owner, "list_reviews"))["reviews"]
        seen = await call(owner, "get_review", message_id=row["id"])
        assert seen["text"].splitlines()[1:-1] == ["For you"]
        stale = await owner.call_tool("approve_review", {"message_id": row["id"], "content_hash": "sha256:0"})
        assert stale.structured_content["code"] == "draft_changed"
        approved = await call(
            owner,
            "approve_review",
            message_id=row["id"],
            content_hash=seen["content_hash"],
            text="For you, edited",
        )
        assert approved["edited"] is True


async def test_the_command_serves_a_home_over_stdio(tmp_path: Path, dns: DnsServer, era: str) -> None:
    """A first start: the child makes the home, takes mail in and lets the agent answer it."""
    environment = {**SAME_CODE, **environment_of(tmp_path, "", dns)}
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "e2a_mcp"], env=environment)
    errors = tmp_path / "errors"
    with errors.open("w", encoding="utf-8") as errlog, anyio.fail_after(40):
        async with Client(stdio_client(parameters, errlog=errlog), mode=era) as client:
            assert len((await client.list_tools()).tools) == 18
            assert (await call(client, "whoami"))["agent_email"] == ASSISTANT
            run = await until(_run_file(tmp_path / "home"))
            assert run is not None
            host, _, port = str(run["smtp"]).rpartition(":")
            submitted = await submit(
                (host, int(port)), letter(), mail_from="alice@example.org", recipients=[ASSISTANT]
            )
            assert submitted.accepted
            (row,) = (await call(client, "list_messages"))["messages"]
            replied = await call(client, "reply_to_message", message_id=row["id"], text="Hi")
            assert replied["status"] == "accepted"
    assert "made the inbox" in errors.read_text(encoding="utf-8")
    assert read_run_file(tmp_path / "home") is None


async def test_the_command_acts_on_another_deployment(tmp_path: Path, home: Home, era: str) -> None:
    async with remote_of(home) as (_, settings):
        environment = {
            **SAME_CODE,
            "E2A_HOME": str(tmp_path / "nowhere"),
            "E2A_API_URL": settings.api_url,
            "E2A_API_KEY": home.agent_key,
        }
        parameters = StdioServerParameters(command=sys.executable, args=["-m", "e2a_mcp"], env=environment)
        assert (await home.deliver(subject="Lunch")).accepted
        with anyio.fail_after(40):
            async with Client(stdio_client(parameters), mode=era) as client:
                (row,) = (await call(client, "list_messages"))["messages"]
                assert (row["subject"], row["trust"]) == ("Lunch", "verified")
                replied = await call(client, "reply_to_message", message_id=row["id"], text="Hi")
                again = await call(client, "reply_to_message", message_id=row["id"], text="Hi")
                assert (again["message_id"], again["deduplicated"]) == (replied["message_id"], True)
                other = await client.call_tool("list_messages", {"email": f"nobody@{SHARED}"})
                assert other.is_error
                assert other.structured_content["request_id"]
    assert not (tmp_path / "nowhere").exists()


def _run_file(home: Path) -> Callable[[], Awaitable[dict[str, Any] | None]]:
    async def look() -> dict[str, Any] | None:
        return read_run_file(home)

    return look


async def test_an_account_makes_an_inbox_and_its_key(served: Listener, home: Home) -> None:
    async with served.client(home.account_key) as owner:
        told = await owner.call_tool("list_messages", {})
        assert told.structured_content["code"] == "invalid_request"
        email = (await call(owner, "create_agent", email=f"helper@{SHARED}"))["email"]
        key = (await call(owner, "create_api_key", agent_email=email))["key"]
    async with served.client(key) as helper:
        assert (await call(helper, "whoami"))["agent_email"] == email
        other = await helper.call_tool("list_messages", {"email": ASSISTANT})
        assert other.structured_content["code"] == "forbidden"


async def test_a_long_text_is_read_to_its_end(served: Listener, home: Home) -> None:
    lines = [f"line {number} of a very long letter" for number in range(3000)]
    assert (await home.deliver(text="\n".join(lines))).accepted
    pieces: list[str] = []
    async with as_agent(served, home) as client:
        [row] = (await call(client, "list_messages"))["messages"]
        offset: int | None = 0
        while offset is not None:
            read = await call(client, "get_message", message_id=row["id"], offset=offset, max_chars=40_000)
            marker = read["untrusted"]["marker"]
            pieces.append(read["text"].removeprefix(f"<<{marker}>>\n").removesuffix(f"\n<</{marker}>>"))
            offset = read.get("next_offset")
            assert read["truncated"] is (offset is not None)
    assert len(pieces) == 3
    assert "".join(pieces).split("\n") == lines
