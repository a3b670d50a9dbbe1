"""`e2a contacts`, `e2a suppressions`: whom the account writes to, and whom it must not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from e2a_core.contract.contacts import ContactImportResult, ImportContactsRequest
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.errors import SettingsError
from e2a_mcp.program.arguments import Address, Yes
from e2a_mcp.program.commands.acting import HERE, Acting, Agent, Where, act
from e2a_mcp.program.commands.asking import confirmed
from e2a_mcp.program.commands.derive import Verb, add
from e2a_mcp.program.commands.progress import counting
from e2a_mcp.program.commands.reading import text_of
from e2a_mcp.program.commands.requesting import requested

__all__ = ["contacts", "outreach", "suppressions"]

BATCH = 500
"""Contacts in one request: what the API takes at once."""
_OUTREACH = ("address", "stage", "replied", "suppressed", "last_outbound_at", "next_action_at")

contacts = App(name="contacts")
add(
    contacts,
    "contacts",
    Verb(name="list", operation="list_contacts", shown=("address", "display_name", "source", "updated_at")),
    Verb(name="get", operation="get_contact"),
    Verb(name="create", operation="create_contact", arguments=("address",)),
    Verb(name="update", operation="update_contact"),
    Verb(name="delete", operation="delete_contact"),
    Verb(name="undo-import", operation="delete_import_batch"),
)

outreach = App(name="outreach")
add(
    outreach,
    "contacts",
    Verb(name="list", operation="list_engagements", of_inbox=True, shown=_OUTREACH),
    Verb(name="get", operation="get_engagement", of_inbox=True),
    Verb(name="set", operation="upsert_engagement", of_inbox=True),
    Verb(name="delete", operation="delete_engagement", of_inbox=True),
)


@contacts.command(name="import")
def import_(
    file: Annotated[
        Path, Parameter(help="CSV with a header; `-` reads standard input.", allow_leading_hyphen=True)
    ],
    /,
    *,
    agent: Annotated[Agent, Parameter(help="Enrol the contacts with this inbox too.")] = None,
    stage: Annotated[str | None, Parameter(help="The stage they are enrolled at.")] = None,
    on_conflict: Annotated[
        Literal["merge", "skip"] | None, Parameter(help="What happens to contacts that exist.")
    ] = None,
    where: Where = HERE,
) -> int:
    """Import contacts from a CSV file.

    The column `address` or `email` is needed, `display_name` or `name` is optional, and other columns become metadata.
    """
    rows = list(_rows(text_of(file)))

    async def work(it: Acting) -> None:
        with counting("importing", len(rows)) as advance:
            for start in range(0, len(rows), BATCH):
                batch = rows[start : start + BATCH]
                request = requested(
                    ImportContactsRequest,
                    _given(contacts=batch, agent_email=agent, stage=stage, on_conflict=on_conflict),
                )
                it.output.one(
                    await it.session.contacts.import_rows(request), partial(_imported, batch, start)
                )
                advance(len(batch))

    return act(where, work, agent=agent)


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _rows(text: str) -> Iterator[dict[str, Any]]:
    """Raises `SettingsError` for a file without addresses."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restkey="", strict=True)
    try:
        names = {str(name).strip().lower(): name for name in reader.fieldnames or ()}
        address = names.get("address") or names.get("email")
        if address is None:
            raise SettingsError("the first line must name the columns, one of them address or email")
        title = names.get("display_name") or names.get("name")
        for row in reader:
            metadata = {
                name: value for name, value in row.items() if name and value and name not in {address, title}
            }
            yield _given(
                address=(row[address] or "").strip(),
                display_name=(row.get(title) or "").strip() or None if title else None,
                metadata=metadata or None,
            )
    except csv.Error as problem:
        raise SettingsError(f"line {reader.line_num} is no CSV: {problem}") from None


def _imported(batch: Sequence[Mapping[str, Any]], start: int, result: ContactImportResult) -> Sequence[str]:
    """What became of the rows from `start` on; one that failed is named by its number and what it says."""
    counts = ("created", "updated", "skipped", "failed")
    told = ", ".join(f"{getattr(result, name)} {name}" for name in counts)
    failed = [
        f"row {start + row.index + 1}, {batch[row.index]['address'] or 'no address'}: {row.message or row.code}"
        for row in result.results
        if row.status == "failed"
    ]
    return [f"{told}; `e2a contacts undo-import {result.batch_id}` takes it back", *failed]


suppressions = App(name="suppressions")
_SUPPRESSED = ("address", "reason", "source", "created_at")
add(
    suppressions,
    "suppressions",
    Verb(name="list", operation="list_suppressions", shown=_SUPPRESSED),
    Verb(name="list-of", operation="list_agent_suppressions", shown=_SUPPRESSED),
)


@suppressions.command(name="add")
def add_(
    address: Annotated[Address, Parameter(help="Who must not be written to.")],
    /,
    *,
    agent: Agent = None,
    reason: Annotated[str | None, Parameter(help="Why, for those who look later.")] = None,
    where: Where = HERE,
) -> int:
    """Stop an inbox from writing to an address."""

    async def work(it: Acting) -> None:
        request = requested(CreateAgentSuppressionRequest, _given(address=address, reason=reason))
        it.output.one(await it.session.suppressions.create_for_agent(await it.inbox(agent), request))

    return act(where, work, agent=agent)


@suppressions.command
def delete(
    address: Annotated[Address, Parameter(help="Who may be written to again.")],
    /,
    *,
    of: Annotated[
        Address | None, Parameter(help="The inbox whose list it is on; the account's if left out.")
    ] = None,
    yes: Yes = False,
    where: Where = HERE,
) -> int:
    """Allow writing to an address again. Only with the recipient's consent."""
    confirmed(f"{address} will be written to again.", yes=yes)

    async def work(it: Acting) -> None:
        lists = it.session.suppressions
        it.output.one(await (lists.delete(address) if of is None else lists.delete_of_agent(of, address)))

    return act(where, work, agent=of)
