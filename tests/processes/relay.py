"""A capturing SMTP server as a process: prints its port, then the subject of each message it has taken."""

from __future__ import annotations

import asyncio
import sys
from email import message_from_bytes

from aiosmtpd.smtp import SMTP, Envelope, Session

__all__ = ["serve"]


class _Capture:
    def __init__(self, reply_seconds: float) -> None:
        self._reply_seconds = reply_seconds

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        subject = message_from_bytes(envelope.content)["Subject"]
        sys.stdout.write(f"{subject}\n")
        sys.stdout.flush()
        await asyncio.sleep(self._reply_seconds)
        return "250 2.0.0 Ok"


async def serve(reply_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(_Capture(reply_seconds), hostname="relay.example", loop=loop), "127.0.0.1", 0
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
