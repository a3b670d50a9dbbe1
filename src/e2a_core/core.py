"""The parts that all services of the local engine share, created once per process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from e2a_core.clock import Clock
from e2a_core.documents.reader import DocumentReader
from e2a_core.ids import Ids
from e2a_core.offload import Offload
from e2a_core.settings import Settings
from e2a_core.signing.secrets import Secrets
from e2a_core.store.database import Database

if TYPE_CHECKING:
    from e2a_core.authentication.resolver import Resolver

__all__ = ["Core", "Links", "Tallies", "Tally", "shared_resolver"]


@dataclass(slots=True)
class Links:
    """Base of the links in mail and results.

    `base_url` is the configured public URL, or else the URL of the HTTP listener; empty until the listener is bound.
    """

    base_url: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of an account's mail before `until`: messages since the start of `month`, octets of all months.

    Instants are microseconds since the Unix epoch.
    """

    month: int
    until: int
    messages: int
    octets: int


class Tallies:
    """The latest tally of each account that this process has counted."""

    def __init__(self) -> None:
        self._by_account: dict[str, Tally] = {}

    def of(self, account_id: str) -> Tally | None:
        return self._by_account.get(account_id)

    def keep(self, account_id: str, tally: Tally) -> None:
        self._by_account[account_id] = tally


@dataclass(frozen=True, slots=True)
class Core:
    """The shared parts of a process.

    `resolver` always returns the same resolver, so that all services share its cached answers.
    """

    settings: Settings
    clock: Clock
    ids: Ids
    secrets: Secrets
    db: Database
    resolver: Callable[[], Resolver]
    documents: DocumentReader = field(default_factory=DocumentReader, repr=False)
    links: Links = field(default_factory=Links)
    tallies: Tallies = field(default_factory=Tallies, repr=False)
    offload: Offload = field(default_factory=Offload, repr=False)


def shared_resolver(settings: Settings, clock: Clock) -> Callable[[], Resolver]:
    """Returns a function that makes the DNS resolver at its first call and then always returns it."""

    @cache
    def resolver() -> Resolver:
        # Loading the DNS library is slow, and most processes never resolve a name.
        from e2a_core.authentication.resolver import Resolver

        return Resolver(settings.dns_server or None, clock)

    return resolver
