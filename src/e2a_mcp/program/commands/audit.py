"""`e2a audit`: who did what, and whether that record was tampered with."""

from __future__ import annotations

from cyclopts import App

from e2a_core.contract.audit import AuditEntryView
from e2a_core.errors import SettingsError
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act
from e2a_mcp.program.commands.derive import Verb, add
from e2a_mcp.program.commands.show import said
from e2a_mcp.program.failed import Failed
from e2a_mcp.program.statuses import FAILED

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
    """Find out whether a row of the log was changed, removed, added or moved. Only the home's owner can."""

    async def work(it: Acting) -> None:
        from e2a_core.audit import verify as chain
        from e2a_core.local.engine import LocalEngine

        if not isinstance(it.engine, LocalEngine):
            raise SettingsError("the log is verified where its home is: use --local there")
        found = await chain.verify(it.engine.core, it.session.principal.account_id)
        if found.broken is not None:
            raise Failed(f"row {found.broken.number}: {found.broken.reason}", FAILED, code="broken")
        if it.output.as_json:
            it.output.json(
                {"rows": found.rows, "number": found.number, "hash": found.hash, "anchor": found.anchor}
            )
        else:
            it.output.line(
                f"{found.rows} rows are as they were written; the last is {found.number}, {found.hash}"
            )

    return act(where, work)
