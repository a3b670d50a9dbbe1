"""The chain of the log: each row has a hash over itself and the one before, and the head has a MAC over the last.

Whoever changes, removes, adds or reorders rows breaks the hashes. Whoever makes all hashes again, or removes the last
rows, would need the key of the MAC, which is derived from the deployment's secrets and is not in the database.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Self

from e2a_core.json_encoding import compact_json
from e2a_core.signing.secrets import Secrets
from e2a_core.store.statement import Row

__all__ = ["BEGINNING", "CHAINED", "Head", "row_hash"]

CHAINED = (
    "account_id",
    "number",
    "at",
    "actor",
    "actor_kind",
    "person",
    "door",
    "operation",
    "subjects",
    "outcome",
    "code",
)
"""The columns under the hash of a row, in order."""

BEGINNING = "0" * 64
"""Stands for the hash before the first row."""

_KEY_LABEL = b"e2a audit log head"


def row_hash(before: str, values: Row) -> str:
    """The hash of a row that follows the one whose hash is `before`."""
    told: list[Any] = [before, *(values[name] for name in CHAINED)]
    return hashlib.sha256(compact_json(told).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """Where an account's chain begins and ends: `anchor` is the last row that retention deleted, `number` the last."""

    account_id: str
    anchor: int = 0
    anchor_hash: str = BEGINNING
    number: int = 0
    hash: str = BEGINNING
    mac: str = ""

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(**{name: row[name] for name in cls.__slots__})

    def sealed(self, secrets: Secrets) -> str:
        """The MAC of this head, by the secret that signs."""
        return self._mac(secrets.signing)

    def is_sealed(self, secrets: Secrets) -> bool:
        """Whether one of the deployment's secrets made its MAC."""
        given = self.mac.encode("utf-8", "replace")
        return any(hmac.compare_digest(self._mac(secret).encode(), given) for secret in secrets)

    def _mac(self, secret: bytes) -> str:
        key = hmac.digest(secret, _KEY_LABEL, "sha256")
        told = [self.account_id, self.anchor, self.anchor_hash, self.number, self.hash]
        return hmac.digest(key, compact_json(told).encode(), "sha256").hex()
