"""SQL of the account export."""

from __future__ import annotations

from e2a_core.contract.states import Direction, Review
from e2a_core.roles import NOT_A_ROLE, beside_notices
from e2a_core.store.statement import Statement, sql

__all__ = [
    "agent_counts",
    "agent_suppressions",
    "agents",
    "api_keys",
    "audit_log",
    "contacts",
    "delegations",
    "domains",
    "engagements",
    "event_subscriptions",
    "identities",
    "messages_after",
    "passkeys",
    "people",
    "protection_events",
    "sessions",
    "suppressions",
    "templates",
    "webhooks",
]


def domains(account_id: str) -> Statement:
    """The account's domains, with the public key of each newest DKIM key in use."""
    return sql(
        "SELECT d.domain, d.verification_token, d.created_at, d.verified_at, d.last_checked_at, "
        "(SELECT COUNT(*) FROM agents a "
        f"WHERE a.registered_domain = d.domain AND a.deleted_at IS NULL AND {NOT_A_ROLE}) AS agents, "
        "(SELECT k.selector FROM dkim_keys k WHERE k.domain = d.domain AND k.retired_at IS NULL "
        "ORDER BY k.created_at DESC, k.selector LIMIT 1) AS selector, "
        "(SELECT k.public_key FROM dkim_keys k WHERE k.domain = d.domain AND k.retired_at IS NULL "
        "ORDER BY k.created_at DESC, k.selector LIMIT 1) AS public_key "
        "FROM domains d WHERE d.account_id = :account ORDER BY d.created_at, d.domain",
        account=account_id,
    )


def agents(account_id: str) -> Statement:
    return sql(
        "SELECT a.email, a.account_id, a.domain, a.registered_domain, a.name, a.protection, a.created_at, "
        "a.deleted_at, d.verified_at IS NOT NULL AS domain_verified FROM agents a "
        "JOIN domains d ON d.domain = a.registered_domain WHERE a.account_id = :account "
        f"AND {beside_notices('a.email')} ORDER BY a.created_at, a.email",
        account=account_id,
    )


def agent_counts(account_id: str, since: int) -> Statement:
    """For each agent: inbound and outbound messages since `since`, pending holds, and the last arrival."""
    return sql(
        "SELECT agent_email, "
        f"COUNT(CASE WHEN direction = '{Direction.INBOUND}' AND created_at >= :since THEN 1 END) AS inbound, "
        f"COUNT(CASE WHEN direction = '{Direction.OUTBOUND}' AND created_at >= :since THEN 1 END) AS outbound, "
        f"COUNT(CASE WHEN status = '{Review.PENDING}' THEN 1 END) AS pending, "
        f"MAX(CASE WHEN direction = '{Direction.INBOUND}' THEN created_at END) AS last_arrival "
        "FROM messages WHERE account_id = :account GROUP BY agent_email",
        account=account_id,
        since=since,
    )


def api_keys(account_id: str) -> Statement:
    """The account's keys, including revoked ones, without their hashes."""
    return sql(
        "SELECT id, name, key_prefix, created_at, last_used_at, revoked_at FROM api_keys "
        "WHERE account_id = :account ORDER BY created_at, id",
        account=account_id,
    )


def messages_after(account_id: str, seq: int, count: int) -> Statement:
    """Messages of the account in the order they were stored, with their content."""
    return sql(
        "SELECT m.*, r.data AS content FROM messages m LEFT JOIN raw_messages r ON r.content_hash = m.content_hash "
        f"WHERE m.account_id = :account AND m.seq > :seq AND {beside_notices('m.agent_email')} "
        "ORDER BY m.seq LIMIT :count",
        account=account_id,
        seq=seq,
        count=count,
    )


def suppressions(account_id: str) -> Statement:
    return sql(
        "SELECT address, source, reason, created_at FROM suppressions WHERE account_id = :account "
        "ORDER BY created_at, address",
        account=account_id,
    )


