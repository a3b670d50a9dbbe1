"""SQL over accounts and API keys."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.paging import Position, newest_first
from e2a_core.roles import NOT_A_ROLE
from e2a_core.store.statement import Row, Statement, sql

__all__ = [
    "AccountRow",
    "KeyRow",
    "account_by_email",
    "account_by_id",
    "account_from",
    "insert_account",
    "insert_key",
    "key_from",
    "keys",
    "live_agent",
    "principal_by_key_hash",
    "record_use",
    "revoke_key",
    "revoked",
    "set_paused",
    "usage",
]


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account; `created_at` in microseconds."""

    id: str
    email: str
    name: str
    plan_code: str
    created_at: int
    paused_at: int | None = None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One API key without its secret; instants in microseconds."""

    id: str
    account_id: str
    agent_email: str | None
    name: str
    scope: str
    key_prefix: str
    created_at: int
    last_used_at: int | None
    expires_at: int | None


def account_from(row: Row) -> AccountRow:
    return AccountRow(
        row["id"], row["email"], row["name"], row["plan_code"], row["created_at"], row["paused_at"]
    )


def key_from(row: Row) -> KeyRow:
    return KeyRow(
        id=row["id"],
        account_id=row["account_id"],
        agent_email=row["agent_email"],
        name=row["name"],
        scope=row["scope"],
        key_prefix=row["key_prefix"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
    )


def account_by_email(email: str) -> Statement:
    return sql(
        "SELECT id, email, name, plan_code, created_at, paused_at FROM accounts WHERE email = :email",
        by_key=True,
        email=email,
    )


def account_by_id(account_id: str) -> Statement:
    return sql(
        "SELECT id, email, name, plan_code, created_at, paused_at FROM accounts WHERE id = :id",
        by_key=True,
        id=account_id,
    )


def insert_account(account_id: str, email: str, now: int) -> Statement:
    """Affects no row if the address has an account."""
    return sql(
        "INSERT INTO accounts (id, email, created_at) VALUES (:id, :email, :now) ON CONFLICT (email) DO NOTHING",
        id=account_id,
        email=email,
        now=now,
    )


def set_paused(account_id: str, since: int | None) -> Statement:
    """Stops the sending of all agents of the account, keeping an earlier instant, or with None allows it again."""
    return sql(
        f"UPDATE accounts SET paused_at = {'COALESCE(paused_at, :since)' if since else ':since'} "
        "WHERE id = :account",
        by_key=True,
        expect=1,
        account=account_id,
        since=since,
    )


def usage(account_id: str, month_start: int) -> Statement:
    """One row with the counts of live agents, domains and messages since `month_start`, and the octets stored."""
    return sql(
        "SELECT (SELECT COUNT(*) FROM agents a "
        f"WHERE a.account_id = :account AND a.deleted_at IS NULL AND {NOT_A_ROLE}) AS agents, "
        "(SELECT COUNT(*) FROM domains WHERE account_id = :account) AS domains, "
        "COUNT(CASE WHEN created_at >= :month_start THEN 1 END) AS messages_month, "
        "COALESCE(SUM(size_bytes), 0) AS storage_bytes FROM messages WHERE account_id = :account",
        account=account_id,
        month_start=month_start,
    )


def mail_usage(
    account_id: str, month_start: int, since: int, before: int, *, recent: bool = False
) -> Statement:
    """One row about the messages from `since` until `before`: the count of those since `month_start`, all octets.

    Pass `recent` if `since` is shortly before now, so that few rows match.
    """
    return sql(
        "SELECT COUNT(CASE WHEN created_at >= :month_start THEN 1 END) AS messages, "
        "COALESCE(SUM(size_bytes), 0) AS octets FROM messages "
        "WHERE account_id = :account AND created_at >= :since AND created_at < :before",
        by_key=recent,
        account=account_id,
        month_start=month_start,
        since=since,
        before=before,
    )


def live_agent(account_id: str, email: str) -> Statement:
    return sql(
        "SELECT email, paused_at FROM agents WHERE email = :email AND account_id = :account AND deleted_at IS NULL",
        by_key=True,
        email=email,
        account=account_id,
    )


def principal_by_key_hash(key_hash: str) -> Statement:
    """The account, scope and agent of a key that is not revoked.

    The time is not part of the statement, since the store remembers answers by statement until something is written.
    """
    return sql(
        "SELECT k.id, k.account_id, k.scope, k.agent_email, k.last_used_at, k.expires_at, a.email AS account_email "
        "FROM api_keys k JOIN accounts a ON a.id = k.account_id "
        "WHERE k.key_hash = :key_hash AND k.revoked_at IS NULL",
        by_key=True,
        key_hash=key_hash,
    )


def record_use(key_id: str, now: int, unless_since: int) -> Statement:
    return sql(
        "UPDATE api_keys SET last_used_at = :now "
        "WHERE id = :id AND (last_used_at IS NULL OR last_used_at <= :unless_since)",
        by_key=True,
        id=key_id,
        now=now,
        unless_since=unless_since,
    )


def revoked(key_id: str) -> Statement:
    """Reads the key if it was revoked."""
    return sql("SELECT id FROM api_keys WHERE id = :id AND revoked_at IS NOT NULL", by_key=True, id=key_id)


def keys(account_id: str, after: Position | None, count: int) -> Statement:
    """The keys that are not revoked, newest first."""
    text = (
        "SELECT id, account_id, agent_email, name, scope, key_prefix, created_at, last_used_at, expires_at "
        "FROM api_keys WHERE account_id = :account AND revoked_at IS NULL"
    )
    return newest_first(text, {"account": account_id}, after, count)


def insert_key(key: KeyRow, key_hash: str) -> Statement:
    return sql(
        "INSERT INTO api_keys "
        "(id, account_id, agent_email, name, scope, key_hash, key_prefix, created_at, expires_at) VALUES "
        "(:id, :account, :agent, :name, :scope, :key_hash, :key_prefix, :created_at, :expires_at)",
        by_key=True,
        id=key.id,
        account=key.account_id,
        agent=key.agent_email,
        name=key.name,
        scope=key.scope,
        key_hash=key_hash,
        key_prefix=key.key_prefix,
        created_at=key.created_at,
        expires_at=key.expires_at,
    )


def revoke_key(account_id: str, key_id: str, now: int) -> Statement:
    return sql(
        "UPDATE api_keys SET revoked_at = :now WHERE id = :id AND account_id = :account AND revoked_at IS NULL",
        by_key=True,
        id=key_id,
        account=account_id,
        now=now,
    )
