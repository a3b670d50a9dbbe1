"""Check the signed statement about one message, with the deployment's secret.

    python examples/verify_auth_headers.py MESSAGE_ID

The headers and the message may come from anywhere; here they come from the home itself. Exit status 1 means that the
statement is not valid: it was altered, signed with another secret, or made for other octets.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mcp_types import BlobResourceContents

from e2a_core.settings import load_settings
from e2a_core.signing.auth_headers import AuthHeaderError, verify_auth_headers
from e2a_core.signing.secrets import Secrets
from mcp import Client, MCPError, StdioServerParameters, stdio_client

MAX_AGE = timedelta(days=365)
"""The age allowed for a statement, signed when the message arrived. The default of five minutes suits a webhook."""


async def main(message_id: str) -> int:
    headers, raw = await fetch(message_id)
    try:
        claim = verify_auth_headers(
            headers, secrets(), raw_message=raw, now=datetime.now(UTC), max_age=MAX_AGE
        )
    except AuthHeaderError as problem:
        print(f"does not hold: {problem}")
        return 1
    print(f"verified={str(claim.verified).lower()} sender={claim.sender} entity={claim.entity_type}")
    print(claim.domain_check)
    return 0


async def fetch(message_id: str) -> tuple[Mapping[str, str], bytes]:
    """Returns the nine headers and the message as handed on."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("E2A_")}
    server = StdioServerParameters(command=sys.executable, args=["-m", "e2a_mcp"], env=environment)
    async with Client(stdio_client(server)) as agent:
        email = (await call(agent, "whoami"))["agent_email"]
        found = await call(agent, "get_message", message_id=message_id, format="headers", peek=True)
        source = await agent.read_resource(f"mail://{email}/messages/{message_id}/raw")
    [content] = source.contents
    assert isinstance(content, BlobResourceContents)
    if "auth_headers" not in found:
        raise Refused(f"{message_id} carries no statement: only received mail does")
    return found["auth_headers"], base64.b64decode(content.blob)


class Refused(Exception):
    """A tool answered with an error."""


async def call(agent: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await agent.call_tool(tool, arguments)
    content = dict(result.structured_content or {})
    if result.is_error:
        raise Refused(f"{tool}: {content['message']} ({content['code']})")
    return content


def reason(problem: BaseException) -> str:
    """Returns what the server refused; anything else is a fault of this program, and is raised."""
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    if not isinstance(problem, Refused | MCPError):
        raise problem
    return str(problem)


def secrets() -> Secrets:
    """Returns the configured secrets, or else the one that the first start made."""
    settings = load_settings()
    try:
        return Secrets.parse(settings.hmac_secret or (settings.home / "secret").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused("E2A_HMAC_SECRET must hold the secret of the deployment that signed") from None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: verify_auth_headers.py MESSAGE_ID")
    try:
        sys.exit(asyncio.run(main(sys.argv[1])))
    except (Refused, MCPError, ExceptionGroup) as problem:
        sys.exit(reason(problem))
