"""What the tests of authentication share: a clock to set, a resolver over given zones, messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from e2a_core.authentication.resolver import Resolver
from e2a_core.clock import Clock, SystemClock
from tests.support.dns import DnsServer, Zones

DATA = Path(__file__).parent / "data"


class SetClock:
    """A clock that stands still until it is advanced."""

    def __init__(self, instant: datetime = datetime(2026, 7, 1, 12, tzinfo=UTC)) -> None:
        self._instant = instant
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._instant

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._instant += timedelta(seconds=seconds)
        self._monotonic += seconds


@contextmanager
def resolving(zones: Zones, clock: Clock | None = None, timeout: float = 2.0) -> Iterator[Resolver]:
    """A resolver whose only server answers from `zones`."""
    with DnsServer(zones) as server:
        yield Resolver(server.address, clock or SystemClock(), timeout=timeout)


def crlf(text: bytes) -> bytes:
    """The text with CRLF line ends, as it arrives over SMTP."""
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def vector(name: str) -> bytes:
    """A file of dkimpy's own test data."""
    return (DATA / "dkimpy" / name).read_bytes()
