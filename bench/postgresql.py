"""A PostgreSQL server of its own for one figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from tests.support.postgresql import PostgresqlKeeper, url_of_kept_server

__all__ = ["execute", "postgresql"]


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a new server for the time of the block."""
    keeper = PostgresqlKeeper()
    try:
        yield url_of_kept_server(keeper.path)
    finally:
        keeper.stop()


async def execute(url: str, *commands: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for command in commands:
            await connection.execute(command)
    finally:
        await connection.close()
