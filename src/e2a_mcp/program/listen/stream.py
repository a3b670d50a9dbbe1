"""The WebSocket of an inbox at a deployment: events through reconnects, until the end that is final."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from e2a_core.remote.direct import connect_directly
from e2a_core.visible import one_line
from e2a_mcp.program.listen.source import CREDENTIALS, PERMANENT, Ended, Event, pauses
from e2a_mcp.program.output import note

__all__ = ["Stream"]

MAX_FRAME_OCTETS = 8 << 20
"""A frame holds the envelope of one message, which has no body; a longer one would come again for ever."""
WAITING_FRAMES = 1000
"""Read ahead while one event is dealt with, so that pings are answered meanwhile."""
OPEN_SECONDS = 10.0

REPLACED = 4000
POLICY = 1008
APPLICATION_CODES = range(4000, 5000)
"""Close codes that the deployment gives for good (RFC 6455 section 7.4.2)."""
PASSING = frozenset({408, 425, 429})
"""Statuses of a refused handshake that are the client's fault and may pass all the same."""
MEND = "; set E2A_API_KEY to a valid key of that deployment"


class Stream:
    """`Source` over the WebSocket of the inbox `agent` at `url` (http or https)."""

    def __init__(self, url: str, key: str, agent: str) -> None:
        base = url.rstrip("/").removeprefix("http")
        self._where = f"ws{base}/v1/agents/{quote(agent, safe='')}/ws"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._connection: ClientConnection | None = None

    async def events(self) -> AsyncIterator[Event]:
        """Connects again after what may pass; ends for a refused credential, an unknown inbox, and when replaced."""
        waits = pauses()
        while True:
            try:
                async with self._connected() as connection:
                    waits = pauses()
                    async for frame in connection:
                        _end_if_final(connection.close_code, connection.close_reason)
                        if (event := Event.read(frame)) is not None:
                            yield event
                    # The iteration ends without an exception after a close that the library takes for regular.
                    _end_if_final(connection.close_code, connection.close_reason)
                    problem = f"the connection ended ({connection.close_code})"
            except ConnectionClosed as closed:
                if (said := closed.rcvd) is not None:
                    _end_if_final(said.code, said.reason)
                problem = f"the connection ended ({one_line(str(closed))})"
            except InvalidStatus as refused:
                _end_if_refused(refused.response.status_code, refused.response.body)
                problem = f"the deployment answered {refused.response.status_code}"
            # ImportError: a proxy of the environment that needs one more library.
            except (OSError, ImportError, WebSocketException) as error:
                problem = f"the deployment cannot be reached ({one_line(str(error)) or type(error).__name__})"
            pause = next(waits)
            note(f"{problem}; connecting again in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def acknowledge(self, event: Event) -> None:
        """Without a connection nothing is said: the event comes again, and is acknowledged then."""
        if self._connection is not None:
            try:
                await self._connection.send(json.dumps({"type": "ack", "id": event.id}))
            except ConnectionClosed:
                return

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[ClientConnection]:
        async with connect_directly(
            self._where,
            additional_headers=self._headers,
            open_timeout=OPEN_SECONDS,
            max_size=MAX_FRAME_OCTETS,
            max_queue=WAITING_FRAMES,
            compression=None,
        ) as connection:
            self._connection = connection
            note("listening")
            try:
                yield connection
            finally:
                self._connection = None


def _end_if_final(code: int | None, reason: str | None) -> None:
    if code == REPLACED:
        raise Ended("another listener of this inbox took this one's place", PERMANENT) from None
    if code == POLICY or code in APPLICATION_CODES:
        said = one_line(reason or "without a reason")
        status = CREDENTIALS if reason == "unauthorized" else PERMANENT
        mend = MEND if status == CREDENTIALS else ""
        raise Ended(f"the deployment ended the stream: {said} ({code}){mend}", status) from None


def _end_if_refused(status: int, body: bytes | bytearray | None) -> None:
    if not 400 <= status < 500 or status in PASSING:
        return
    try:
        message = str(json.loads(body or b"{}")["error"]["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        message = "the deployment refused the connection"
    said = f"{one_line(message)} (HTTP {status}){MEND if status == 401 else ''}"
    raise Ended(said, CREDENTIALS if status in {401, 403} else PERMANENT) from None
