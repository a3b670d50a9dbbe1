"""The store: whether it is whole, fits this release and has room; and what other checks need to know from it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from e2a_core.clock import Clock
from e2a_core.domains.queries import (
    DkimKeyRow,
    DomainRow,
    deployment_domains,
    dkim_key_from,
    dkim_keys_of,
    domain_from,
)
from e2a_core.errors import SettingsError, StoreUnavailable
from e2a_core.local.queries import named_inbox, owner_inbox
from e2a_core.settings import Settings
from e2a_core.store.migrate import Reads, pending_migrations
from e2a_core.store.open import sqlite_path
from e2a_core.store.statement import Statement, first, sql
from e2a_core.webhooks.queries import deliveries
from e2a_core.webhooks.views import delivery_view, webhook_view
from e2a_mcp.program.doctor.finding import Cause, Finding, fail, passed, quoted, skip, warn
from e2a_mcp.program.doctor.limits import MAX_DOMAINS, MAX_WEBHOOKS, NETWORK_SECONDS
from e2a_mcp.program.doctor.snapshot import INTEGRITY_SECONDS, open_snapshot
from e2a_mcp.program.doctor.webhooks import KeptWebhook

__all__ = ["StoreFacts", "StoredDomain", "check_store"]

MEBIBYTE = 1024 * 1024
LITTLE_SPACE = 1024 * MEBIBYTE
NO_SPACE = 64 * MEBIBYTE
"""SQLite's log grows to 32 MiB, and a few large messages need the same again."""
_BESIDE = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class StoredDomain:
    """A domain with all its keys, oldest first."""

    row: DomainRow
    keys: Sequence[DkimKeyRow]


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the store says to other checks. `newest` is the latest instant in it, in microseconds; 0 if there is none.

    `inbox` is the one that was asked for, or else the default one; empty if it does not exist.
    `domains` has one more than `MAX_DOMAINS` if there are more than that, and `webhooks` likewise.
    """

    domains: Sequence[StoredDomain] = ()
    newest: int = 0
    inbox: str = ""
    webhooks: Sequence[KeptWebhook] = ()


async def check_store(
    settings: Settings, clock: Clock, agent: str = ""
) -> tuple[list[Finding], StoreFacts | None]:
    """The findings, and the facts if the store could be read and has the schema of this release."""
    url = settings.effective_database_url
    try:
        if url.lower().startswith("postgres"):
            return await _postgresql(settings, agent)
        path = sqlite_path(url)
    except SettingsError as problem:
        return [fail("store.integrity", "invalid_url", str(problem), "correct E2A_DATABASE_URL")], None
    try:
        exists = path.exists()
    except OSError as problem:
        return [_unreachable(str(path), problem)], None
    if not exists:
        return [
            skip(
                "store.integrity",
                "not_started",
                "does not exist yet",
                fix="e2a serve makes it",
                target=str(path),
            )
        ], None
    return await _sqlite(settings, path, clock, agent)


async def _sqlite(
    settings: Settings, path: Path, clock: Clock, agent: str
) -> tuple[list[Finding], StoreFacts | None]:
    place = str(path)
    try:
        room = [_size(path), _space(path)]
        async with open_snapshot(path) as snapshot:
            integrity = _integrity(place, settings.home, await snapshot.faults(clock))
            schema, facts = await _contents(snapshot, settings, agent)
    except sqlite3.Error as problem:
        return [_broken(place, settings.home, problem), *room], None
    except OSError as problem:
        return [_unreachable(place, problem)], None
    return [integrity, schema, *room], facts


def _unreachable(place: str, problem: Exception) -> Finding:
    fix = "run this as the user who owns the file, on the disk that holds it"
    return fail("store.integrity", "not_readable", str(problem), fix, target=place)


def _integrity(place: str, home: Path, faults: list[str] | None) -> Finding:
    if faults is None:
        return skip(
            "store.integrity",
            "too_large",
            f"there was no time to read all of it in {INTEGRITY_SECONDS:.0f} seconds",
            fix=f"at a quiet time: sqlite3 {quote(place)} 'PRAGMA integrity_check'",
            target=place,
        )
    if faults:
        return _corrupt(place, home, "; ".join(faults))
    return passed("store.integrity", "SQLite finds it whole", target=place)


def _broken(place: str, home: Path, problem: sqlite3.Error) -> Finding:
    code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return _corrupt(place, home, str(problem))
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return fail(
            "store.integrity",
            "store_busy",
            "another process kept it locked",
            "try again",
            cause=Cause.TRANSIENT,
            target=place,
        )
    return _unreachable(place, problem)


def _corrupt(place: str, home: Path, what: str) -> Finding:
    moved = home if Path(place).parent == home else Path(place)
    aside = f"mv {quote(str(moved))} {quote(f'{moved}.damaged')}"
    return fail(
        "store.integrity",
        "corrupt",
        f"is damaged: {quoted(what)}",
        f"stop e2a, {aside}; then e2a restore your last backup, or without one e2a serve, which makes an empty "
        "one; do not mend the file and serve it",
        target=place,
    )


async def _postgresql(settings: Settings, agent: str) -> tuple[list[Finding], StoreFacts | None]:
    try:
        from e2a_core.store.postgresql.database import PostgresqlDatabase
    except ImportError:
        return [
            fail(
                "store.integrity",
                "driver_missing",
                "E2A_DATABASE_URL names PostgreSQL, whose driver is not installed",
                "pip install 'e2a-mcp[postgresql]'",
            )
        ], None
    try:
        async with asyncio.timeout(NETWORK_SECONDS):
            database = await PostgresqlDatabase.open(settings.database_url)
    except (StoreUnavailable, TimeoutError) as problem:
        return [_no_server(str(problem) or "no answer within 5 seconds")], None
    try:
        async with asyncio.timeout(NETWORK_SECONDS):
            schema, facts = await _contents(database, settings, agent)
            row = first(await database.read(sql("SELECT pg_database_size(current_database()) AS octets")))
    except (StoreUnavailable, TimeoutError) as problem:
        return [_no_server(str(problem) or "no answer within 5 seconds")], None
    finally:
        await database.close()
    octets = int(row["octets"]) if row else 0
    return [
        passed("store.integrity", "PostgreSQL answers"),
        schema,
        passed("store.size", _human(octets), octets=octets),
    ], facts


def _no_server(why: str) -> Finding:
    return fail(
        "store.integrity",
        "connection_failed",
        quoted(why),
        "see that PostgreSQL runs and that E2A_DATABASE_URL leads to it",
        cause=Cause.TRANSIENT,
    )


async def _contents(database: Reads, settings: Settings, agent: str) -> tuple[Finding, StoreFacts | None]:
    try:
        pending = await pending_migrations(database)
    except SettingsError as problem:
        detail, _, fix = str(problem).partition("; ")
        return fail("store.migrations", "other_release", detail, fix), None
    if pending:
        names = ", ".join(f"{migration.version:04d}_{migration.name}" for migration in pending)
        return _pending(names, settings), None
    return passed("store.migrations", "is that of this release"), await _facts(
        database, named_inbox(agent) if agent else owner_inbox(settings.shared_domain)
    )


def _pending(names: str, settings: Settings) -> Finding:
    if settings.migration_mode == "auto":
        return warn(
            "store.migrations",
            "migrations_pending",
            f"the next start applies {names}",
            "make a backup, then start e2a serve",
        )
    return fail(
        "store.migrations",
        "migrations_pending",
        f"lacks {names}, and E2A_MIGRATION_MODE is {settings.migration_mode}",
        "make a backup, then start e2a serve once with E2A_MIGRATION_MODE=auto",
    )


async def _facts(database: Reads, inbox_query: Statement) -> StoreFacts:
    rows = [domain_from(row) for row in await database.read(deployment_domains(MAX_DOMAINS + 1))]
    keys: dict[str, list[DkimKeyRow]] = defaultdict(list)
    for key in await database.read(dkim_keys_of([row.domain for row in rows])):
        keys[key["domain"]].append(dkim_key_from(key))
    latest = first(await database.read(sql("SELECT created_at FROM events ORDER BY seq DESC LIMIT 1")))
    applied = first(await database.read(sql("SELECT MAX(applied_at) AS at FROM schema_migrations")))
    newest = max(latest["created_at"] if latest else 0, (applied["at"] or 0) if applied else 0)
    inbox = first(await database.read(inbox_query))
    return StoreFacts(
        [StoredDomain(row, keys[row.domain]) for row in rows],
        newest,
        str(inbox["inbox"] or "") if inbox else "",
        await _webhooks(database),
    )


async def _webhooks(database: Reads) -> list[KeptWebhook]:
    rows = await database.read(
        sql("SELECT * FROM webhooks ORDER BY created_at DESC, id DESC LIMIT :count", count=MAX_WEBHOOKS + 1)
    )
    latest = [first(await database.read(deliveries(row["id"], None, None, 1))) for row in rows]
    return [
        (webhook_view(row), delivery_view(delivery) if delivery else None)
        for row, delivery in zip(rows, latest, strict=True)
    ]


def _size(path: Path) -> Finding:
    files = (path.with_name(path.name + ending) for ending in _BESIDE)
    octets = sum(file.stat().st_size for file in files if file.exists())
    return passed("store.size", _human(octets), octets=octets)


def _space(path: Path) -> Finding:
    free = shutil.disk_usage(path.absolute().parent).free
    place = str(path.absolute().parent)
    if free < NO_SPACE:
        return fail(
            "store.space",
            "no_space",
            f"{_human(free)} left, so mail is refused for now",
            "free space on this disk, or move the home to a larger one",
            target=place,
            octets=free,
        )
    if free < max(LITTLE_SPACE, path.stat().st_size):
        return warn(
            "store.space",
            "little_space",
            f"{_human(free)} left; a backup beside the database needs {_human(path.stat().st_size)}",
            "free space on this disk, or move the home to a larger one",
            target=place,
            octets=free,
        )
    return passed("store.space", f"{_human(free)} left", target=place, octets=free)


def _human(octets: int) -> str:
    if octets < 10 * MEBIBYTE:
        return f"{octets / 1024:.0f} KiB"
    return (
        f"{octets / MEBIBYTE:.0f} MiB"
        if octets < 10 * 1024 * MEBIBYTE
        else f"{octets / 1024 / MEBIBYTE:.0f} GiB"
    )
