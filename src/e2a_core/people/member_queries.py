"""SQL over the people of an account: who they are, and when they came."""

from __future__ import annotations

from e2a_core.contract.principal import Role
from e2a_core.people.queries import PERSON
from e2a_core.store.statement import Statement, sql

__all__ = ["count_members", "delete_person", "give_role", "members", "person"]

_MEMBER = (
    f"{PERSON}, p.email IS NULL AS own, "
    "(SELECT MAX(s.last_seen_at) FROM sessions s WHERE s.person_id = p.id) AS seen_at "
    "FROM people p JOIN accounts a ON a.id = p.account_id"
)


def members(account_id: str, count: int) -> Statement:
    """The people of an account, its own person first."""
    return sql(
        f"SELECT {_MEMBER} WHERE p.account_id = :account "
        "ORDER BY CASE WHEN p.email IS NULL THEN 0 ELSE 1 END, p.created_at, p.id LIMIT :count",
        account=account_id,
        count=count,
    )


def person(account_id: str, person_id: str) -> Statement:
    return sql(
        f"SELECT {_MEMBER} WHERE p.id = :id AND p.account_id = :account",
        by_key=True,
        id=person_id,
        account=account_id,
    )


def count_members(account_id: str) -> Statement:
    return sql("SELECT COUNT(*) AS count FROM people WHERE account_id = :account", account=account_id)


def give_role(account_id: str, person_id: str, role: Role) -> Statement:
    """Affects no row for the account's own person, who is always an owner."""
    return sql(
        "UPDATE people SET role = :role WHERE id = :id AND account_id = :account AND email IS NOT NULL",
        by_key=True,
        id=person_id,
        account=account_id,
        role=role,
    )


def delete_person(account_id: str, person_id: str) -> Statement:
    """Takes their links and sessions along. Affects no row for the account's own person."""
    return sql(
        "DELETE FROM people WHERE id = :id AND account_id = :account AND email IS NOT NULL",
        by_key=True,
        id=person_id,
        account=account_id,
    )
