"""`e2a audit`: who did what, and whether that record was tampered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from e2a_core.contract.audit import AuditEntryView
from e2a_core.contract.base import LIMITATIONS
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act
from e2a_mcp.program.commands.derive import Verb, add
from e2a_mcp.program.commands.show import said
from e2a_mcp.program.failed import Failed
from e2a_mcp.program.statuses import FAILED

if TYPE_CHECKING:
    from e2a_core.audit.seen import Seen
    from e2a_core.audit.verify import Broken, Verification
    from e2a_core.local.engine import LocalEngine

__all__ = ["audit"]


def _entry(entry: AuditEntryView) -> list[str]:
    who = entry.person or f"{entry.actor_kind} {entry.actor}".replace("home home", "home")
    ended = "" if entry.outcome == "ok" else f", {entry.outcome}{f' ({entry.code})' if entry.code else ''}"
    about = f" ({said(entry.subjects)})" if entry.subjects else ""
    return [
        f"{entry.number}  {entry.at:%Y-%m-%d %H:%M:%S}  {who} by {entry.door}: {entry.operation}{about}{ended}"
    ]


audit = App(name="audit")
add(audit, "audit", Verb(name="list", operation="list_audit_log", shown=_entry, empty="nothing was done yet"))


@audit.command
def verify(*, where: Where = HERE) -> int:
    """Find out whether a row of the log was changed, removed, added or moved.

    Only the home's secret shows that the last rows are all there: elsewhere, keep their number and hash to compare.
    """

    async def work(it: Acting) -> None:
        from e2a_core.local.engine import LocalEngine

        if isinstance(it.engine, LocalEngine):
            await _verify_here(it, it.engine)
        else:
            await _verify_there(it)

    return act(where, work)


async def _verify_here(it: Acting, engine: LocalEngine) -> None:
    from e2a_core.audit.verify import verify as verify_chain

    found = await verify_chain(engine.core, it.session.principal.account_id)
    _raise_if(found.broken)
    if it.output.as_json:
        it.output.json(
            {"rows": found.rows, "number": found.number, "hash": found.hash, "anchor": found.anchor}
        )
    else:
        it.output.line(f"All is as it was written, {_rows(found)}; the last is {found.number}, {found.hash}")


async def _verify_there(it: Acting) -> None:
    from e2a_core.audit.seen import verify_seen

    found = await verify_seen(it.session.audit, it.session.principal.account_id)
    _raise_if(found.broken)
    limitations = [
        f"rows behind {found.number} may have been removed, or all rows made anew: that takes the home's secret "
        "to see; `e2a audit verify --local` where the home is sees it"
    ]
    if found.first > 1:
        limitations.append(
            f"rows before {found.first} are not listed, and what row {found.first} says is not proven"
        )
    if it.output.as_json:
        told = {
            "rows": found.rows,
            "number": found.number,
            "hash": found.hash,
            "anchor": max(found.first - 1, 0),
        }
        it.output.json({**told, LIMITATIONS: limitations})
        return
    it.output.line(f"Nothing is missing in between, {_rows(found)}; the last is {found.number}, {found.hash}")
    for each in limitations:
        it.output.line(f"Not seen from here: {each}.")


def _rows(found: Seen | Verification) -> str:
    return f"{found.rows:,} row{'' if found.rows == 1 else 's'}"


def _raise_if(broken: Broken | None) -> None:
    if broken is not None:
        raise Failed(f"row {broken.number}: {broken.reason}", FAILED, code="broken")
