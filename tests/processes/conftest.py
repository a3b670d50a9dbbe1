"""DNS for the correspondents of these tests, and the server of the databases that replicas share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import database_kind, database_url, postgresql_server
from tests.support.dns import DnsServer

__all__ = ["database_kind", "database_url", "postgresql_server"]


@pytest.fixture(scope="session")
def dns() -> Iterator[DnsServer]:
    with DnsServer({"example.org": {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]}}) as server:
        yield server
