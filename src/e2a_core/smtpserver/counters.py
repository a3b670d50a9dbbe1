"""Counters of the SMTP listener, for the metrics page."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["IntakeCounters"]


@dataclass(slots=True)
class IntakeCounters:
    """Totals since the listener was created, except `connections_open`, which is the current number.

    `rejected_*` count RCPT commands; the others count events.
    """

    connections: int = 0
    connections_open: int = 0
    connections_refused: int = 0
    accepted: int = 0
    rejected_unknown_recipient: int = 0
    rejected_disabled_recipient: int = 0
    rejected_quota: int = 0
    rejected_too_many_recipients: int = 0
    refused_size: int = 0
    refused_loop: int = 0
    refused_message: int = 0
    refused_smuggling: int = 0
    tempfail: int = 0
    timeouts: int = 0
    abuse_disconnects: int = 0
    tls_sessions: int = 0
    tls_failures: int = 0

    def as_dict(self) -> dict[str, int]:
        """Every counter by name."""
        return asdict(self)
