"""Acknowledged, authenticated, durable messages per second, against an SMTP server that only answers 250."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.support.dns import DnsServer

from bench.homes import make_home, serve
from bench.mail import SENDER, Signer, write_messages
from bench.processes import Child, child, run_child
from bench.report import Figure, measured

__all__ = ["intake"]

SESSIONS = 20
BOUND = 0.25


@dataclass(frozen=True, slots=True)
class _Round:
    """The result of one run of the load client, and the server's processor time for each message."""

    per_second: float
    processor_ms: float


def intake(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures two servers under the same client, in turns.

    Raises RuntimeError unless every message is stored with DMARC pass afterwards.
    """
    rounds, count, warm = (1, 60, 20) if quick else (5, 600, 200)
    home = folder / "intake"
    inbox = make_home(home)
    signer = Signer()
    files = []
    for number in range(rounds + 1):
        file = folder / f"mail-{number}"
        size, first = (count, number * count) if number else (warm, 1_000_000)
        write_messages(file, (signer.message(first + index, inbox) for index in range(size)))
        files.append(file)
    ours, baseline = [], []
    with (
        DnsServer(signer.zones) as dns,
        serve(home, {"E2A_DNS_SERVER": dns.address}) as relay,
        child(["-m", "bench.children.smtp_sink"], folder / "sink.log") as sink,
    ):
        sink_address = ("127.0.0.1", int(sink.line()))
        for file in files:
            baseline.append(_run(sink, sink_address, inbox, file))
            ours.append(_run(relay.process, relay.smtp, inbox, file))
    _check_stored(home / "e2a.db", warm + rounds * count)
    del ours[0], baseline[0]  # the first round warmed both up
    cost = f"{median(item.processor_ms for item in ours):.2f} ms"
    least = f"{median(item.processor_ms for item in baseline):.2f} ms"
    return [
        measured(
            "SMTP intake, 20 sessions, 4 KiB",
            "mails/s",
            [item.per_second for item in ours],
            [item.per_second for item in baseline],
            bound=BOUND,
            floor=True,
            note=f"processor per mail {cost} against {least}; all stored with dmarc=pass",
        )
    ]


def _run(server: Child, address: tuple[str, int], inbox: str, file: Path) -> _Round:
    host, port = address
    before = server.processor_seconds()
    output = run_child(
        ["-m", "bench.children.smtp_load", host, str(port), str(SESSIONS), SENDER, inbox, str(file)]
    )
    used = server.processor_seconds() - before
    result = json.loads(output)
    accepted = result["accepted"]
    return _Round(accepted / result["seconds"], used * 1000 / accepted)


def _check_stored(database: Path, expected: int) -> None:
    """Raises RuntimeError unless every acknowledged message is stored, with its own content and its evidence."""
    connection = sqlite3.connect(database)
    try:
        stored, contents = connection.execute(
            "SELECT count(*), count(DISTINCT m.content_hash) FROM messages m "
            "JOIN raw_messages r ON r.content_hash = m.content_hash "
            "WHERE m.direction = 'inbound' AND m.authentication ->> '$.dmarc.status' = 'pass' "
            "AND m.authentication ->> '$.spf.status' = 'pass' AND m.authentication ->> '$.dkim[0].status' = 'pass'"
        ).fetchone()
    finally:
        connection.close()
    if (stored, contents) != (expected, expected):
        raise RuntimeError(f"{expected} messages were acknowledged, {stored} are stored with dmarc=pass")
