"""The demonstration, step by step. Each step says what it did and what proves it, and fails without proof."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any

from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError

from e2a_core.clock import SystemClock, rfc3339
from e2a_core.domains.queries import dkim_key_from, dkim_keys_of
from e2a_core.domains.records import dkim_name
from e2a_core.local.run_file import read_run_file
from e2a_core.signing.auth_headers import verify_auth_headers
from e2a_core.signing.secrets import Secrets
from e2a_mcp.program.demo.dns import DnsServer
from e2a_mcp.program.demo.parts import Capture, Person
from e2a_mcp.program.dkimpy import objection
from e2a_mcp.program.doctor.snapshot import open_snapshot
from mcp import Client, StdioServerParameters

__all__ = ["DemoFailed", "tell"]

INBOX = "assistant@agents.localhost"
WAIT_SECONDS = 20.0
_POLL_SECONDS = 0.05

Say = Callable[[str], None]


class DemoFailed(Exception):
    """A step failed; the message says what was expected and what was seen instead."""


async def tell(home: Path, say: Say) -> None:
    """Runs the whole demonstration in `home`, an empty folder. Raises `DemoFailed`."""
    say(
        "Starting a relay, its MCP server for an agent and for its owner, and the mail servers around them..."
    )
    alice = Person(SystemClock())
    failure: DemoFailed | None = None
    with DnsServer(alice.zones()) as dns:
        async with Capture() as relay:
            environment = _environment(home, dns.address, relay.port)
            async with _mcp(environment, "agent") as agent, _mcp(environment, "account") as owner:
                try:
                    await _story(home, alice, relay, agent, owner, say)
                except DemoFailed as problem:
                    # Raised again outside the clients, whose task groups would wrap it in a group.
                    failure = problem
                else:
                    say("Stopping them...")
    if failure is not None:
        raise failure


async def _story(home: Path, alice: Person, relay: Capture, agent: Client, owner: Client, say: Say) -> None:
    await _call(agent, "whoami", {})
    run = await _run_file(home)
    say(f"1. One process opened a home with the inbox {INBOX} (SMTP on {run['smtp']}).")

    await _call(
        owner,
        "update_protection",
        {"email": INBOX, "outbound_gate_policy": "allowlist", "outbound_gate_action": "review"},
    )
    say("2. The owner wants to see all outgoing mail: an empty allowlist with the action review.")

    before = rfc3339(SystemClock().now())
    reply = await alice.write(run["smtp"], INBOX, "Lunch?", "Are you free on Friday?\r\n")
    say(f"3. {alice.address} mailed the agent over SMTP, DKIM-signed; the relay said: {reply}")

    message = await _read(agent, home, alice, before, say)
    held = await _answer(agent, message["id"], say)
    await _approve(owner, held, say)
    await _delivered(home, relay, alice, say)


async def _read(agent: Client, home: Path, alice: Person, since: str, say: Say) -> Mapping[str, Any]:
    found = await _call(
        agent, "wait_for_message", {"from_": alice.address, "timeout_seconds": 10, "since": since}
    )
    message: dict[str, Any] = found.get("message") or {}
    _expect("id" in message, "the agent sees the message", found)
    full = await _call(agent, "get_message", {"message_id": message["id"], "peek": True})
    _expect(full.get("verified_domain") == "example.org", "DMARC passed for example.org", full)
    evidence = full["authentication"]
    _expect(evidence["spf"]["status"] == "pass", "SPF passed", evidence)
    _expect(evidence["dkim"][0]["status"] == "pass", "DKIM passed", evidence)
    claim = await _signed_claim(agent, home, message["id"])
    say(
        "4. The agent read it through MCP; SPF, DKIM and DMARC passed for example.org, and the signed headers say: "
        f"verified={str(claim.verified).lower()} sender={claim.sender} entity={claim.entity_type}."
    )
    return full


async def _signed_claim(agent: Client, home: Path, message_id: str) -> Any:
    uri = f"mail://{INBOX}/messages/{message_id}"
    headers = (await _call(agent, "get_message", {"message_id": message_id, "format": "headers"}))[
        "auth_headers"
    ]
    raw = await agent.read_resource(f"{uri}/raw")
    content = raw.contents[0]
    octets = content.text.encode() if hasattr(content, "text") else base64.b64decode(content.blob)
    secrets = Secrets.parse((home / "secret").read_text(encoding="utf-8"))
    return verify_auth_headers(headers, secrets, raw_message=octets, now=SystemClock().now())


async def _answer(agent: Client, message_id: str, say: Say) -> str:
    sent = await _call(agent, "reply_to_message", {"message_id": message_id, "text": "Friday suits me."})
    _expect(sent["status"] == "pending_review", "the reply is held", sent)
    refused = await agent.call_tool("approve_review", {"message_id": sent["message_id"]})
    _expect(bool(refused.is_error), "the agent cannot approve its own mail", refused)
    say("5. The agent replied; the reply is held, and the agent has no way to approve it.")
    return str(sent["message_id"])


async def _approve(owner: Client, message_id: str, say: Say) -> None:
    queue = await _call(owner, "list_reviews", {})
    _expect(
        message_id in [item["id"] for item in queue["reviews"]], "the reply is in the review queue", queue
    )
    review = await _call(owner, "get_review", {"message_id": message_id})
    seen = {"message_id": message_id, "content_hash": review["content_hash"]}
    approved = await _call(owner, "approve_review", seen)
    _expect(approved["status"] == "accepted", "the approval queues the mail", approved)
    say(f"6. The owner read the draft and approved exactly that: {review['content_hash'][:16]}...")


async def _delivered(home: Path, relay: Capture, alice: Person, say: Say) -> None:
    try:
        envelope_from, recipients, content = await relay.first(WAIT_SECONDS)
    except TimeoutError:
        raise DemoFailed("the upstream relay got nothing") from None
    message = message_from_bytes(content)
    _expect(recipients == [alice.address], "the reply goes to its author", recipients)
    _expect(message["In-Reply-To"] == alice.message_id, "it answers her message", message["In-Reply-To"])
    _expect(alice.message_id in (message["References"] or ""), "it is in her thread", message["References"])
    _expect(
        message["Auto-Submitted"] == "auto-replied", "it says a machine wrote it", message["Auto-Submitted"]
    )
    records = await _key_records(home)
    _expect(message["DKIM-Signature"] is not None, "it is DKIM-signed", list(message.keys()))
    _expect(not (why := objection(content, records)), "dkimpy verifies its signature", why)
    say(
        f"7. The upstream relay took it from {envelope_from}: In-Reply-To {message['In-Reply-To']}, "
        f"Auto-Submitted {message['Auto-Submitted']}, DKIM-signed; dkimpy, which is not ours, verified it."
    )


async def _key_records(home: Path) -> dict[str, str]:
    """The key records that the owner of the inbox's domain has to publish, by name."""
    _, _, domain = INBOX.rpartition("@")
    async with open_snapshot(home / "e2a.db") as snapshot:
        keys = [dkim_key_from(row) for row in await snapshot.read(dkim_keys_of([domain]))]
    return {dkim_name(key): key.public_key for key in keys}


