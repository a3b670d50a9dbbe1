"""Decide on held mail at the terminal, as the owner of the home.

    python examples/review_queue.py

The approval carries the hash of the draft that was shown, so a draft that has changed since is not sent.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from mcp import Client, MCPError, StdioServerParameters, stdio_client

SHOWN = {
    "header_from": "From",
    "reply_to": "Reply-To",
    "to": "To",
    "cc": "Cc",
    "bcc": "Bcc",
    "subject": "Subject",
    "scheduled_at": "Leaves at",
    "text": "Text",
    "html": "HTML",
}


async def main() -> None:
    environment = {name: value for name, value in os.environ.items() if name.startswith("E2A_")}
    environment["E2A_MCP_SCOPE"] = "account"
    server = StdioServerParameters(command=sys.executable, args=["-m", "e2a_mcp"], env=environment)
    async with Client(stdio_client(server)) as owner:
        waiting = (await call(owner, "list_reviews"))["reviews"]
        print(f"{len(waiting)} waiting")
        for review in waiting:
            await decide(owner, review["id"])


async def decide(owner: Client, message_id: str) -> None:
    shown = await call(owner, "get_review", message_id=message_id)
    print(f"\n{shown['direction']} {message_id}: {shown['hold_reason']['summary']}")
    for name, label in SHOWN.items():
        if shown.get(name):
            print(f"{label}: {shown[name]}")
    answer = await asyncio.to_thread(ask)
    seen = {"message_id": message_id, "content_hash": shown["content_hash"]}
    if answer == "a":
        print((await call(owner, "approve_review", **seen))["status"])
    elif answer == "r":
        print((await call(owner, "reject_review", **seen, reason="rejected at the terminal"))["status"])


def ask() -> str:
    """Returns the answer of the person; the end of the input decides nothing."""
    try:
        return input("[a]pprove, [r]eject, anything else leaves it: ")
    except EOFError:
        return ""


class Refused(Exception):
    """A tool answered with an error."""


async def call(owner: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await owner.call_tool(tool, arguments)
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


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (Refused, MCPError, ExceptionGroup) as problem:
        sys.exit(reason(problem))
