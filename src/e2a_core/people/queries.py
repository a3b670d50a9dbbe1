"""SQL over people, their sign-in links and their sessions."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.contract.principal import Role
from e2a_core.contract.states import Review
from e2a_core.roles import beside_notices
from e2a_core.store.statement import Row, Statement, sql

__all__ = [
    "PERSON",
    "PersonRow",
    "SessionRow",
    "expired_links",
    "expired_sessions",
    "frame",
    "insert_link",
    "insert_person",
    "insert_session",
    "link_person",
    "live_session",
    "person_by_email",
    "person_from",
    "record_seen",
    "revoke_of_person",
    "revoke_session",
    "session_from",
    "sessions",
    "set_role",
    "use_link",
]

PERSON = (
    "p.id, p.account_id, COALESCE(p.email, a.email) AS email, a.email AS account_email, "
    "p.name, p.role, p.created_at"
)
"""What `person_from` reads, of people `p` and their accounts `a`."""
_SESSION = (
    "s.id AS session_id, s.key_id, s.user_agent, s.created_at AS opened_at, s.last_seen_at, s.expires_at"
)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person of an account; `created_at` in microseconds."""

    id: str
    account_id: str
    email: str
    name: str
    role: Role
    created_at: int
    account_email: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session without its secret; instants in microseconds."""

    id: str
    person: PersonRow
    key_id: str | None
    user_agent: str
    created_at: int
    last_seen_at: int
    expires_at: int


def person_from(row: Row) -> PersonRow:
    return PersonRow(
        id=row["id"],
        account_id=row["account_id"],
        email=row["email"],
        name=row["name"],
        role=row["role"],
        created_at=row["created_at"],
        account_email=row["account_email"],
    )


def session_from(row: Row) -> SessionRow:
    return SessionRow(
        id=row["session_id"],
        person=person_from(row),
        key_id=row["key_id"],
        user_agent=row["user_agent"],
        created_at=row["opened_at"],
        last_seen_at=row["last_seen_at"],
        expires_at=row["expires_at"],
    )


def person_by_email(account_id: str, email: str | None) -> Statement:
    """The person with that address; None is the account's own person."""
    condition = "p.email IS NULL" if email is None else "p.email = :email"
    return Statement(
        f"SELECT {PERSON} FROM people p JOIN accounts a ON a.id = p.account_id "
        f"WHERE p.account_id = :account AND {condition}",
        {"account": account_id, **({} if email is None else {"email": email})},
        by_key=True,
    )


def insert_person(
    person_id: str, account_id: str, email: str | None, name: str, role: Role, now: int
) -> Statement:
    """Affects no row if the person is there already."""
    return sql(
        "INSERT INTO people (id, account_id, email, name, role, created_at) "
        "VALUES (:id, :account, :email, :name, :role, :now) ON CONFLICT DO NOTHING",
        id=person_id,
        account=account_id,
        email=email,
        name=name,
        role=role,
        now=now,
    )


def set_role(person_id: str, role: Role) -> Statement:
    return sql("UPDATE people SET role = :role WHERE id = :id", by_key=True, id=person_id, role=role)


def insert_link(token_hash: str, person_id: str, now: int, expires_at: int) -> Statement:
    return sql(
        "INSERT INTO sign_in_links (token_hash, person_id, created_at, expires_at) "
        "VALUES (:hash, :person, :now, :expires)",
        by_key=True,
        hash=token_hash,
        person=person_id,
        now=now,
        expires=expires_at,
    )


def link_person(token_hash: str) -> Statement:
    """The person of a link, with `link_expires_at` and `used_at`."""
    return sql(
        f"SELECT {PERSON}, l.expires_at AS link_expires_at, l.used_at FROM sign_in_links l "
        "JOIN people p ON p.id = l.person_id JOIN accounts a ON a.id = p.account_id WHERE l.token_hash = :hash",
        by_key=True,
        hash=token_hash,
    )


def use_link(token_hash: str, now: int) -> Statement:
    """Uses a link up. Affects no row if it was used before or has expired."""
    return sql(
        "UPDATE sign_in_links SET used_at = :now "
        "WHERE token_hash = :hash AND used_at IS NULL AND expires_at > :now",
        by_key=True,
        hash=token_hash,
        now=now,
    )


