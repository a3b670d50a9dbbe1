"""Reads files of strangers: text here, formats in a worker process that is killed when it takes too much."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import ByteSendStream

from e2a_core.documents.document import DocumentText, Kind, Outcome, Picture, kind_of
from e2a_core.documents.worker import READY
from e2a_core.errors import InternalError
from e2a_core.offload import Offload

__all__ = ["DocumentReader", "MAX_FILE"]

SECONDS = 5.0
"""A worker that has not answered by then is killed."""

WORKERS = 2
"""Workers at once; each takes a processor."""

MAX_FILE = 32 * 1024 * 1024
"""Octets given to a worker; a message is at most 25 MB, but that can be set."""

MAX_ANSWER = 8 * 1024 * 1024
"""Octets taken from a worker: its text is at most 800,000, a scaled picture without compression 7.4 million."""


class DocumentReader:
    """Reads the text of files, and scales pictures. One per process: it bounds the workers at once."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._workers = anyio.CapacityLimiter(WORKERS)
        self._offload = Offload()

    async def text(
        self, data: bytes, content_type: str, filename: str, charset: str | None = None
    ) -> DocumentText:
        """The text of a file. Never raises for what is in it: the outcome says what went wrong."""
        kind = kind_of(data, content_type, filename)
        if kind is Kind.OTHER:
            return DocumentText(Outcome.UNSUPPORTED)
        if kind is Kind.IMAGE:
            return DocumentText(Outcome.PICTURE)
        if kind.isolated:
            members, body = await self._work(kind, data)
            text = body.decode("utf-8", "replace").replace("\0", "\ufffd")
            return DocumentText(Outcome(members.pop("outcome")), text, **members)
        from e2a_core.documents.plain import plain_text

        return await self._offload.run(len(data), plain_text, kind, data, charset)

    async def picture(self, data: bytes) -> Picture:
        """The picture scaled to what a model takes. Never raises for what is in it."""
        members, body = await self._work(Kind.IMAGE, data)
        if "text" in members or "pages" in members:
            return Picture(Outcome(members["outcome"]))
        return Picture(Outcome(members.pop("outcome")), body, **members)

    async def _work(self, kind: Kind, data: bytes) -> tuple[dict[str, Any], bytes]:
        """What the worker answered; `TOO_DEMANDING` if it was killed."""
        answer = b""
        if len(data) <= MAX_FILE:
            async with self._workers:
                with anyio.move_on_after(self._seconds):
                    answer = await _ask(kind, data)
        head, found, body = answer.partition(b"\n")
        if not found:
            return {"outcome": Outcome.TOO_DEMANDING.value}, b""
        return json.loads(head), body


async def _ask(kind: Kind, data: bytes) -> bytes:
    """What the worker writes after it is ready; nothing if the file killed it."""
    command = [sys.executable, "-I", "-m", "e2a_core.documents.worker", kind.value]
    process = await anyio.open_process(command, stderr=subprocess.DEVNULL, env=_environment())
    async with process, anyio.create_task_group() as tasks:
        assert process.stdin is not None
        assert process.stdout is not None
        tasks.start_soon(_feed, process.stdin, data)
        answer = bytearray()
        async for octets in process.stdout:
            answer += octets
            if len(answer) > MAX_ANSWER:
                process.kill()
                return b""
        ended = await process.wait()
    if not answer.startswith(READY):
        raise InternalError(f"the reader of {kind} files did not start (exit status {ended})")
    return bytes(answer[len(READY) :]) if ended == 0 else b""


async def _feed(stdin: ByteSendStream, data: bytes) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await stdin.send(data)
        await stdin.aclose()


def _environment() -> Mapping[str, str]:
    """Nothing of ours: no secret of the process reaches the worker."""
    return {"PYTHONDONTWRITEBYTECODE": "1"}
