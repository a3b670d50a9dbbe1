"""SQL over agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.contract.states import Review
from e2a_core.paging import Position, newest_first
from e2a_core.roles import NOT_A_ROLE, SYSTEM_ACCOUNT, beside_notices
from e2a_core.store.statement import Row, Statement, in_list, sql

__all__ = [
    "AgentRow",
    "agent",
    "agent_from",
    "agents",
    "agents_named",
    "count_live",
    "default_inbox",
    "ensure_agent",
    "ensure_system_account",
    "ensure_system_domain",
    "insert_agent",
    "rename",
    "restore",
    "served_domain",
    "set_paused",
    "shift_holds",
    "take_turns",
    "trash",
]

_SELECT = (
    "SELECT a.email, a.account_id, a.domain, a.registered_domain, a.name, a.protection, a.created_at, a.deleted_at, "
    "d.verified_at IS NOT NULL AS domain_verified, a.paused_at, c.paused_at AS account_paused_at FROM agents a "
    "JOIN domains d ON d.domain = a.registered_domain JOIN accounts c ON c.id = a.account_id"
)


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent. Instants are in microseconds; `protection` is JSON, `{}` for the defaults.

    `domain` is the domain of the address, `registered_domain` the verified domain that authorises it.
    """

    email: str
    account_id: str
    domain: str
    registered_domain: str
    name: str
    protection: str
    created_at: int
    deleted_at: int | None
    domain_verified: bool
    paused_at: int | None = None
    account_paused_at: int | None = None

    @property
    def paused(self) -> bool:
        """True if the agent sends nothing, because it or its account is paused."""
        return self.sending_paused_at is not None

    @property
    def sending_paused_at(self) -> int | None:
        """Since when the agent sends nothing; the pause of the account goes before its own."""
        return self.paused_at if self.account_paused_at is None else self.account_paused_at

    @property
    def trashed(self) -> bool:
        return self.deleted_at is not None


def agent_from(row: Row) -> AgentRow:
    return AgentRow(
        email=row["email"],
        account_id=row["account_id"],
        domain=row["domain"],
        registered_domain=row["registered_domain"],
        name=row["name"],
        protection=row["protection"],
        created_at=row["created_at"],
        deleted_at=row["deleted_at"],
        domain_verified=bool(row["domain_verified"]),
        paused_at=row.get("paused_at"),
        account_paused_at=row.get("account_paused_at"),
    )


def agent(email: str) -> Statement:
    return sql(f"{_SELECT} WHERE a.email = :email", by_key=True, email=email)


def agents_named(emails: Sequence[str]) -> Statement:
    """The agents with one of these addresses, including trashed ones."""
    placeholders, params = in_list("email", emails)
    return Statement(f"{_SELECT} WHERE a.email IN ({placeholders})", params, by_key=True)


def agents(account_id: str, *, trashed: bool, after: Position | None, count: int) -> Statement:
    """The account's live or trashed agents, newest first."""
    state = "IS NOT NULL" if trashed else "IS NULL"
    text = f"{_SELECT} WHERE a.account_id = :account AND a.deleted_at {state} AND {beside_notices('a.email')}"
    return newest_first(text, {"account": account_id}, after, count, at="a.created_at", key="a.email")


def default_inbox(account_id: str) -> Statement:
    """The account's oldest live agent."""
    return sql(
        f"{_SELECT} WHERE a.account_id = :account AND a.deleted_at IS NULL AND {NOT_A_ROLE} "
        "ORDER BY a.created_at, a.email LIMIT 1",
        account=account_id,
    )