def insert_session(
    session_id: str,
    token_hash: str,
    person: PersonRow,
    *,
    key_id: str | None,
    user_agent: str,
    now: int,
    expires_at: int,
) -> Statement:
    return sql(
        "INSERT INTO sessions (id, token_hash, account_id, person_id, key_id, user_agent, created_at, last_seen_at, "
        "expires_at) VALUES (:id, :hash, :account, :person, :key, :agent, :now, :now, :expires)",
        by_key=True,
        id=session_id,
        hash=token_hash,
        account=person.account_id,
        person=person.id,
        key=key_id,
        agent=user_agent,
        now=now,
        expires=expires_at,
    )


def live_session(token_hash: str, now: int, seen_after: int) -> Statement:
    """A session that was not revoked, has not expired, and was used since; one of a key ends with its key."""
    return sql(
        f"SELECT {PERSON}, {_SESSION} {_SESSIONS} WHERE s.token_hash = :hash AND {_LIVE}",
        by_key=True,
        hash=token_hash,
        now=now,
        seen_after=seen_after,
    )


def sessions(account_id: str, now: int, seen_after: int, count: int) -> Statement:
    """The live sessions of an account, the one used last first."""
    return sql(
        f"SELECT {PERSON}, {_SESSION} {_SESSIONS} WHERE s.account_id = :account AND {_LIVE} "
        "ORDER BY s.last_seen_at DESC, s.id LIMIT :count",
        account=account_id,
        now=now,
        seen_after=seen_after,
        count=count,
    )


_SESSIONS = (
    "FROM sessions s JOIN people p ON p.id = s.person_id JOIN accounts a ON a.id = s.account_id "
    "LEFT JOIN api_keys k ON k.id = s.key_id"
)
_LIVE = (
    "s.revoked_at IS NULL AND s.expires_at > :now AND s.last_seen_at > :seen_after "
    "AND (s.key_id IS NULL OR (k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > :now)))"
)


def record_seen(session_id: str, now: int) -> Statement:
    return sql("UPDATE sessions SET last_seen_at = :now WHERE id = :id", by_key=True, id=session_id, now=now)


def revoke_session(account_id: str, session_id: str, now: int) -> Statement:
    return sql(
        "UPDATE sessions SET revoked_at = :now WHERE id = :id AND account_id = :account AND revoked_at IS NULL",
        by_key=True,
        id=session_id,
        account=account_id,
        now=now,
    )


def revoke_of_person(person_id: str, now: int) -> Statement:
    return sql(
        "UPDATE sessions SET revoked_at = :now WHERE person_id = :person AND revoked_at IS NULL",
        person=person_id,
        now=now,
    )


def expired_links(before: int, count: int) -> Statement:
    """Deletes links that expired until `before`, used or not."""
    return sql(
        "DELETE FROM sign_in_links WHERE token_hash IN "
        "(SELECT token_hash FROM sign_in_links WHERE expires_at <= :before ORDER BY expires_at LIMIT :count)",
        before=before,
        count=count,
    )


def expired_sessions(before: int, count: int) -> Statement:
    """Deletes sessions that expired until `before`."""
    return sql(
        "DELETE FROM sessions WHERE id IN "
        "(SELECT id FROM sessions WHERE expires_at <= :before ORDER BY expires_at LIMIT :count)",
        before=before,
        count=count,
    )


def frame(account_id: str, most: int) -> Statement:
    """What every page shows of the account: since when it is paused, when MCP was used, and how many reviews wait.

    The order makes the database read the index of held messages, and not all messages of the account.
    """
    return sql(
        "SELECT paused_at, mcp_seen_at, "
        "(SELECT COUNT(*) FROM (SELECT 1 FROM messages m JOIN agents a ON a.email = m.agent_email "
        f"AND a.deleted_at IS NULL WHERE m.account_id = :account AND m.status = '{Review.PENDING}' "
        f"AND m.deleted_at IS NULL AND {beside_notices('a.email')} "
        "ORDER BY m.created_at DESC, m.id DESC LIMIT :most) waiting) AS reviews "
        "FROM accounts WHERE id = :account",
        account=account_id,
        most=most,
    )
