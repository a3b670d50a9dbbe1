"""What every service of the local engine works with, made once per process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from e2a_core.clock import Clock
from e2a_core.ids import Ids
from e2a_core.settings import Settings
from e2a_core.signing.secrets import Secrets
from e2a_core.store.database import Database

if TYPE_CHECKING:
    from e2a_core.authentication.resolver import Resolver

__all__ = ["Core", "Tally"]


@dataclass(frozen=True, slots=True)
class Tally:
    """An account's mail as it was counted: all before `until`, messages since the start of `month`.

    Instants are microseconds; `octets` are of whatever month.
    """

    month: int
    until: int
    messages: int
    octets: int


@dataclass(slots=True)
class Core:
    """The shared parts: settings, clock, randomness, secrets and the database.

    `base_url` is where links point: the configured public URL, else the HTTP listener's own once it is bound.
    `tallies` are by account.
    """

    settings: Settings
    clock: Clock
    ids: Ids
    secrets: Secrets
    db: Database
    base_url: str = field(default="")
    tallies: dict[str, Tally] = field(default_factory=dict, repr=False)
    _resolver: Resolver | None = field(default=None, repr=False)

    @property
    def resolver(self) -> Resolver:
        """The DNS as the settings say to ask it; one per process, so that answers are shared."""
        if self._resolver is None:
            # Most processes never ask, and the library takes long to load.
            from e2a_core.authentication.resolver import Resolver

            self._resolver = Resolver(self.settings.dns_server or None, self.clock)
        return self._resolver

    @resolver.setter
    def resolver(self, resolver: Resolver) -> None:
        self._resolver = resolver
