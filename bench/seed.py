"""Fills an inbox faster than mail could arrive: the same rows, written by the same statements."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from e2a_core.contract.states import Delivery, Direction
from e2a_core.messages import queries
from e2a_core.messages.index_queries import index_text
from e2a_core.messages.rows import MessageRow, SubmissionRow
from e2a_core.messages.terms import words_of
from e2a_core.store.statement import Statement

__all__ = ["CONVERSATION", "seed"]

FIRST_MICROS = 1_750_000_000_000_000
STEP_MICROS = 30_000_000
BATCH = 2000
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


def seed(database: Path, inbox: str, count: int, *, all_read: bool = False) -> None:
    """Adds `count` messages with labels, text index, references and content; the newest comes last."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    (account,) = connection.execute("SELECT account_id FROM agents WHERE email = ?", [inbox]).fetchone()
    messages = (_message(number, account, inbox, all_read) for number in range(count))
    while batch := list(islice(messages, BATCH)):
        connection.execute("BEGIN")
        for column in zip(*batch, strict=True):
            _write(connection, column)
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


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


def _write(connection: sqlite3.Connection, statements: Iterable[Sequence[Statement]]) -> None:
    every: Iterator[Statement] = (statement for group in statements for statement in group)
    first = next(every, None)
    if first is not None:
        connection.execute(first.sqlite, first.params)
        connection.executemany(first.sqlite, (statement.params for statement in every))
