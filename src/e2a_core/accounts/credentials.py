"""API keys: shown once, stored as a hash, looked up on every request."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from e2a_core.accounts import queries
from e2a_core.accounts.queries import KeyRow
from e2a_core.clock import to_micros
from e2a_core.contract.principal import Door, Principal, Scope
from e2a_core.core import Core
from e2a_core.errors import StoreUnavailable, Unauthorized
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.roles import is_account_only
from e2a_core.store.statement import Statement, first

__all__ = ["EnsuredAccount", "NewKey", "authenticate", "ensure_account", "hash_key", "mint_key", "new_key"]

KEY_PREFIXES: dict[Scope, str] = {"account": "e2a_acct_", "agent": "e2a_agt_"}
SHOWN_CHARS = 16
"""Length of the prefix shown to tell keys apart; it contains 7 or 8 of the 64 secret hex digits."""
MAX_CREDENTIAL_CHARS = 512
"""Longer texts cannot be keys and are refused without hashing."""
USE_RECORDED_EVERY = timedelta(minutes=1)


class EnsuredAccount(NamedTuple):
    account_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key. `plaintext` is stored nowhere; `statement` stores the rest."""

    row: KeyRow
    plaintext: str = field(repr=False)

    @property
    def statement(self) -> Statement:
        return queries.insert_key(self.row, hash_key(self.plaintext))


def hash_key(plaintext: str) -> str:
    """The stored form of a key: SHA-256 without salt or stretching, since a key has 256 random bits."""
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()


async def authenticate(core: Core, credential: str, door: Door = "api") -> Principal:
    """Returns the principal of `credential`, which came by `door`.

    Reads the key for each request, so that revocation is immediate. Raises the same `Unauthorized` for unknown, revoked
    and expired keys.
    """
    if not credential or len(credential) > MAX_CREDENTIAL_CHARS:
        raise Unauthorized
    now = core.clock.now()
    rows = await core.db.read(queries.principal_by_key_hash(hash_key(credential)))
    if not rows:
        raise Unauthorized
    row = rows[0]
    if row["expires_at"] is not None and row["expires_at"] <= to_micros(now):
        raise Unauthorized
    if row["scope"] == "agent" and is_account_only(row["agent_email"]):
        raise Unauthorized
    recorded_since = to_micros(now - USE_RECORDED_EVERY)
    if row["last_used_at"] is None or row["last_used_at"] <= recorded_since:
        # A read-only store must not prevent authentication.
        with suppress(StoreUnavailable):
            await core.db.write([queries.record_use(row["id"], to_micros(now), recorded_since)])
    return Principal(
        account_id=row["account_id"],
        account_email=row["account_email"],
        scope=row["scope"],
        agent_email=row["agent_email"],
        credential_id=row["id"],
        door=door,
    )


def new_key(
    core: Core,
    account_id: str,
    *,
    name: str = "",
    scope: Scope = "account",
    agent_email: str | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """Creates a key that becomes valid once its statement is committed."""
    plaintext = KEY_PREFIXES[scope] + core.ids.secret()
    row = KeyRow(
        id=core.ids.api_key(),
        account_id=account_id,
        agent_email=agent_email,
        name=name,
        scope=scope,
        key_prefix=plaintext[:SHOWN_CHARS],
        created_at=to_micros(core.clock.now()),
        last_used_at=None,
        expires_at=None if expires_at is None else to_micros(expires_at),
    )
    return NewKey(row, plaintext)


async def mint_key(
    core: Core,
    account_id: str,
    *,
    name: str = "",
    scope: Scope = "account",
    agent_email: str | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """Creates and stores a key. `agent_email` is required if `scope` is `agent`, and must be None otherwise."""
    key = new_key(core, account_id, name=name, scope=scope, agent_email=agent_email, expires_at=expires_at)
    await core.db.write([key.statement])
    return key


async def ensure_account(core: Core, email: str) -> EnsuredAccount:
    """Returns the account of an email address, and creates it if missing. Safe to call from several processes."""
    address = normalize_addr_spec(email)
    found = first(await core.db.read(queries.account_by_email(address)))
    if found is not None:
        return EnsuredAccount(found["id"], created=False)
    account_id = core.ids.user()
    [inserted] = await core.db.write(
        [queries.insert_account(account_id, address, to_micros(core.clock.now()))]
    )
    if inserted.rowcount:
        return EnsuredAccount(account_id, created=True)
    return await ensure_account(core, address)
