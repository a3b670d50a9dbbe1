"""SQL over domains and their DKIM keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.paging import Position, newest_first
from e2a_core.roles import NOT_A_ROLE
from e2a_core.store.statement import Row, Statement, in_list, sql

__all__ = [
    "DkimKeyRow",
    "DomainRow",
    "adopt_agents",
    "authorising_domains",
    "claim_lock",
    "count_domains",
    "delete_domain",
    "deployment_domains",
    "dkim_key_from",
    "dkim_keys_of",
    "domain_from",
    "domain_of",
    "domains",
    "insert_dkim_key",
    "insert_domain",
    "insert_second_dkim_key",
    "insert_shared_domain",
    "mark_published",
    "mark_unpublished",
    "record_check",
    "related_domains",
    "retire_dkim_key",
    "signing_domain",
]

_CLAIM_LOCK = 0x0E2A0002
"""The key of the advisory lock: an arbitrary number, the same in every replica and different from the migrations'."""

_COLUMNS = (
    "d.domain, d.account_id, d.verification_token, d.created_at, d.verified_at, d.last_checked_at, "
    "d.sending_failure"
)
_KEY_COLUMNS = (
    "k.selector, k.algorithm, k.private_key, k.public_key, k.created_at, k.retired_at, k.published_at"
)


@dataclass(frozen=True, slots=True)
class DomainRow:
    """One domain; `account_id` is None for the shared domain. Instants are in microseconds.

    `verified_at` is None until ownership is verified. `sending_failure` is why mail cannot be verified, see
    `sending.failure`. `agents` is the number of live agents, if it was queried.
    """

    domain: str
    account_id: str | None
    verification_token: str
    created_at: int
    verified_at: int | None
    last_checked_at: int | None
    agents: int = 0
    sending_failure: str | None = None


@dataclass(frozen=True, slots=True)
class DkimKeyRow:
    """A domain's signing key. `private_key` is encrypted, and empty once the key is retired.

    `published_at` is since when its record is known to be in the DNS, or None.
    """

    domain: str
    selector: str
    algorithm: str
    private_key: bytes
    public_key: str
    created_at: int
    retired_at: int | None = None
    published_at: int | None = None


def domain_from(row: Row) -> DomainRow:
    return DomainRow(
        domain=row["domain"],
        account_id=row["account_id"],
        verification_token=row["verification_token"],
        created_at=row["created_at"],
        verified_at=row["verified_at"],
        last_checked_at=row["last_checked_at"],
        agents=row.get("agents", 0),
        sending_failure=row["sending_failure"],
    )


def dkim_key_from(row: Row) -> DkimKeyRow:
    return DkimKeyRow(
        domain=row["domain"],
        selector=row["selector"],
        algorithm=row["algorithm"],
        private_key=bytes(row["private_key"]),
        public_key=row["public_key"],
        created_at=row["created_at"],
        retired_at=row["retired_at"],
        published_at=row["published_at"],
    )


def domain_of(account_id: str, domain: str) -> Statement:
    return sql(
        f"SELECT {_COLUMNS} FROM domains d WHERE d.account_id = :account AND d.domain = :domain",
        account=account_id,
        domain=domain,
    )


def domains(account_id: str, after: Position | None, count: int) -> Statement:
    """The account's domains, newest first, with the number of their live agents."""
    text = (
        f"SELECT {_COLUMNS}, (SELECT COUNT(*) FROM agents a "
        f"WHERE a.registered_domain = d.domain AND a.deleted_at IS NULL AND {NOT_A_ROLE}) AS agents "
        "FROM domains d WHERE d.account_id = :account"
    )
    return newest_first(text, {"account": account_id}, after, count, at="d.created_at", key="d.domain")


def deployment_domains(count: int) -> Statement:
    """The domains of all accounts, the shared domain first."""
    return sql(
        f"SELECT {_COLUMNS} FROM domains d "
        "ORDER BY CASE WHEN d.account_id IS NULL THEN 0 ELSE 1 END, d.domain LIMIT :count",
        count=count,
    )


def count_domains(account_id: str) -> Statement:
    return sql("SELECT COUNT(*) AS domains FROM domains WHERE account_id = :account", account=account_id)


def related_domains(domain: str, above: Sequence[str]) -> Statement:
    """The domain itself, those in `above` and all its subdomains, of any account."""
    places, params = in_list("above", above)
    return Statement(
        f"SELECT {_COLUMNS} FROM domains d "
        f"WHERE d.domain = :domain OR d.domain IN ({places}) OR d.domain LIKE :below",
        {"domain": domain, "below": f"%.{domain}", **params},
    )


def claim_lock() -> Statement:
    """Locks the claiming of domains until the transaction ends; on SQLite the transaction itself suffices."""
    return Statement("SELECT 1", {}, f"SELECT pg_advisory_xact_lock({_CLAIM_LOCK})")


def insert_domain(row: DomainRow) -> Statement:
    return sql(
        "INSERT INTO domains (domain, account_id, verification_token, created_at) "
        "VALUES (:domain, :account, :token, :created_at)",
        domain=row.domain,
        account=row.account_id,
        token=row.verification_token,
        created_at=row.created_at,
    )


