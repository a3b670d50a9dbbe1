"""SQL of metrics: counts of the messages created in a window, by their ledger rows."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.messages.lifecycle import CALLED_OFF_KEY
from e2a_core.store.statement import Statement

__all__ = ["DAY_MICROS", "Window", "lifecycle_counts", "message_counts"]

DAY_MICROS = 86_400_000_000
SUBMITTED = ("submission.upstream_accepted", "submission.local_loopback_accepted")
_STAYED = "m.method = 'loopback' AND "
FAILED = ("submission.provider_rejected", "submission.local_retries_exhausted", "submission.cancelled")
_NOT_CALLED_OFF = f" AND substr(l.dedupe_key, 1, {len(CALLED_OFF_KEY)}) <> '{CALLED_OFF_KEY}'"
"""Mail that its sender moved to the trash before it left has not failed."""
_GROUPS = {
    "": "''",
    "agent": "m.agent_email",
    # Integer division, so that a group is the UTC day.
    "day": f"(m.created_at / {DAY_MICROS})",
}


@dataclass(frozen=True, slots=True)
class Window:
    """The messages to count: of the account, or of one agent, with `start <= created_at < end` (microseconds)."""

    account_id: str
    start: int
    end: int
    agent_email: str | None = None

    @property
    def condition(self) -> str:
        agent = "" if self.agent_email is None else " AND m.agent_email = :agent"
        return f"m.account_id = :account AND m.created_at >= :start AND m.created_at < :end{agent}"

    @property
    def params(self) -> dict[str, str | int]:
        agent = {} if self.agent_email is None else {"agent": self.agent_email}
        return {"account": self.account_id, "start": self.start, "end": self.end, **agent}


def lifecycle_counts(window: Window, group: str = "") -> Statement:
    """Counts messages and ledger rows for each reason; `group` is "", agent or day."""
    by = _GROUPS[group]
    return Statement(
        f"SELECT {by} AS grp, l.reason_code AS reason, COUNT(DISTINCT l.message_id) AS messages, "
        "COUNT(*) AS observations FROM messages m JOIN lifecycle l ON l.message_id = m.id "
        f"WHERE {window.condition} GROUP BY l.reason_code{f', {by}' if group else ''}",
        window.params,
    )


def message_counts(window: Window, group: str = "") -> Statement:
    """Counts messages of each group: all, those with ledger rows, and by kinds of reasons that can occur together."""
    by = _GROUPS[group]
    return Statement(
        f"SELECT {by} AS grp, COUNT(*) AS messages, "
        f"{_count_with(())} AS with_lifecycle, {_count_with(SUBMITTED)} AS submitted, "
        f"{_count_with(FAILED, row=_NOT_CALLED_OFF)} AS send_failed, "
        # A message to recipients both here and elsewhere does not count as loopback.
        f"{_count_with(SUBMITTED, _STAYED)} AS loopback "
        f"FROM messages m WHERE {window.condition}{f' GROUP BY {by}' if group else ''}",
        window.params,
    )


def _count_with(reasons: tuple[str, ...], condition: str = "", row: str = "") -> str:
    """Counts the messages with a ledger row of one of `reasons`, or with any ledger row if that is empty.

    `row` is a further condition on that ledger row.
    """
    names = ", ".join(f"'{reason}'" for reason in reasons)
    which = (f" AND l.reason_code IN ({names})" if names else "") + row
    exists = f"EXISTS (SELECT 1 FROM lifecycle l WHERE l.message_id = m.id{which})"
    return f"COUNT(CASE WHEN {condition}{exists} THEN 1 END)"
