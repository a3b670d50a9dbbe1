"""A process that sends one message on the home its environment names, and stays until it is killed."""

from __future__ import annotations

import asyncio
import sys

from e2a_core.contract.sending import SendEmailRequest, SendOptions
from e2a_core.local.engine import open_local_engine
from e2a_core.settings import load_settings


async def main() -> None:
    engine = await open_local_engine(load_settings(), strict=True)
    await engine.wait_until_leading()
    session = await engine.home_session()
    request = SendEmailRequest(to=["bob@example.org"], subject="Once", text="Only once")
    result = await session.messages.send(session.principal.agent_email or "", request, SendOptions())
    sys.stdout.write(result.message_id + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
