"""SQL over the identities that people have at an issuer."""

from __future__ import annotations

from e2a_core.people.queries import PERSON
from e2a_core.store.statement import Statement, sql

__all__ = [
    "accounts_by_email",
    "delete_identity",
    "identities",
    "identity",
    "insert_identity",
    "people_by_email",
    "record_use",
]


def insert_identity(
    identity_id: str,
    issuer: str,
    subject: str,
    person_id: str,
    *,
    key_id: str | None,
    label: str,
    now: int,
) -> Statement:
    """Affects no row if the identity is somebody's already."""
    return sql(
        "INSERT INTO identities (id, issuer, subject, person_id, key_id, label, created_at) "
        "VALUES (:id, :issuer, :subject, :person, :key, :label, :now) ON CONFLICT DO NOTHING",
        by_key=True,
        id=identity_id,
        issuer=issuer,
        subject=subject,
        person=person_id,
        key=key_id,
        label=label,
        now=now,
    )


def identity(issuer: str, subject: str, now: int) -> Statement:
    """Whose identity it is; one that was connected with an API key ends with it."""
    return sql(
        f"SELECT i.id AS identity_id, i.key_id, {PERSON} FROM identities i JOIN people p ON p.id = i.person_id "
        "JOIN accounts a ON a.id = p.account_id LEFT JOIN api_keys k ON k.id = i.key_id "
        "WHERE i.issuer = :issuer AND i.subject = :subject "
        "AND (i.key_id IS NULL OR (k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > :now)))",
        by_key=True,
        issuer=issuer,
        subject=subject,
        now=now,
    )


def identities(person_id: str, count: int) -> Statement:
    return sql(
        "SELECT id, issuer, label, created_at, last_used_at FROM identities WHERE person_id = :person "
        "ORDER BY created_at, id LIMIT :count",
        person=person_id,
        count=count,
    )


def record_use(identity_id: str, now: int) -> Statement:
    """Affects no row if the identity is gone."""
    return sql(
        "UPDATE identities SET last_used_at = :now WHERE id = :id", by_key=True, id=identity_id, now=now
    )


def delete_identity(person_id: str, identity_id: str) -> Statement:
    return sql(
        "DELETE FROM identities WHERE id = :id AND person_id = :person",
        by_key=True,
        id=identity_id,
        person=person_id,
    )


def people_by_email(email: str) -> Statement:
    """The people of all accounts who were invited with that address; two are enough to know that there are several."""
    return sql(
        f"SELECT {PERSON} FROM people p JOIN accounts a ON a.id = p.account_id WHERE p.email = :email LIMIT 2",
        email=email,
    )


def accounts_by_email(email: str) -> Statement:
    return sql("SELECT id FROM accounts WHERE email = :email", by_key=True, email=email)
