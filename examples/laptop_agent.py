"""An agent on a laptop by WebSocket: no public address, nothing to register, and mail that came meanwhile comes first.

    E2A_API_URL=http://127.0.0.1:8080 E2A_API_KEY=e2a_agt_... python laptop_agent.py assistant@agents.localhost 1

The second argument ends it after that many messages.
"""

import asyncio
import os
import sys
from contextlib import aclosing

from e2a.v1 import AsyncE2AClient
from e2a.v1.errors import E2AError


async def main(inbox: str, count: int) -> None:
    client = AsyncE2AClient(api_key=setting("E2A_API_KEY"), base_url=setting("E2A_API_URL"))
    try:
        async with aclosing(aiter(client.listen(inbox))) as events:
            async for event in events:
                message = await client.messages.get(inbox, event.data["message_id"])
                print(f"{message.header_from}: {message.subject}", flush=True)
                count -= 1
                if count == 0:
                    return
    finally:
        await client.aclose()


def setting(name: str) -> str:
    """Returns a setting that has to be given."""
    return os.environ.get(name) or sys.exit(f"set {name}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: laptop_agent.py INBOX [COUNT]")
    try:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else sys.maxsize))
    except E2AError as problem:
        sys.exit(f"{problem.message} ({problem.code})")