def agent_suppressions(account_id: str) -> Statement:
    return sql(
        "SELECT agent_email, address, source, reason, created_at FROM agent_suppressions "
        "WHERE account_id = :account ORDER BY created_at, agent_email, address",
        account=account_id,
    )


def protection_events(account_id: str) -> Statement:
    return sql(
        "SELECT p.* FROM protection_events p JOIN agents a ON a.email = p.agent_email "
        "WHERE a.account_id = :account ORDER BY p.created_at, p.id",
        account=account_id,
    )


def contacts(account_id: str) -> Statement:
    return sql(
        "SELECT * FROM contacts WHERE account_id = :account ORDER BY created_at, address", account=account_id
    )


def engagements(account_id: str) -> Statement:
    return sql(
        "SELECT agent_email, address, stage, metadata, next_action_at, created_at, updated_at FROM engagements "
        "WHERE account_id = :account ORDER BY created_at, agent_email, address",
        account=account_id,
    )


def templates(account_id: str) -> Statement:
    return sql(
        "SELECT id, name, alias, subject, text, html, created_at, updated_at FROM templates "
        "WHERE account_id = :account ORDER BY created_at, id",
        account=account_id,
    )


def delegations(account_id: str) -> Statement:
    return sql(
        "SELECT id, agent_email, human, valid_from, valid_until, revoked_at, created_at FROM delegations "
        "WHERE account_id = :account ORDER BY created_at, id",
        account=account_id,
    )


def webhooks(account_id: str) -> Statement:
    """The account's webhooks, without their secrets."""
    return sql(
        "SELECT id, url, description, events, filters, ordered, enabled, disabled_at, auto_disabled_at, "
        "auto_disabled_reason, last_delivered_at, created_at FROM webhooks "
        "WHERE account_id = :account ORDER BY created_at, id",
        account=account_id,
    )


def event_subscriptions(account_id: str) -> Statement:
    """The subscriptions of the account's MCP clients, without their secrets."""
    return sql(
        "SELECT id, key_id, scope, url, filters, active, expires_at, last_delivery_at, last_error, failed_since, "
        "created_at FROM event_subscriptions WHERE account_id = :account ORDER BY created_at, id",
        account=account_id,
    )


def people(account_id: str) -> Statement:
    """Who may sign in besides the account itself."""
    return sql(
        "SELECT id, email, name, role, created_at FROM people "
        "WHERE account_id = :account AND email IS NOT NULL ORDER BY created_at, id",
        account=account_id,
    )


def sessions(account_id: str) -> Statement:
    """The sessions of the account's people, without their secrets."""
    return sql(
        "SELECT id, person_id, key_id, user_agent, created_at, last_seen_at, expires_at, revoked_at FROM sessions "
        "WHERE account_id = :account ORDER BY created_at, id",
        account=account_id,
    )


def passkeys(account_id: str) -> Statement:
    """The passkeys of the account's people, without their keys."""
    return sql(
        "SELECT k.id, k.person_id, k.name, k.created_at, k.last_used_at FROM passkeys k "
        "JOIN people p ON p.id = k.person_id WHERE p.account_id = :account ORDER BY k.created_at, k.id",
        account=account_id,
    )


def identities(account_id: str) -> Statement:
    """Whom the account's people are at an issuer."""
    return sql(
        "SELECT i.id, i.person_id, i.issuer, i.subject, i.label, i.created_at, i.last_used_at FROM identities i "
        "JOIN people p ON p.id = i.person_id WHERE p.account_id = :account ORDER BY i.created_at, i.id",
        account=account_id,
    )


def audit_log(account_id: str) -> Statement:
    return sql(
        "SELECT number, at, actor, actor_kind, person, door, operation, subjects, outcome, code, hash "
        "FROM audit_log WHERE account_id = :account ORDER BY number",
        account=account_id,
    )
