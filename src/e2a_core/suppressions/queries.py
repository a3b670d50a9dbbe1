"""SQL over suppressions and unsubscribe tokens."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.paging import Position, newest_first
from e2a_core.store.statement import Statement, in_list, sql

__all__ = [
    "blocked",
    "delete",
    "delete_of_agent",
    "insert",
    "insert_of_agent",
    "insert_token",
    "of_account",
    "of_agent",
    "one_of_agent",
    "token_target",
]


def of_account(account_id: str, after: Position | None, count: int) -> Statement:
    """The account's list, newest first."""
    text = "SELECT address, source, reason, source_message_id, created_at FROM suppressions WHERE account_id = :account"
    return newest_first(text, {"account": account_id}, after, count, key="address")


def of_agent(account_id: str, agent_email: str, after: Position | None, count: int) -> Statement:
    """The list of one agent, newest first."""
    text = (
        "SELECT agent_email, address, source, reason, created_at FROM agent_suppressions "
        "WHERE account_id = :account AND agent_email = :agent"
    )
    return newest_first(text, {"account": account_id, "agent": agent_email}, after, count, key="address")


def one_of_agent(account_id: str, agent_email: str, address: str) -> Statement:
    return sql(
        "SELECT agent_email, address, source, reason, created_at FROM agent_suppressions "
        "WHERE account_id = :account AND agent_email = :agent AND address = :address",
        by_key=True,
        account=account_id,
        agent=agent_email,
        address=address,
    )


def blocked(account_id: str, agent_email: str, addresses: Sequence[str]) -> Statement:
    """The entries of both lists for `addresses`; those of the account first."""
    names, params = in_list("address", addresses)
    return Statement(
        "SELECT address, source, reason, 'account' AS scope FROM suppressions "
        f"WHERE account_id = :account AND address IN ({names}) UNION ALL "
        "SELECT address, source, reason, 'agent' AS scope FROM agent_suppressions "
        f"WHERE account_id = :account AND agent_email = :agent AND address IN ({names}) ORDER BY scope, address",
        {"account": account_id, "agent": agent_email, **params},
        by_key=True,
    )


def insert(
    account_id: str, address: str, source: str, reason: str | None, message_id: str | None, now: int
) -> Statement:
    """Affects no row if the address is on the account's list."""
    return sql(
        "INSERT INTO suppressions (account_id, address, source, reason, source_message_id, created_at) "
        "VALUES (:account, :address, :source, :reason, :message, :now) "
        "ON CONFLICT (account_id, address) DO NOTHING",
        by_key=True,
        account=account_id,
        address=address,
        source=source,
        reason=reason,
        message=message_id,
        now=now,
    )


def insert_of_agent(
    account_id: str, agent_email: str, address: str, source: str, reason: str | None, now: int
) -> Statement:
    """Affects no row if the address is on the agent's list."""
    return sql(
        "INSERT INTO agent_suppressions (account_id, agent_email, address, source, reason, created_at) "
        "VALUES (:account, :agent, :address, :source, :reason, :now) "
        "ON CONFLICT (account_id, agent_email, address) DO NOTHING",
        by_key=True,
        account=account_id,
        agent=agent_email,
        address=address,
        source=source,
        reason=reason,
        now=now,
    )


def delete(account_id: str, address: str) -> Statement:
    return sql(
        "DELETE FROM suppressions WHERE account_id = :account AND address = :address",
        by_key=True,
        account=account_id,
        address=address,
    )


def delete_of_agent(account_id: str, agent_email: str, address: str) -> Statement:
    return sql(
        "DELETE FROM agent_suppressions "
        "WHERE account_id = :account AND agent_email = :agent AND address = :address",
        by_key=True,
        account=account_id,
        agent=agent_email,
        address=address,
    )


def insert_token(digest: str, account_id: str, agent_email: str, address: str, now: int) -> Statement:
    """Stores the target of a token by the token's digest; the token itself is only in the recipient's mail."""
    return sql(
        "INSERT INTO unsubscribe_tokens (token_hash, account_id, agent_email, address, created_at) "
        "VALUES (:digest, :account, :agent, :address, :now) ON CONFLICT (token_hash) DO NOTHING",
        by_key=True,
        digest=digest,
        account=account_id,
        agent=agent_email,
        address=address,
        now=now,
    )


def token_target(digest: str) -> Statement:
    return sql(
        "SELECT account_id, agent_email, address FROM unsubscribe_tokens WHERE token_hash = :digest",
        by_key=True,
        digest=digest,
    )
