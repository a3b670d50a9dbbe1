"""SQL over delegations."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.store.statement import Row, Statement, sql

__all__ = ["DelegationRow", "active", "delegation_from", "insert_delegation", "of_agent", "revoke"]

_COLUMNS = "id, account_id, agent_email, human, valid_from, valid_until, created_at"


@dataclass(frozen=True, slots=True)
class DelegationRow:
    """A binding of a person's address to an agent, valid for `valid_from <= t < valid_until` (microseconds)."""

    id: str
    account_id: str
    agent_email: str
    human: str
    valid_from: int
    valid_until: int | None
    created_at: int


def delegation_from(row: Row) -> DelegationRow:
    return DelegationRow(
        id=row["id"],
        account_id=row["account_id"],
        agent_email=row["agent_email"],
        human=row["human"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        created_at=row["created_at"],
    )


def of_agent(agent_email: str) -> Statement:
    """The delegations that are not revoked, newest first."""
    return sql(
        f"SELECT {_COLUMNS} FROM delegations WHERE agent_email = :agent AND revoked_at IS NULL "
        "ORDER BY created_at DESC, id DESC",
        agent=agent_email,
    )


def active(agent_email: str, human: str, at: int) -> Statement:
    return sql(
        f"SELECT {_COLUMNS} FROM delegations WHERE agent_email = :agent AND human = :human "
        "AND revoked_at IS NULL AND valid_from <= :at AND (valid_until IS NULL OR valid_until > :at) "
        "ORDER BY created_at DESC, id DESC LIMIT 1",
        by_key=True,
        agent=agent_email,
        human=human,
        at=at,
    )


def insert_delegation(row: DelegationRow) -> Statement:
    return sql(
        f"INSERT INTO delegations ({_COLUMNS}) "
        "VALUES (:id, :account, :agent, :human, :valid_from, :valid_until, :created_at)",
        id=row.id,
        account=row.account_id,
        agent=row.agent_email,
        human=row.human,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        created_at=row.created_at,
    )


def revoke(agent_email: str, delegation_id: str, now: int) -> Statement:
    return sql(
        "UPDATE delegations SET revoked_at = :now "
        "WHERE id = :id AND agent_email = :agent AND revoked_at IS NULL",
        id=delegation_id,
        agent=agent_email,
        now=now,
    )
