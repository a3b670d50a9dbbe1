"""Writing the audit log.

An operation is announced before it begins and logged once it has ended, so that none takes effect without a trace: what
a crash leaves announced is logged with the outcome `unknown` (`sealing`). Neither shares the operation's transaction,
since one operation may have several, or none when it is refused.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from anyio import CancelScope

from e2a_core.audit import queries
from e2a_core.audit.chain import Head, row_hash
from e2a_core.audit.entry import SYSTEM_ACTOR, Entry, Outcome
from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.errors import E2AError, StoreUnavailable
from e2a_core.json_encoding import compact_json
from e2a_core.store.errors import ForeignKeyViolation, UniqueViolation
from e2a_core.store.statement import StaleWrite, Statement

__all__ = ["BROKEN", "AuditLog", "entry_from"]

BROKEN = "audit_log_broken"
"""The operation of a row that says that somebody changed the head before it."""
SERVER_FAILED = 500
"""Errors from this status on leave open what was done."""
ATTEMPTS = 50
"""As many processes may write to one chain at once; each try of theirs lets one of them through."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """An entry that waits for its place. `opened` is the id it was announced under."""

    entry: Entry
    opened: str = ""
    written: bool = False
    problem: Exception | None = None


class AuditLog:
    """The log of a deployment; one for each process is enough, and several do no harm.

    Entries of one account that come together are written together.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._writing = asyncio.Lock()
        self._waiting: list[_Waiting] = []

    async def record(self, entry: Entry) -> None:
        """Logs what has happened. Raises `StoreUnavailable`."""
        await self._append(_Waiting(entry))

    @asynccontextmanager
    async def during(self, entry: Entry) -> AsyncIterator[dict[str, str]]:
        """Announces an operation, and logs it with its outcome once the block ends.

        Yields the subjects, to which what the operation made can be added. Raises `StoreUnavailable` before the block
        begins; afterwards the operation stands, and what could not be logged is logged later as `unknown`.
        """
        subjects = dict(entry.subjects)
        opened = self._core.ids.new("aud")
        now = to_micros(self._core.clock.now())
        await self._core.db.write([queries.open_entry(opened, entry, now)])
        try:
            yield subjects
        except E2AError as problem:
            outcome: Outcome = "unknown" if problem.status >= SERVER_FAILED else "refused"
            await self._end(replace(entry, subjects=subjects, outcome=outcome, code=problem.code), opened)
            raise
        await self._end(replace(entry, subjects=subjects), opened)

    async def seal(self, opened: str, entry: Entry) -> None:
        """Logs what was announced under the id `opened` and never ended. Raises `StoreUnavailable`."""
        await self._append(_Waiting(replace(entry, outcome="unknown"), opened))

    async def _end(self, entry: Entry, opened: str) -> None:
        try:
            await self._append(_Waiting(entry, opened))
        except StoreUnavailable:
            _log.warning("%s by %s is logged later, with an unknown outcome", entry.operation, entry.actor)

    async def _append(self, mine: _Waiting) -> None:
        self._waiting.append(mine)
        with CancelScope(shield=True):
            async with self._writing:
                if not mine.written:
                    await self._write_waiting()
        if mine.problem is not None:
            raise mine.problem

    async def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            item.written, item.problem = True, StoreUnavailable("the audit log was not written")
        for account_id in dict.fromkeys(item.entry.account_id for item in waiting):
            together = [item for item in waiting if item.entry.account_id == account_id]
            with suppress(StoreUnavailable):
                await self._write(account_id, together)
                for item in together:
                    item.problem = None

    async def _write(self, account_id: str, together: Sequence[_Waiting]) -> None:
        for _ in range(ATTEMPTS):
            [heads, numbers] = await self._core.db.read(
                [queries.head(account_id), queries.last_number(account_id)]
            )
            head = Head.from_row(heads[0]) if heads else None
            try:
                await self._core.db.write(self._continued(head, numbers[0]["number"] or 0, together))
            except (StaleWrite, UniqueViolation):
                continue  # another process was first
            except ForeignKeyViolation:
                pass  # the account is deleted, and its log with it
            return
        raise StoreUnavailable("the audit log is written by too many processes at once")

    def _continued(self, head: Head | None, last: int, together: Sequence[_Waiting]) -> list[Statement]:
        """The statements that put the entries behind the row `last`, where `head` must be.

        They move the head first: whoever is second writes nothing.
        """
        account_id = together[0].entry.account_id
        before = head or Head(account_id)
        entries = [item.entry for item in together]
        if last > before.number or (head and not head.is_sealed(self._core.secrets)):
            _log.error("somebody changed the audit log of account %s", account_id)
            entries.insert(
                0, Entry(account_id, SYSTEM_ACTOR, "system", "", "system", BROKEN, outcome="unknown")
            )
        at = to_micros(self._core.clock.now())
        after, inserts = replace(before, number=max(before.number, last)), []
        for entry in entries:
            values = _values(entry, after.number + 1, at)
            values["hash"] = row_hash(after.hash, values)
            after = replace(after, number=values["number"], hash=values["hash"])
            inserts.append(queries.insert(values))
        after = replace(after, mac=after.sealed(self._core.secrets))
        moved = queries.move_head(before, after) if head else queries.insert_head(after)
        return [moved, *inserts, *(queries.close(item.opened) for item in together if item.opened)]


def _values(entry: Entry, number: int, at: int) -> dict[str, Any]:
    return {
        "account_id": entry.account_id,
        "number": number,
        "at": at,
        "actor": entry.actor,
        "actor_kind": entry.actor_kind,
        "person": entry.person,
        "door": entry.door,
        "operation": entry.operation,
        "subjects": compact_json(dict(entry.subjects)),
        "outcome": entry.outcome,
        "code": entry.code,
    }


def entry_from(row: Any) -> Entry:
    """The entry that was announced in a row of `audit_open`."""
    return Entry(
        account_id=row["account_id"],
        actor=row["actor"],
        actor_kind=row["actor_kind"],
        person=row["person"],
        door=row["door"],
        operation=row["operation"],
        subjects=json.loads(row["subjects"]),
    )