def served_domain(names: Sequence[str], domain: str) -> Statement:
    """The verified domain through which this deployment accepts mail for `domain`, and the account that owns it.

    It is `domain` itself, or one of its ancestors in `names` whose owner has an agent at `domain`. A domain without an
    owner belongs to the deployment's owner, or to the first account if no owner is recorded.
    """
    places, params = in_list("name", names)
    return Statement(
        "SELECT o.domain, c.id AS account_id FROM domains o JOIN accounts c ON c.id = COALESCE(o.account_id, "
        "(SELECT value FROM meta WHERE key = 'owner_account'), "
        "(SELECT id FROM accounts WHERE id <> :system ORDER BY created_at, id LIMIT 1)) "
        f"WHERE o.verified_at IS NOT NULL AND o.domain IN ({places}) AND (o.domain = :domain OR EXISTS ("
        "SELECT 1 FROM agents a WHERE a.account_id = o.account_id AND a.domain = :domain)) "
        "ORDER BY LENGTH(o.domain) DESC LIMIT 1",
        {"system": SYSTEM_ACCOUNT, "domain": domain, **params},
    )


def count_live(account_id: str) -> Statement:
    return sql(
        "SELECT COUNT(*) AS agents FROM agents a "
        f"WHERE a.account_id = :account AND a.deleted_at IS NULL AND {NOT_A_ROLE}",
        account=account_id,
    )


def insert_agent(row: AgentRow) -> Statement:
    return _insert_agent(row, "")


def ensure_agent(row: AgentRow) -> Statement:
    """Affects no row if the address is taken."""
    return _insert_agent(row, " ON CONFLICT (email) DO NOTHING")


def ensure_system_account(account_id: str, name: str, now: int) -> Statement:
    """Inserts an account whose name is not a valid address, so that no key can be issued for it."""
    return sql(
        "INSERT INTO accounts (id, email, created_at) VALUES (:id, :name, :now) ON CONFLICT DO NOTHING",
        id=account_id,
        name=name,
        now=now,
    )


def ensure_system_domain(domain: str, account_id: str, now: int) -> Statement:
    return sql(
        "INSERT INTO domains (domain, account_id, created_at, verified_at) "
        "VALUES (:domain, :account, :now, :now) ON CONFLICT (domain) DO NOTHING",
        domain=domain,
        account=account_id,
        now=now,
    )


def _insert_agent(row: AgentRow, otherwise: str) -> Statement:
    return sql(
        "INSERT INTO agents (email, account_id, domain, registered_domain, name, created_at) "
        f"VALUES (:email, :account, :domain, :registered_domain, :name, :created_at){otherwise}",
        email=row.email,
        account=row.account_id,
        domain=row.domain,
        registered_domain=row.registered_domain,
        name=row.name,
        created_at=row.created_at,
    )


def rename(email: str, name: str) -> Statement:
    return sql(
        "UPDATE agents SET name = :name WHERE email = :email AND deleted_at IS NULL",
        by_key=True,
        expect=1,
        email=email,
        name=name,
    )


def set_paused(email: str, since: int | None) -> Statement:
    """Stops the sending of a live agent, keeping an earlier instant, or with None allows it again."""
    return sql(
        f"UPDATE agents SET paused_at = {'COALESCE(paused_at, :since)' if since else ':since'} "
        "WHERE email = :email AND deleted_at IS NULL",
        by_key=True,
        expect=1,
        email=email,
        since=since,
    )


def trash(email: str, now: int) -> Statement:
    return sql(
        "UPDATE agents SET deleted_at = :now WHERE email = :email AND deleted_at IS NULL",
        by_key=True,
        expect=1,
        email=email,
        now=now,
    )


def restore(email: str, deleted_at: int) -> Statement:
    return sql(
        "UPDATE agents SET deleted_at = NULL WHERE email = :email AND deleted_at = :deleted_at",
        by_key=True,
        expect=1,
        email=email,
        deleted_at=deleted_at,
    )


def shift_holds(email: str, by: int) -> Statement:
    """Moves the deadlines of pending holds `by` microseconds later."""
    return sql(
        "UPDATE messages SET approval_expires_at = approval_expires_at + :by "
        f"WHERE agent_email = :email AND status = '{Review.PENDING}' AND approval_expires_at IS NOT NULL",
        email=email,
        by=by,
    )


def take_turns(email: str) -> Statement:
    """Locks the agent, so that writes that begin with this are serialised, as all writes are on SQLite."""
    return Statement(
        "SELECT email FROM agents WHERE email = :email",
        {"email": email},
        "SELECT email FROM agents WHERE email = :email FOR NO KEY UPDATE",
        by_key=True,
    )
