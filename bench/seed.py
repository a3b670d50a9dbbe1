"""Fills an inbox faster than mail could arrive: the same rows, written by the same statements."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from bench.copies import ADVANCE_SEQUENCE, CONVERSATIONS, INDEXES, copy_of
from e2a_core.contract.states import Delivery, Direction
from e2a_core.messages import queries
from e2a_core.messages.index_queries import index_text
from e2a_core.messages.rows import MessageRow, SubmissionRow
from e2a_core.messages.terms import words_of
from e2a_core.store.postgresql.text import translate
from e2a_core.store.statement import Statement, sql

__all__ = ["CONVERSATION", "seed", "seed_postgresql"]

FIRST_MICROS = 1_750_000_000_000_000
STEP_MICROS = 30_000_000
BATCH = 2000
PERIOD = 8400
"""Messages after which senders, labels and read state come round; further ones are copies."""
CACHE_KIBIBYTES = 1024 * 1024
"""Holds the indexes of a million messages, whose keys come in no order."""
SENDERS = 400
OUTBOUND_EVERY = 10
LABELLED_EVERY = 7
UNREAD_EVERY = 3
"""One message in this many stays unread, as agents leave notifications."""

_WORDS = (
    "invoice",
    "meeting",
    "delivery",
    "report",
    "order",
    "ticket",
    "password",
    "reminder",
    "release",
    "schedule",
    "contract",
    "budget",
    "review",
    "draft",
    "customer",
    "supplier",
    "shipment",
    "flight",
    "hotel",
    "newsletter",
    "account",
    "payment",
    "question",
    "answer",
    "update",
    "weekly",
    "quarterly",
)
CONVERSATION = f"conv_{5:024x}"
"""One of the first conversations; it has three messages."""

_LABELS = ("work", "billing", "todo", "newsletter")


class _Store(Protocol):
    """Where the rows go: a connection that runs statements, each at once."""

    def read(self, statement: Statement) -> list[tuple[Any, ...]]: ...

    def write(self, statements: Sequence[Statement]) -> None:
        """Runs statements of one text, with their own values."""

    def commit(self) -> None: ...


def seed(database: Path, inbox: str, count: int, *, all_read: bool = False) -> None:
    """Adds `count` messages with labels, text index, references and content; the newest comes last."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    _fill(_Sqlite(connection), inbox, count, all_read)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def seed_postgresql(url: str, inbox: str, count: int) -> None:
    """As `seed`, in a database of PostgreSQL; the planner then knows its size, as after some hours of mail."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))
        _fill(_Postgresql(runner, connection), inbox, count, False)
        for text in (ADVANCE_SEQUENCE, CONVERSATIONS, "SET session_replication_role = origin"):
            runner.run(connection.execute(text))
        runner.run(connection.execute("VACUUM ANALYZE"))
        runner.run(connection.close())


def _fill(store: _Store, inbox: str, count: int, all_read: bool) -> None:
    [(account,)] = store.read(sql("SELECT account_id FROM agents WHERE email = :inbox", inbox=inbox))
    messages = (_message(number, account, inbox, all_read) for number in range(min(count, PERIOD)))
    while batch := list(islice(messages, BATCH)):
        for column in zip(*batch, strict=True):
            _write(store, chain.from_iterable(column))
        store.commit()
    if count > PERIOD:
        _copy(store, inbox, count)


def _copy(store: _Store, inbox: str, count: int) -> None:
    """Repeats the first `PERIOD` messages until there are `count`."""
    [(first,)] = store.read(sql("SELECT min(seq) FROM messages WHERE agent_email = :inbox", inbox=inbox))
    indexes = store.read(INDEXES)
    for name, _ in indexes:
        store.write([sql(f"DROP INDEX {name}")])
    for shift in range(PERIOD, count, PERIOD):
        for statement in copy_of(first, min(PERIOD, count - shift), shift, STEP_MICROS):
            store.write([statement])
        store.commit()
    for _, definition in indexes:
        store.write([sql(definition)])
    store.commit()


def _message(number: int, account: str, inbox: str, all_read: bool) -> Sequence[Sequence[Statement]]:
    """Returns the statements that insert one message."""
    random_ = random.Random(number)  # the same mail in every run
    words = random_.choices(_WORDS, k=60)
    subject, text = " ".join(words[:5]).capitalize(), " ".join(words)
    outbound = number % OUTBOUND_EVERY == 0
    domain = f"company{number % SENDERS}.example"
    person = f"{words[0].capitalize()} Example <{words[0]}@{domain}>"
    content = f"From: {person}\r\nTo: {inbox}\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode()
    created = FIRST_MICROS + number * STEP_MICROS
    labels = [_LABELS[number % len(_LABELS)]] if number % LABELLED_EVERY == 0 else []
    row = MessageRow(
        id=f"msg_{number:024x}",
        account_id=account,
        agent_email=inbox,
        direction=Direction.OUTBOUND if outbound else Direction.INBOUND,
        thread_id=f"thr_{number // 3:024x}",
        conversation_id=f"conv_{number // 3:024x}" if number % 2 else "",
        header_from=f"Assistant <{inbox}>" if outbound else person,
        sender=inbox if outbound else f"{words[0]}@{domain}",
        envelope_from=inbox if outbound else f"bounce@{domain}",
        delivered_to="" if outbound else inbox,
        to_addresses=[person if outbound else inbox],
        subject=subject,
        preview=text[:160],
        labels=labels,
        email_message_id=f"<{number}@{domain}>",
        content_hash=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        authentication=None if outbound else _evidence(domain),
        submission=SubmissionRow(
            delivery_status=Delivery.SENT if outbound else None, sent_as="e2a" if outbound else None
        ),
        created_at=created,
        read_at=created if not outbound and (all_read or number % UNREAD_EVERY) else None,
    )
    return (
        [queries.insert_content(row.content_hash or "", content, created)],
        [queries.insert(row)],
        queries.insert_refs(inbox, row.id, [row.email_message_id or ""]),
        queries.insert_labels(row.id, labels),
        [index_text(row, words_of(text))],
    )


def _evidence(domain: str) -> dict[str, object]:
    """Authentication evidence in the shape and size of real mail that passed."""
    return {
        "spf": {"status": "pass", "domain": domain, "identity": "mailfrom", "detail": "ip4:192.0.2.7"},
        "dkim": [{"status": "pass", "domain": domain, "selector": "s1", "algorithm": "rsa-sha256"}],
        "dmarc": {"status": "pass", "domain": domain, "policy": "reject", "detail": f"record at {domain}"},
        "arc": {"status": "none"},
    }


def _write(store: _Store, statements: Iterable[Statement]) -> None:
    if group := list(statements):
        store.write(group)


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, statement: Statement) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement.sqlite, statement.params).fetchall()

    def write(self, statements: Sequence[Statement]) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")
        self._connection.executemany(statements[0].sqlite, (statement.params for statement in statements))

    def commit(self) -> None:
        self._connection.execute("COMMIT")


class _Postgresql:
    def __init__(self, runner: asyncio.Runner, connection: asyncpg.Connection) -> None:
        self._runner = runner
        self._connection = connection
        self._execute("SET synchronous_commit = off")
        self._execute("SET session_replication_role = replica")  # no triggers and no checks of foreign keys
        self._execute(f"SET maintenance_work_mem = '{CACHE_KIBIBYTES} kB'")

    def read(self, statement: Statement) -> list[tuple[Any, ...]]:
        text = translate(statement.text("postgresql"))
        rows = self._runner.run(self._connection.fetch(text.text, *text.arguments(statement.params)))
        return [tuple(row) for row in rows]

    def write(self, statements: Sequence[Statement]) -> None:
        text = translate(statements[0].text("postgresql"))
        values = [text.arguments(statement.params) for statement in statements]
        if not self._connection.is_in_transaction():
            self._execute("BEGIN")
        self._runner.run(self._connection.executemany(text.text, values))

    def commit(self) -> None:
        self._execute("COMMIT")

    def _execute(self, text: str) -> None:
        self._runner.run(self._connection.execute(text))
