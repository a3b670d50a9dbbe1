"""Sessions of people: a secret in a cookie, of which the hash is stored."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from e2a_core.accounts.credentials import hash_key
from e2a_core.clock import to_micros
from e2a_core.contract.principal import PERSON, Principal
from e2a_core.core import Core
from e2a_core.errors import StoreUnavailable
from e2a_core.people import queries
from e2a_core.people.queries import PersonRow, SessionRow, session_from
from e2a_core.store.statement import Statement, first

__all__ = [
    "ABSOLUTE",
    "IDLE",
    "NewSession",
    "end_session",
    "find_session",
    "live_sessions",
    "new_session",
    "person_principal",
    "proof_of",
]

IDLE = timedelta(hours=24)
"""A session that nobody used for this long has ended."""
ABSOLUTE = timedelta(days=14)
"""However busy it is, a session ends then, and its person signs in again."""
SEEN_RECORDED_EVERY = timedelta(minutes=1)
MAX_TOKEN_CHARS = 200
MAX_USER_AGENT_CHARS = 300
MAX_SESSIONS_SHOWN = 200
_PREFIX = "e2a_ses_"


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session. `token` is stored nowhere; `statement` stores the rest."""

    id: str
    person: PersonRow
    token: str = field(repr=False)
    statement: Statement = field(repr=False)


def new_session(core: Core, person: PersonRow, *, user_agent: str, key_id: str | None = None) -> NewSession:
    """Returns a session that is open once its statement is committed. With `key_id` it ends with that API key."""
    token = _PREFIX + core.ids.secret()
    session_id, now = core.ids.new("ses"), core.clock.now()
    statement = queries.insert_session(
        session_id,
        hash_key(token),
        person,
        key_id=key_id,
        user_agent=_printable(user_agent),
        now=to_micros(now),
        expires_at=to_micros(now + ABSOLUTE),
    )
    return NewSession(session_id, person, token, statement)


async def find_session(core: Core, token: str, *, used: bool = True) -> SessionRow | None:
    """Returns the open session of a cookie's token, by one indexed read, so that revocation is immediate.

    It is `used` unless a page asks by itself: one left open must not keep its session.
    """
    if not token.startswith(_PREFIX) or len(token) > MAX_TOKEN_CHARS:
        return None
    now = core.clock.now()
    row = first(
        await core.db.read(queries.live_session(hash_key(token), to_micros(now), to_micros(now - IDLE)))
    )
    if row is None:
        return None
    session = session_from(row)
    if used and session.last_seen_at <= to_micros(now - SEEN_RECORDED_EVERY):
        # A read-only store must not keep people out.
        with suppress(StoreUnavailable):
            await core.db.write([queries.record_seen(session.id, to_micros(now))])
    return session


async def live_sessions(core: Core, account_id: str) -> list[SessionRow]:
    """The open sessions of an account, the one used last first."""
    now = core.clock.now()
    rows = await core.db.read(
        queries.sessions(account_id, to_micros(now), to_micros(now - IDLE), MAX_SESSIONS_SHOWN)
    )
    return [session_from(row) for row in rows]


async def end_session(core: Core, account_id: str, session_id: str) -> bool:
    """Ends a session of the account; returns False if it was not open."""
    [ended] = await core.db.write(
        [queries.revoke_session(account_id, session_id, to_micros(core.clock.now()))]
    )
    return bool(ended.rowcount)


def person_principal(person: PersonRow) -> Principal:
    """The caller that a person is at the contract."""
    return Principal(
        account_id=person.account_id,
        account_email=person.account_email,
        scope="account",
        agent_email=None,
        credential_id=PERSON + person.id,
        role=person.role,
        door="dashboard",
        person=person.email,
    )


def proof_of(token: str) -> str:
    """What every form of a session carries and no other site can know: derived from the secret of the cookie."""
    return hmac.new(token.encode("utf-8", "surrogatepass"), b"form", hashlib.sha256).hexdigest()


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:MAX_USER_AGENT_CHARS])
