"""An agent without a language model: labels the unread mail, and answers questions from proven senders.

    python examples/triage_agent.py

It shows what a careful agent looks at: the verdict on the sender, and whether a machine wrote the message.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from mcp import Client, MCPError, StdioServerParameters, stdio_client

ANSWER = "Thank you for your question. A person will look at it today."


async def main() -> None:
    environment = {name: value for name, value in os.environ.items() if name.startswith("E2A_")}
    server = StdioServerParameters(command=sys.executable, args=["-m", "e2a_mcp"], env=environment)
    async with Client(stdio_client(server)) as agent:
        for message in await unread(agent):
            print(f"{message['id']}  {await triage(agent, message)}")


async def unread(agent: Client) -> list[dict[str, Any]]:
    """Returns the rows of all pages at once, because reading a message takes it off the unread list."""
    page = await call(agent, "list_messages")
    rows = list(page["messages"])
    while "next_cursor" in page:
        page = await call(agent, "list_messages", cursor=page["next_cursor"])
        rows += page["messages"]
    return rows


async def triage(agent: Client, row: dict[str, Any]) -> str:
    """Labels one message, answers it if it is a question, and returns the label."""
    message = await call(agent, "get_message", message_id=row["id"])
    label = verdict(message)
    if label == "question":
        await call(agent, "reply_to_message", message_id=row["id"], text=ANSWER)
    await call(agent, "update_message_labels", message_id=row["id"], add_labels=[label])
    return label


def verdict(message: dict[str, Any]) -> str:
    """Chooses a label: by what is known about the sender first, then by the text."""
    if "auto_submitted" in message:
        return "automatic"
    if message["trust"] != "verified":
        return "unproven"
    return "question" if "?" in message["text"] else "information"


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


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (Refused, MCPError, ExceptionGroup) as problem:
        sys.exit(reason(problem))