@asynccontextmanager
async def _mcp(environment: dict[str, str], scope: str) -> AsyncIterator[Client]:
    """Starts the MCP server of the home as a host would, and yields the official client connected to it."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "e2a_mcp"],
        env={**environment, "E2A_MCP_SCOPE": scope},
    )
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(Client(stdio_client(parameters)))
        except BaseExceptionGroup as problem:
            if problem.split(MCPError)[1] is not None:
                raise
            raise DemoFailed("the server did not start; it said why above") from None
        yield client


def _environment(home: Path, dns: str, relay_port: int) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("E2A_")}
    return kept | {
        "E2A_HOME": str(home),
        "E2A_SMTP_LISTEN": "127.0.0.1:0",
        "E2A_HTTP_LISTEN": "127.0.0.1:0",
        "E2A_DNS_SERVER": dns,
        "E2A_OUTBOUND_SMTP_HOST": "127.0.0.1",
        "E2A_OUTBOUND_SMTP_PORT": str(relay_port),
        "E2A_LOG_LEVEL": "error",
    }


async def _run_file(home: Path) -> Mapping[str, Any]:
    """Returns the addresses of the home's listeners once they are open."""
    deadline = SystemClock().monotonic() + WAIT_SECONDS
    while (run := read_run_file(home)) is None:
        if SystemClock().monotonic() > deadline:
            raise DemoFailed("the listeners did not open")
        await asyncio.sleep(_POLL_SECONDS)
    return run


async def _call(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    _expect(not result.is_error, f"{tool} works", result.structured_content)
    return dict(result.structured_content or {})


def _expect(holds: bool, what: str, seen: object) -> None:
    if not holds:
        raise DemoFailed(f"expected that {what}; saw {seen!r}")
