"""DNS for the one domain these tests have mail from, and how often they kill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.dns import DnsServer


@pytest.fixture(scope="session")
def dns() -> Iterator[DnsServer]:
    with DnsServer({"example.org": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]}}) as server:
        yield server


@pytest.fixture
def rounds(database_kind: str) -> int:
    """Kills of one test. A round takes seconds, and what is killed is the same program over both databases."""
    return 50 if database_kind == "sqlite" else 20
