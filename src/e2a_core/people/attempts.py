"""Sign-ins under way: what one request began and another one of the same browser ends, once and soon.

They are in the store, since the second request may reach another process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from e2a_core.accounts.credentials import hash_key
from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.json_encoding import compact_json
from e2a_core.people import passkey_queries as queries
from e2a_core.people.sessions import MAX_TOKEN_CHARS
from e2a_core.store.statement import first

__all__ = ["Attempt", "begin_attempt", "take_attempt"]

_PREFIX = "e2a_try_"


@dataclass(frozen=True, slots=True)
class Attempt:
    """`person_id` is whose attempt it is, if somebody is signed in already."""

    person_id: str | None
    details: Mapping[str, str]


async def begin_attempt(
    core: Core, kind: str, details: Mapping[str, str], good_for: timedelta, person_id: str | None = None
) -> str:
    """Keeps `details` and returns the token that gets them back, which only the browser may have."""
    token = _PREFIX + core.ids.secret()
    expires = to_micros(core.clock.now() + good_for)
    await core.db.write(
        [queries.insert_attempt(hash_key(token), kind, person_id, compact_json(dict(details)), expires)]
    )
    return token


async def take_attempt(core: Core, kind: str, token: str) -> Attempt | None:
    """The attempt of a token, which is used up; None if there is none of that kind, or it came too late."""
    if not token.startswith(_PREFIX) or len(token) > MAX_TOKEN_CHARS:
        return None
    row = first(await core.db.read(queries.attempt(hash_key(token), kind)))
    if row is None:
        return None
    [deleted] = await core.db.write([queries.delete_attempt(hash_key(token))])
    if not deleted.rowcount or row["expires_at"] <= to_micros(core.clock.now()):
        return None
    return Attempt(row["person_id"], json.loads(row["details"]))
