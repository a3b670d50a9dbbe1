"""The baselines of the API figures: FastAPI routes that list from memory and send by inserting one row.

python -m bench.children.bare_api ANSWER_FILE DATABASE
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
import uvicorn
from fastapi import FastAPI, Response

from e2a_core.contract.sending import SendEmailRequest


def application(answer: bytes, database: str) -> FastAPI:
    """Returns the application; like the product, it answers only after the commit is on disk."""
    held: dict[str, aiosqlite.Connection] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aiosqlite.connect(database) as connection:
            await connection.execute("PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = FULL")
            await connection.execute("CREATE TABLE mail (id INTEGER PRIMARY KEY, email TEXT, body TEXT)")
            await connection.commit()
            held["connection"] = connection
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/v1/agents/{email}/messages")
    async def list_messages(email: str) -> Response:
        return Response(answer, media_type="application/json")

    @app.post("/v1/agents/{email}/messages", status_code=202)
    async def send_message(email: str, body: SendEmailRequest) -> dict[str, str]:
        connection = held["connection"]
        cursor = await connection.execute(
            "INSERT INTO mail (email, body) VALUES (?, ?)", [email, body.model_dump_json()]
        )
        await connection.commit()
        return {"status": "accepted", "message_id": str(cursor.lastrowid)}

    return app


def serve(answer_file: str, database: str) -> None:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    app = application(Path(answer_file).read_bytes(), database)
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        serve(*sys.argv[1:])
