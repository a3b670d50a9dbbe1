"""DNS for the one domain these tests have mail from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.dns import DnsServer


@pytest.fixture(scope="session")
def dns() -> Iterator[DnsServer]:
    with DnsServer({"example.org": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]}}) as server:
        yield server