def insert_shared_domain(domain: str, now: int) -> Statement:
    """Affects no row if the domain exists."""
    return sql(
        "INSERT INTO domains (domain, account_id, created_at, verified_at) VALUES (:domain, NULL, :now, :now) "
        "ON CONFLICT (domain) DO NOTHING",
        domain=domain,
        now=now,
    )


def record_check(
    account_id: str, domain: str, now: int, *, verified: bool, sending_failure: str | None
) -> Statement:
    """Stores a check. `verified_at` keeps the first success; a later failure does not clear it."""
    return sql(
        "UPDATE domains SET last_checked_at = :now, verified_at = COALESCE(verified_at, :verified), "
        "sending_failure = :failure "
        "WHERE account_id = :account AND domain = :domain",
        expect=1,
        account=account_id,
        domain=domain,
        now=now,
        verified=now if verified else None,
        failure=sending_failure,
    )


def adopt_agents(account_id: str, domain: str) -> Statement:
    """Binds to `domain` the account's agents at or below it that a parent domain has authorised so far."""
    return sql(
        "UPDATE agents SET registered_domain = :domain WHERE account_id = :account "
        "AND (domain = :domain OR domain LIKE :below) AND LENGTH(registered_domain) < LENGTH(:domain)",
        account=account_id,
        domain=domain,
        below=f"%.{domain}",
    )


def delete_domain(account_id: str | None, domain: str) -> Statement:
    """Fails with `ForeignKeyViolation` while agents, live or trashed, are bound to the domain."""
    return sql(
        "DELETE FROM domains WHERE account_id = :account AND domain = :domain",
        account=account_id,
        domain=domain,
    )


def authorising_domains(account_id: str, names: Sequence[str]) -> Statement:
    """Those of `names` that the account has registered, most specific first."""
    places, params = in_list("name", names)
    return Statement(
        f"SELECT {_COLUMNS} FROM domains d "
        f"WHERE d.account_id = :account AND d.domain IN ({places}) ORDER BY LENGTH(d.domain) DESC",
        {"account": account_id, **params},
    )


def signing_domain(domain: str) -> Statement:
    """The domain, if it is verified, with its current DKIM key; the key's columns are null if it has none.

    Of two keys in use the older one signs, because the newer is not known to be published yet.
    """
    return sql(
        f"SELECT d.domain, {_KEY_COLUMNS} FROM domains d "
        "LEFT JOIN dkim_keys k ON k.domain = d.domain AND k.retired_at IS NULL "
        "WHERE d.domain = :domain AND d.verified_at IS NOT NULL ORDER BY k.created_at, k.selector LIMIT 1",
        domain=domain,
    )


def dkim_keys_of(names: Sequence[str]) -> Statement:
    """All keys of the domains, including retired ones, oldest first."""
    places, params = in_list("name", names)
    return Statement(
        f"SELECT k.domain, {_KEY_COLUMNS} FROM dkim_keys k WHERE k.domain IN ({places}) "
        "ORDER BY k.domain, k.created_at, k.selector",
        params,
    )


def insert_dkim_key(key: DkimKeyRow) -> Statement:
    """Affects no row if the domain has a key in use, so that of concurrent inserts only one succeeds."""
    return _insert_key(
        key, "NOT EXISTS (SELECT 1 FROM dkim_keys WHERE domain = :domain AND retired_at IS NULL)"
    )


def insert_second_dkim_key(key: DkimKeyRow) -> Statement:
    """Affects no row if the domain has two keys in use."""
    return _insert_key(
        key, "(SELECT COUNT(*) FROM dkim_keys WHERE domain = :domain AND retired_at IS NULL) < 2"
    )


def mark_published(domain: str, selector: str, now: int) -> Statement:
    return sql(
        "UPDATE dkim_keys SET published_at = COALESCE(published_at, :now) "
        "WHERE domain = :domain AND selector = :selector",
        domain=domain,
        selector=selector,
        now=now,
    )


def mark_unpublished(domain: str, selector: str) -> Statement:
    return sql(
        "UPDATE dkim_keys SET published_at = NULL WHERE domain = :domain AND selector = :selector",
        domain=domain,
        selector=selector,
    )


def retire_dkim_key(domain: str, selector: str, now: int) -> Statement:
    """Erases the private key. The public key stays, because receivers still verify mail in transit with it."""
    return sql(
        "UPDATE dkim_keys SET retired_at = :now, private_key = :erased "
        "WHERE domain = :domain AND selector = :selector AND retired_at IS NULL",
        domain=domain,
        selector=selector,
        now=now,
        erased=b"",
    )


def _insert_key(key: DkimKeyRow, condition: str) -> Statement:
    return Statement(
        "INSERT INTO dkim_keys (domain, selector, algorithm, private_key, public_key, created_at) "
        "SELECT :domain, :selector, :algorithm, :private_key, :public_key, :created_at "
        f"WHERE {condition} ON CONFLICT (domain, selector) DO NOTHING",
        {
            "domain": key.domain,
            "selector": key.selector,
            "algorithm": key.algorithm,
            "private_key": key.private_key,
            "public_key": key.public_key,
            "created_at": key.created_at,
        },
    )
