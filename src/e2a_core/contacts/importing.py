"""Importing contacts in bulk, and reversing an import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from e2a_core.clock import to_micros
from e2a_core.contacts import outreach, queries
from e2a_core.contacts.fields import (
    MAX_ADDRESS_CHARS,
    MAX_NAME_CHARS,
    canonical,
    check_metadata,
    stored_metadata,
)
from e2a_core.contract.contacts import (
    ContactImportItemResult,
    ContactImportResult,
    ContactImportRow,
    DeleteImportBatchResult,
    ImportContactsRequest,
)
from e2a_core.core import Core
from e2a_core.errors import ImportBatchNotFound, InvalidRecipient, InvalidRequest
from e2a_core.store.statement import Statement, first
from e2a_core.suppressions.check import blocks_of
from e2a_core.texts import require_storable

__all__ = ["MAX_ROWS", "check_request", "import_rows", "reverse"]

Also = Callable[[ContactImportResult], Sequence[Statement]]

MAX_ROWS = 1000
_POLICIES = frozenset({"merge", "skip"})


@dataclass(frozen=True, slots=True)
class _Row:
    """A valid row; `address` is canonical. Members that are None leave an existing contact unchanged."""

    address: str
    display_name: str | None
    metadata: str | None


def check_request(request: ImportContactsRequest) -> None:
    """Raises `InvalidRequest` if the request as a whole is invalid. An invalid row fails only itself, later."""
    if not 1 <= len(request.contacts) <= MAX_ROWS:
        raise InvalidRequest(f"must have 1 to {MAX_ROWS} rows", location="body.contacts", status=422)
    if request.on_conflict is not None and request.on_conflict not in _POLICIES:
        raise InvalidRequest("must be merge or skip", location="body.on_conflict", status=422)
    if request.stage is not None and request.agent_email is None:
        raise InvalidRequest("needs agent_email, the agent that the stage is for", location="body.stage")
    require_storable(request.stage or "", "body.stage")
    for index, row in enumerate(request.contacts):
        where = f"body.contacts[{index}]"
        require_storable(row.address, f"{where}.address")
        require_storable(row.display_name or "", f"{where}.display_name")
        for key, value in (row.metadata or {}).items():
            require_storable(key, f"{where}.metadata")
            if isinstance(value, str):
                require_storable(value, f"{where}.metadata")


async def import_rows(
    core: Core, account_id: str, agent_email: str | None, request: ImportContactsRequest, also: Also
) -> ContactImportResult:
    """Stores the rows, and enrols them with the agent if one is given. Returns the results in the order of the rows.

    `request` must have passed `check_request`. The statements that `also` returns for the result are committed with
    the rows. No mail is sent.
    """
    now, batch_id = to_micros(core.clock.now()), core.ids.new("imp")
    rows, results = _sorted_out(request)
    addresses = [row.address for row in rows.values()]
    blocks = await blocks_of(core, account_id, agent_email or "", addresses)
    skip = request.on_conflict == "skip"
    async with core.db.transaction() as transaction:
        await transaction.write([queries.insert_batch(account_id, batch_id, agent_email, now)])
        there = {item["address"] for item in await transaction.read(queries.existing(account_id, addresses))}
        for index, row in rows.items():
            known = row.address in there
            statements = _keep(account_id, row, batch_id, now, known=known, skip=skip)
            if agent_email is not None:
                statements.append(
                    outreach.insert(
                        account_id, agent_email, row.address, now=now, stage=request.stage, batch_id=batch_id
                    )
                )
            written = await transaction.write(statements) if statements else ()
            enrolled = agent_email is not None and bool(written[-1].rowcount)
            results[index] = _kept(
                index, row, known=known, skip=skip, enrolled=enrolled, suppressed=row.address in blocks
            )
        result = _summary(batch_id, [results[index] for index in sorted(results)])
        await transaction.write(also(result))
    return result


async def reverse(core: Core, account_id: str, batch_id: str) -> DeleteImportBatchResult:
    """Deletes what an import created and nobody has used since. Raises `ImportBatchNotFound`."""
    async with core.db.transaction() as transaction:
        if first(await transaction.read(queries.batch(account_id, batch_id))) is None:
            raise ImportBatchNotFound("no such import")
        [engagements] = await transaction.write([outreach.delete_untouched(account_id, batch_id)])
        [contacts] = await transaction.write([queries.delete_untouched(account_id, batch_id)])
        left = first(await transaction.read(queries.left_of_batch(account_id, batch_id)))
    return DeleteImportBatchResult(
        batch_id=batch_id,
        deleted=True,
        contacts_deleted=contacts.rowcount,
        contacts_retained=left["contacts"] if left else 0,
        engagements_deleted=engagements.rowcount,
    )


def _sorted_out(
    request: ImportContactsRequest,
) -> tuple[dict[int, _Row], dict[int, ContactImportItemResult]]:
    """The valid rows, and the results of the others, by position."""
    rows: dict[int, _Row] = {}
    results: dict[int, ContactImportItemResult] = {}
    seen: set[str] = set()
    for index, given in enumerate(request.contacts):
        try:
            row = _row(given)
        except InvalidRequest as problem:
            results[index] = _left_out(index, "failed", problem.code, problem.message)
            continue
        if row.address in seen:
            message = "an earlier row has this address"
            results[index] = _left_out(index, "skipped", "duplicate_in_batch", message, row.address)
            continue
        seen.add(row.address)
        rows[index] = row
    return rows, results


def _row(given: ContactImportRow) -> _Row:
    if len(given.address) > MAX_ADDRESS_CHARS:
        raise InvalidRecipient(f"address must be at most {MAX_ADDRESS_CHARS} characters")
    address = canonical(given.address, "")
    if given.display_name is not None and len(given.display_name) > MAX_NAME_CHARS:
        raise InvalidRequest(f"display_name must be at most {MAX_NAME_CHARS} characters")
    metadata = None if given.metadata is None else stored_metadata(check_metadata(given.metadata, ""))
    return _Row(address, given.display_name, metadata)


def _keep(account_id: str, row: _Row, batch_id: str, now: int, *, known: bool, skip: bool) -> list[Statement]:
    if not known:
        return [
            queries.insert(
                account_id,
                row.address,
                source="import",
                now=now,
                display_name=row.display_name,
                metadata=row.metadata,
                batch_id=batch_id,
            )
        ]
    if skip:
        return []
    return [
        queries.update(account_id, row.address, display_name=row.display_name, metadata=row.metadata, now=now)
    ]


def _kept(
    index: int, row: _Row, *, known: bool, skip: bool, enrolled: bool, suppressed: bool
) -> ContactImportItemResult:
    left_alone = known and skip
    return ContactImportItemResult(
        index=index,
        address=row.address,
        status="skipped" if left_alone else "updated" if known else "created",
        code="already_exists" if left_alone else None,
        message="the address is a contact already" if left_alone else None,
        enrolled=enrolled,
        suppressed=suppressed,
    )


def _left_out(
    index: int, status: str, code: str, message: str, address: str | None = None
) -> ContactImportItemResult:
    return ContactImportItemResult(index=index, address=address, status=status, code=code, message=message)


def _summary(batch_id: str, results: list[ContactImportItemResult]) -> ContactImportResult:
    counts = dict.fromkeys(("created", "updated", "skipped", "failed"), 0)
    for item in results:
        counts[item.status] += 1
    return ContactImportResult(batch_id=batch_id, results=results, **counts)
