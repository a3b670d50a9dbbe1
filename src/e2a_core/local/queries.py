"""SQL of what the first start makes, of the marks that say it was made, and of what waits to be done."""

from __future__ import annotations

from e2a_core.roles import NOT_A_ROLE
from e2a_core.store.statement import Statement, sql

__all__ = [
    "OWNER_ACCOUNT",
    "OWNER_EMAIL",
    "SHARED_DOMAIN",
    "count_deliveries",
    "count_holds",
    "count_jobs",
    "count_subscriptions",
    "insert_inbox",
    "mark_owner",
    "mark_shared_domain",
    "marks",
    "move_account",
    "named_inbox",
    "owner_inbox",
    "upsert_account",
]

OWNER_ACCOUNT = "owner_account"
SHARED_DOMAIN = "shared_domain"
OWNER_EMAIL = "owner_email"


def marks() -> Statement:
    """What the first start made, and the owner's present address."""
    return sql(
        f"SELECT key, value FROM meta WHERE key IN ('{OWNER_ACCOUNT}', '{SHARED_DOMAIN}') UNION ALL "
        f"SELECT '{OWNER_EMAIL}', c.email FROM accounts c JOIN meta m ON m.key = '{OWNER_ACCOUNT}' AND c.id = m.value"
    )


def move_account(account_id: str, email: str) -> Statement:
    return sql("UPDATE accounts SET email = :email WHERE id = :id", by_key=True, id=account_id, email=email)


def mark_shared_domain(domain: str) -> Statement:
    return sql(
        "INSERT INTO meta (key, value) VALUES (:key, :domain) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        key=SHARED_DOMAIN,
        domain=domain,
    )


def mark_owner(account_id: str) -> Statement:
    """Affects no row when the deployment has an owner."""
    return sql(
        "INSERT INTO meta (key, value) VALUES (:key, :account) ON CONFLICT (key) DO NOTHING",
        key=OWNER_ACCOUNT,
        account=account_id,
    )


def owner_inbox(shared_domain: str) -> Statement:
    """The deployment's owner with their oldest live inbox, one under the shared domain first; null if there is none."""
    return sql(
        "SELECT c.id AS account_id, c.email AS account_email, a.email AS inbox FROM meta m "
        "JOIN accounts c ON c.id = m.value "
        f"LEFT JOIN agents a ON a.account_id = c.id AND a.deleted_at IS NULL AND {NOT_A_ROLE} "
        "WHERE m.key = :key "
        "ORDER BY CASE WHEN a.domain = :shared THEN 0 ELSE 1 END, a.created_at, a.email LIMIT 1",
        key=OWNER_ACCOUNT,
        shared=shared_domain,
    )


def named_inbox(email: str) -> Statement:
    """A live inbox with its account, whosever it is."""
    return sql(
        "SELECT c.id AS account_id, c.email AS account_email, a.email AS inbox "
        "FROM agents a JOIN accounts c ON c.id = a.account_id WHERE a.email = :email AND a.deleted_at IS NULL",
        email=email,
    )


def upsert_account(account_id: str, email: str, now: int) -> Statement:
    """Returns the id of the address's account, new or not."""
    return sql(
        "INSERT INTO accounts (id, email, created_at) VALUES (:id, :email, :now) "
        "ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id",
        id=account_id,
        email=email,
        now=now,
    )


def insert_inbox(email: str, account_id: str, domain: str, now: int) -> Statement:
    """Affects no row when somebody has the address."""
    return sql(
        "INSERT INTO agents (email, account_id, domain, registered_domain, created_at) "
        "VALUES (:email, :account, :domain, :domain, :now) ON CONFLICT (email) DO NOTHING",
        email=email,
        account=account_id,
        domain=domain,
        now=now,
    )


def record_mcp(account_id: str, now: int, unless_since: int) -> Statement:
    return sql(
        "UPDATE accounts SET mcp_seen_at = :now "
        "WHERE id = :account AND (mcp_seen_at IS NULL OR mcp_seen_at <= :unless_since)",
        by_key=True,
        account=account_id,
        now=now,
        unless_since=unless_since,
    )


def count_jobs(kind: str, now: int, limit: int) -> Statement:
    """Jobs of a kind, and those of them that are due and that nobody works on; the due ones are counted first."""
    return sql(
        "SELECT COUNT(*) AS queued, COUNT(CASE WHEN due_at <= :now THEN 1 END) AS due "
        "FROM (SELECT due_at FROM jobs WHERE kind = :kind ORDER BY due_at LIMIT :limit) AS earliest",
        kind=kind,
        now=now,
        limit=limit,
    )


def count_holds(limit: int) -> Statement:
    return sql(
        "SELECT COUNT(*) AS pending "
        "FROM (SELECT id FROM messages WHERE status = 'pending_review' LIMIT :limit) AS held",
        limit=limit,
    )


def count_deliveries(limit: int) -> Statement:
    return sql(
        "SELECT COUNT(*) AS pending "
        "FROM (SELECT id FROM webhook_deliveries WHERE status = 'pending' LIMIT :limit) AS waiting",
        limit=limit,
    )


def count_subscriptions(now: int, limit: int) -> Statement:
    return sql(
        "SELECT COUNT(*) AS active FROM (SELECT id FROM event_subscriptions "
        "WHERE active = 1 AND expires_at > :now LIMIT :limit) AS live",
        now=now,
        limit=limit,
    )
