"""Hands envelopes to a program of one's own: posted as a webhook would be, until it takes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from e2a_core.clock import Clock
from e2a_core.contract.base import json_text
from e2a_core.signing.webhook import SIGNATURE_HEADER, e2a_signature, standard_webhook_headers
from e2a_mcp.program.output import note

__all__ = ["Forwarder"]

WAITS_SECONDS: Sequence[float] = (0.5, 2, 10, 60)
"""Before each further attempt: a program on this machine that restarts is back by then."""
TIMEOUT_SECONDS = 30.0


class Forwarder:
    """Posts the signed envelope to `url`.

    What is not taken after the last attempt goes to the file `dead`, one envelope a line, and counts as dealt with.
    """

    def __init__(
        self, url: str, secret: str, dead: Path, *, clock: Clock, waits: Sequence[float] = WAITS_SECONDS
    ) -> None:
        self._url = url
        self._secret = secret
        self._dead = dead
        self._clock = clock
        self._waits = waits

    async def deliver(self, envelope: dict[str, Any]) -> bool:
        """Whether the program took it."""
        body = json_text(envelope)
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            for wait in (*self._waits, None):
                problem = await self._attempt(client, envelope, body)
                if problem is None:
                    return True
                if wait is None:
                    break
                note(f"{envelope['id']} was not taken ({problem}); again in {wait:g} s")
                await asyncio.sleep(wait)
        self._bury(envelope)
        note(f"{envelope['id']} was not taken and lies in {self._dead}")
        return False

    async def _attempt(self, client: httpx.AsyncClient, envelope: dict[str, Any], body: bytes) -> str | None:
        """None if it was taken, else why not."""
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "X-E2A-Event-Type": str(envelope["type"]),
            "X-E2A-Schema-Version": str(envelope.get("schema_version", "1")),
            SIGNATURE_HEADER: e2a_signature(body, [self._secret], timestamp),
            **standard_webhook_headers(str(envelope["id"]), body, [self._secret], timestamp),
        }
        try:
            response = await client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return type(error).__name__
        return None if response.is_success else f"HTTP {response.status_code}"

    def _bury(self, envelope: dict[str, Any]) -> None:
        self._dead.parent.mkdir(parents=True, exist_ok=True)
        with self._dead.open("a", encoding="utf-8") as file:
            file.write(json.dumps(envelope, ensure_ascii=False) + "\n")
