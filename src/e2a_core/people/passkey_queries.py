"""SQL over passkeys and over sign-ins under way."""

from __future__ import annotations

from e2a_core.people.queries import PERSON
from e2a_core.store.statement import Statement, sql

__all__ = [
    "attempt",
    "delete_attempt",
    "delete_passkey",
    "expired_attempts",
    "insert_attempt",
    "insert_passkey",
    "passkey_by_credential",
    "passkeys",
    "record_use",
    "rename_passkey",
    "revoke_others",
]

_PASSKEY = (
    "k.id AS passkey_id, k.person_id, k.key_id, k.credential_id, k.public_key, k.sign_count, k.name AS passkey_name, "
    "k.created_at AS added_at, k.last_used_at"
)


def insert_passkey(
    passkey_id: str,
    person_id: str,
    *,
    key_id: str | None,
    credential_id: str,
    public_key: str,
    sign_count: int,
    name: str,
    now: int,
) -> Statement:
    """Affects no row if the credential is known already."""
    return sql(
        "INSERT INTO passkeys (id, person_id, key_id, credential_id, public_key, sign_count, name, created_at) "
        "VALUES (:id, :person, :key, :credential, :public, :count, :name, :now) ON CONFLICT DO NOTHING",
        by_key=True,
        id=passkey_id,
        person=person_id,
        key=key_id,
        credential=credential_id,
        public=public_key,
        count=sign_count,
        name=name,
        now=now,
    )


def passkeys(person_id: str, count: int) -> Statement:
    return sql(
        f"SELECT {_PASSKEY} FROM passkeys k WHERE k.person_id = :person ORDER BY k.created_at, k.id LIMIT :count",
        person=person_id,
        count=count,
    )


def passkey_by_credential(credential_id: str, now: int) -> Statement:
    """A passkey with its person; one that was added with an API key ends with it."""
    return sql(
        f"SELECT {_PASSKEY}, {PERSON} FROM passkeys k "
        "JOIN people p ON p.id = k.person_id JOIN accounts a ON a.id = p.account_id "
        "LEFT JOIN api_keys i ON i.id = k.key_id WHERE k.credential_id = :credential "
        "AND (k.key_id IS NULL OR (i.revoked_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > :now)))",
        by_key=True,
        credential=credential_id,
        now=now,
    )


def record_use(passkey_id: str, before: int, after: int, now: int) -> Statement:
    """Affects no row if the passkey was used at the same time, or is gone."""
    return sql(
        "UPDATE passkeys SET sign_count = :after, last_used_at = :now WHERE id = :id AND sign_count = :before",
        by_key=True,
        id=passkey_id,
        before=before,
        after=after,
        now=now,
    )


def rename_passkey(person_id: str, passkey_id: str, name: str) -> Statement:
    return sql(
        "UPDATE passkeys SET name = :name WHERE id = :id AND person_id = :person",
        by_key=True,
        id=passkey_id,
        person=person_id,
        name=name,
    )


def delete_passkey(person_id: str, passkey_id: str) -> Statement:
    return sql(
        "DELETE FROM passkeys WHERE id = :id AND person_id = :person",
        by_key=True,
        id=passkey_id,
        person=person_id,
    )


def revoke_others(person_id: str, session_id: str, now: int) -> Statement:
    """Ends all sessions of a person but one."""
    return sql(
        "UPDATE sessions SET revoked_at = :now WHERE person_id = :person AND id <> :session AND revoked_at IS NULL",
        person=person_id,
        session=session_id,
        now=now,
    )


def insert_attempt(
    token_hash: str, kind: str, person_id: str | None, details: str, expires_at: int
) -> Statement:
    return sql(
        "INSERT INTO sign_in_attempts (token_hash, kind, person_id, details, expires_at) "
        "VALUES (:hash, :kind, :person, :details, :expires)",
        by_key=True,
        hash=token_hash,
        kind=kind,
        person=person_id,
        details=details,
        expires=expires_at,
    )


def attempt(token_hash: str, kind: str) -> Statement:
    return sql(
        "SELECT person_id, details, expires_at FROM sign_in_attempts WHERE token_hash = :hash AND kind = :kind",
        by_key=True,
        hash=token_hash,
        kind=kind,
    )


def delete_attempt(token_hash: str) -> Statement:
    """Affects no row if somebody else took it."""
    return sql("DELETE FROM sign_in_attempts WHERE token_hash = :hash", by_key=True, hash=token_hash)


def expired_attempts(before: int, count: int) -> Statement:
    """Deletes attempts that expired until `before`."""
    return sql(
        "DELETE FROM sign_in_attempts WHERE token_hash IN "
        "(SELECT token_hash FROM sign_in_attempts WHERE expires_at <= :before ORDER BY expires_at LIMIT :count)",
        before=before,
        count=count,
    )
