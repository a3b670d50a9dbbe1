"""Deleting an account permanently, with all its data."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from e2a_core.contract.export import DeleteUserDataResult
from e2a_core.contract.states import Delivery
from e2a_core.core import Core
from e2a_core.erasure.messages import oldest_claim, retried
from e2a_core.erasure.queries import delete_unreferenced_content
from e2a_core.errors import NotFound, SendInProgress, StoreUnavailable
from e2a_core.store.database import Transaction
from e2a_core.store.statement import Statement, first, sql

__all__ = ["erase_account"]

_HASHES_AT_ONCE = 500
_PAGES_AT_ONCE = 500
"""Index pages rewritten in one transaction, which takes some 50 ms and blocks all other writes."""

_LOG_ATTEMPTS = 20
_LOG_PAUSE_SECONDS = 0.05
"""A second in all: those who read the event log do so for a moment, and often."""

_COUNTED = {
    "messages": "messages_deleted",
    "agents": "agents_deleted",
    "sessions": "sessions_deleted",
    "api_keys": "api_keys_deleted",
    "domains": "domains_deleted",
    "agent_suppressions": "agent_suppressions_deleted",
    "unsubscribe_tokens": "agent_unsubscribe_tokens_deleted",
}
"""Tables in the order in which they can be emptied, and the member of the result that counts each.

Rows that refer to these are deleted by cascade."""

_SUBJECTS = {
    "message_id": "messages",
    "webhook_id": "webhooks",
    "subscription_id": "event_subscriptions",
}
"""The members of a job's payload that name what it is for, and the table of that."""

_log = logging.getLogger(__name__)


async def erase_account(core: Core, account_id: str) -> DeleteUserDataResult:
    """Deletes the account with all its data, in one transaction. Returns the numbers of deleted rows by kind.

    Its keys become invalid with the commit. Raises `NotFound`, and `SendInProgress` while one of its messages is being
    submitted.
    """
    receipt = await retried(core, lambda transaction: _erase(core, transaction, account_id))
    try:
        await _rewrite_index(core)
        await _rewrite_file(core)
        await _empty_log(core)
    except StoreUnavailable as problem:
        _log.warning(
            "the database file may contain words of a deleted account until it is rewritten: %s", problem
        )
    return receipt


async def _rewrite_index(core: Core) -> None:
    """Merges SQLite's full-text index, which only marks words as deleted until its segments are merged."""
    if core.db.dialect != "sqlite":
        return
    pages = -_PAGES_AT_ONCE  # negative begins a merge of all parts
    while await _merged(core, pages):
        pages = _PAGES_AT_ONCE


async def _merged(core: Core, pages: int) -> bool:
    """Merges some pages; returns True if there may be more to merge (https://sqlite.org/fts5.html section 6.7)."""
    async with core.db.transaction() as transaction:
        before = first(await transaction.read(sql("SELECT total_changes() AS n")))
        await transaction.write(
            [sql("INSERT INTO message_search (message_search, rank) VALUES ('merge', :pages)", pages=pages)]
        )
        after = first(await transaction.read(sql("SELECT total_changes() AS n")))
    return before is not None and after is not None and after["n"] - before["n"] > 1


async def _rewrite_file(core: Core) -> None:
    """Rewrites SQLite's file, in whose pages remains of rows stay where they were before they were moved.

    "secure_delete" overwrites a row where it is when it is deleted, and no earlier copy of it. Other writes wait for
    as long as it takes to copy the file (https://sqlite.org/lang_vacuum.html).
    """
    if core.db.dialect == "sqlite":
        await core.db.write([Statement("VACUUM", {}, alone=True)])


async def _empty_log(core: Core) -> None:
    """Truncates SQLite's write-ahead log, which still contains deleted data.

    PostgreSQL's log stays, since its replicas and backups need it. Raises `StoreUnavailable` if another connection
    goes on reading an older state (https://sqlite.org/pragma.html#pragma_wal_checkpoint).
    """
    if core.db.dialect != "sqlite":
        return
    for _ in range(_LOG_ATTEMPTS):
        [outcome] = await core.db.read(sql("PRAGMA wal_checkpoint(TRUNCATE)"))
        if not outcome["busy"]:
            return
        await asyncio.sleep(_LOG_PAUSE_SECONDS)
    raise StoreUnavailable("another connection reads an older state of the database")


async def _erase(core: Core, transaction: Transaction, account_id: str) -> DeleteUserDataResult:
    await transaction.read(_locked_agents(account_id))
    if first(await transaction.read(_being_sent(account_id, oldest_claim(core)))):
        raise SendInProgress("a message of this account is being sent; try again in a few minutes")
    hashes = [row["content_hash"] for row in await transaction.read(_content(account_id))]
    await transaction.write([*_jobs(account_id), _index(account_id)])
    results = await transaction.write([_rows(table, account_id) for table in _COUNTED])
    await transaction.write(_orphans(hashes))
    [account] = await transaction.write([sql("DELETE FROM accounts WHERE id = :account", account=account_id)])
    if not account.rowcount:
        raise NotFound("no such account")
    counts = {name: result.rowcount for name, result in zip(_COUNTED.values(), results, strict=True)}
    return DeleteUserDataResult(
        deleted=True,
        user_deleted=True,
        usage_events_deleted=0,
        usage_summaries_deleted=0,
        **counts,
    )


def _locked_agents(account_id: str) -> Statement:
    """Locks the agents, so that no mail can be stored for them until the transaction ends."""
    text = "SELECT email FROM agents WHERE account_id = :account"
    return Statement(text, {"account": account_id}, f"{text} FOR UPDATE")


def _being_sent(account_id: str, since: int) -> Statement:
    return sql(
        f"SELECT id FROM messages WHERE account_id = :account AND delivery_status = '{Delivery.SENDING}' "
        "AND claimed_at > :since LIMIT 1",
        account=account_id,
        since=since,
    )


def _content(account_id: str) -> Statement:
    return sql(
        "SELECT DISTINCT content_hash FROM messages WHERE account_id = :account AND content_hash IS NOT NULL",
        account=account_id,
    )


def _jobs(account_id: str) -> list[Statement]:
    """Deletes the queued jobs for messages, webhooks and subscriptions of the account."""
    return [
        Statement(
            f"DELETE FROM jobs WHERE json_extract(payload, '$.{member}') IN {wanted}",
            {"account": account_id},
            f"DELETE FROM jobs WHERE payload::json ->> '{member}' IN {wanted}",
        )
        for member, table in _SUBJECTS.items()
        for wanted in [f"(SELECT id FROM {table} WHERE account_id = :account)"]
    ]


def _index(account_id: str) -> Statement:
    return Statement(
        "DELETE FROM message_search WHERE rowid IN (SELECT seq FROM messages WHERE account_id = :account)",
        {"account": account_id},
        "DELETE FROM message_search WHERE seq IN (SELECT seq FROM messages WHERE account_id = :account)",
    )


def _rows(table: str, account_id: str) -> Statement:
    """Deletes the account's rows of `table`; rows that refer to them are deleted by cascade."""
    return sql(f"DELETE FROM {table} WHERE account_id = :account", account=account_id)


def _orphans(hashes: Sequence[str]) -> list[Statement]:
    """Deletes the contents that no message of another account refers to."""
    return [
        delete_unreferenced_content(hashes[start : start + _HASHES_AT_ONCE])
        for start in range(0, len(hashes), _HASHES_AT_ONCE)
    ]
