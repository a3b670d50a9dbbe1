"""The WebSocket of an inbox: envelopes as they come, through reconnects, until the end that is final."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from e2a_mcp.program.output import note

__all__ = ["Ended", "Stream"]

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
MAX_FRAME_OCTETS = 1 << 20

REPLACED = 4000
POLICY = 1008

CREDENTIALS = 4
PERMANENT = 5
"""Exit statuses, as the command line of the public clients has them."""

_STATUSES = {401: CREDENTIALS, 403: CREDENTIALS}


class Ended(Exception):
    """The stream ended for good; `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Stream:
    """Connects to `url` (http or https) for the inbox `agent`, again and again after what may pass.

    Raises `Ended` for a refused credential, an unknown inbox, and a listener that took this one's place.
    """

    def __init__(self, url: str, key: str, agent: str) -> None:
        self._where = f"{url.rstrip('/').replace('http', 'ws', 1)}/v1/agents/{quote(agent)}/ws"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._connection: ClientConnection | None = None

    async def envelopes(self) -> AsyncIterator[dict[str, Any]]:
        """Each envelope of received mail; one that was not acknowledged may come again after a reconnect."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._connected() as connection:
                    pause = FIRST_PAUSE_SECONDS
                    async for frame in connection:
                        yield json.loads(frame)
            except ConnectionClosed as closed:
                _end_if_final(closed)
                note(f"the connection ended ({closed}); connecting again")
            except InvalidStatus as refused:
                _end_if_refused(refused.response.status_code, refused.response.body)
                note(f"the deployment answered {refused.response.status_code}; connecting again")
            except (OSError, InvalidHandshake, TimeoutError) as problem:
                note(f"the deployment cannot be reached ({problem}); connecting again")
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def acknowledge(self, envelope: dict[str, Any]) -> None:
        """Tells the deployment that this mail is dealt with, and all before it; lost with the connection."""
        if self._connection is not None:
            try:
                await self._connection.send(json.dumps({"type": "ack", "id": envelope["id"]}))
            except ConnectionClosed:
                return

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[ClientConnection]:
        async with connect(
            self._where, additional_headers=self._headers, max_size=MAX_FRAME_OCTETS, compression=None
        ) as connection:
            self._connection = connection
            note("listening")
            try:
                yield connection
            finally:
                self._connection = None


def _end_if_final(closed: ConnectionClosed) -> None:
    code = closed.rcvd.code if closed.rcvd is not None else None
    if code == REPLACED:
        raise Ended("another listener took this one's place", PERMANENT) from None
    if code == POLICY or (code is not None and 4000 < code < 5000):
        raise Ended(f"the deployment ended the stream ({closed})", PERMANENT) from None


def _end_if_refused(status: int, body: bytes | bytearray | None) -> None:
    if 400 <= status < 500 and status != 429:
        try:
            message = json.loads(body or b"{}")["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = f"HTTP {status}"
        raise Ended(str(message), _STATUSES.get(status, PERMANENT)) from None
