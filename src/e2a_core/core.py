"""What every service of the local engine works with, made once per process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from e2a_core.clock import Clock
from e2a_core.ids import Ids
from e2a_core.settings import Settings
from e2a_core.signing.secrets import Secrets
from e2a_core.store.database import Database

if TYPE_CHECKING:
    from e2a_core.authentication.resolver import Resolver

__all__ = ["Core", "Links", "Tallies", "Tally", "shared_resolver"]


@dataclass(slots=True)
class Links:
    """Where links in mail and results point.

    `base_url` is the configured public URL, else the HTTP listener's own once it is bound; empty until then.
    """

    base_url: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """An account's mail as it was counted: all before `until`, messages since the start of `month`.

    Instants are microseconds; `octets` are of whatever month.
    """

    month: int
    until: int
    messages: int
    octets: int


class Tallies:
    """The last tally of each account whose mail was counted in this process."""

    def __init__(self) -> None:
        self._by_account: dict[str, Tally] = {}

    def of(self, account_id: str) -> Tally | None:
        return self._by_account.get(account_id)

    def keep(self, account_id: str, tally: Tally) -> None:
        self._by_account[account_id] = tally


@dataclass(frozen=True, slots=True)
class Core:
    """The shared parts of a process.

    `resolver` returns the one resolver of the process, so that answers are shared.
    """

    settings: Settings
    clock: Clock
    ids: Ids
    secrets: Secrets
    db: Database
    resolver: Callable[[], Resolver]
    links: Links = field(default_factory=Links)
    tallies: Tallies = field(default_factory=Tallies, repr=False)


def shared_resolver(settings: Settings, clock: Clock) -> Callable[[], Resolver]:
    """Returns the same resolver at each call, which asks the DNS as the settings say."""

    @cache
    def resolver() -> Resolver:
        # Most processes never ask, and the library takes long to load.
        from e2a_core.authentication.resolver import Resolver

        return Resolver(settings.dns_server or None, clock)

    return resolver
