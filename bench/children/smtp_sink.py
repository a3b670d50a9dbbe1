"""The baseline of the intake: aiosmtpd with a handler that only answers 250."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from bench.children.bare_smtp import serve


class Accepting:
    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return "250 OK"


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Accepting()))
