"""SQL that finds whose sign-in failed, also by what is used, revoked or expired."""

from __future__ import annotations

from e2a_core.people.queries import PERSON
from e2a_core.store.statement import Statement, sql

__all__ = ["failed_since", "key", "person", "person_of_identity", "person_of_passkey"]


def key(key_hash: str) -> Statement:
    return sql(
        "SELECT k.id, k.account_id, k.scope, k.agent_email, a.email AS account_email "
        "FROM api_keys k JOIN accounts a ON a.id = k.account_id WHERE k.key_hash = :hash",
        by_key=True,
        hash=key_hash,
    )


def person(person_id: str) -> Statement:
    return sql(
        f"SELECT {PERSON} FROM people p JOIN accounts a ON a.id = p.account_id WHERE p.id = :id",
        by_key=True,
        id=person_id,
    )


def person_of_passkey(credential_id: str) -> Statement:
    return sql(
        f"SELECT k.id AS passkey_id, {PERSON} FROM passkeys k JOIN people p ON p.id = k.person_id "
        "JOIN accounts a ON a.id = p.account_id WHERE k.credential_id = :credential",
        by_key=True,
        credential=credential_id,
    )


def person_of_identity(issuer: str, subject: str) -> Statement:
    return sql(
        f"SELECT {PERSON} FROM identities i JOIN people p ON p.id = i.person_id "
        "JOIN accounts a ON a.id = p.account_id WHERE i.issuer = :issuer AND i.subject = :subject",
        by_key=True,
        issuer=issuer,
        subject=subject,
    )


def failed_since(account_id: str, since: int) -> Statement:
    """How many failed sign-ins the account's audit log has."""
    return sql(
        "SELECT COUNT(*) AS count FROM audit_log WHERE account_id = :account AND operation = 'sign_in' "
        "AND outcome = 'refused' AND at > :since",
        account=account_id,
        since=since,
    )
