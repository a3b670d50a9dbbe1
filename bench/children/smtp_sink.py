"""The baseline of the intake: aiosmtpd with a handler that only answers 250."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

from aiosmtpd.smtp import SMTP


class Accepting:
    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return "250 OK"


async def main() -> None:
    loop = asyncio.get_running_loop()
    handler = Accepting()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="sink.example", loop=loop), "127.0.0.1", 0
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
