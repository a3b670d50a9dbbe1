"""A connection that became a WebSocket (RFC 6455): its frames, its pings and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

__all__ = ["MAX_FRAME_OCTETS", "PING_SECONDS", "PONG_SECONDS", "WebSocketConnection"]

MAX_FRAME_OCTETS = 32 * 1024
"""What a client has to say is short."""
PING_SECONDS = 30.0
PONG_SECONDS = 10.0
WRITE_SECONDS = 5.0
"""For the other side to read some of what waits: it is no listener if it does not."""
CLOSE_SECONDS = 2.0
"""For the other side to answer a close, which must not hold up the end of the process."""


class WebSocketConnection(WebSocketsSansIOProtocol):
    """One WebSocket; `lost` is called when its connection is gone."""

    def __init__(self, lost: Callable[[], None], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._lost = lost
        self._stalled: asyncio.TimerHandle | None = None
        self.close_timeout = CLOSE_SECONDS

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_stall()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()
        self._forget_stall()
        super().connection_lost(exc)

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # refused; uvicorn would call it forgotten

    def shutdown(self) -> None:
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
        else:
            self._close(CloseCode.GOING_AWAY, "shutting_down")

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        if not self.close_sent and not self.transport.is_closing():
            self._close(CloseCode.GOING_AWAY, "ping_timeout")

    def handle_parser_exception(self) -> None:
        """Closes with what the parser found, such as 1009 for a frame that is too long (RFC 6455 section 7.4.1).

        The rest of the frame is read and dropped until the other side closes: a socket that is closed with something
        unread is reset, and the close frame would be lost with it.
        """
        if not self.close_sent and (found := self.conn.close_sent) is not None:
            self._ending(found.code, found.reason)

    def _close(self, code: int, reason: str) -> None:
        self.conn.send_close(code, reason)
        self._ending(code, reason)

    def _ending(self, code: int, reason: str) -> None:
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self.disconnected = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def _forget_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
