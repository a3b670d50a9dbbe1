"""Contacts of an account: kept under one spelling, changed without loss, brought in and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from e2a_core.contract.contacts import (
    ContactQuery,
    ContactView,
    CreateContactRequest,
    ImportContactsRequest,
    UpdateContactRequest,
    UpsertEngagementRequest,
    etag_of,
)
from e2a_core.contract.principal import Principal
from e2a_core.contract.suppressions import CreateAgentSuppressionRequest
from e2a_core.core import Core
from e2a_core.errors import (
    Conflict,
    ContactNotFound,
    E2AError,
    Forbidden,
    IdempotencyKeyReuse,
    ImportBatchNotFound,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
)
from e2a_core.local.contacts import Contacts
from e2a_core.local.suppressions import Suppressions
from tests.support.clock import ManualClock
from tests.support.deployment import account, agent_credential, insert_message, make_agent

pytestmark = pytest.mark.anyio

BOT = "bot@agents.localhost"
ANN = "ann@example.org"


async def create(service: Contacts, address: str = ANN, **members: Any) -> ContactView:
    key = members.pop("key", None)
    request = CreateContactRequest.model_validate({"address": address, **members})
    return await service.create(request, idempotency_key=key)


async def names(service: Contacts, **query: Any) -> list[str]:
    page = await service.list(ContactQuery.model_validate(query))
    return [item.address.partition("@")[0] for item in page.items]


async def test_a_contact_has_one_spelling(core: Core, owner: Principal) -> None:
    service = Contacts(core, owner)
    made = await create(
        service, "Ann <Ann@EXAMPLE.org>", display_name="Ann A.", metadata={"size": 3, "vip": True}
    )
    assert (made.address, made.display_name, made.source) == (ANN, "Ann A.", "manual")
    assert made.metadata == {"size": 3, "vip": True}
    assert made.created_at == made.updated_at
    for spelling in (ANN, " ANN@example.org ", "Somebody <ann@example.org>"):
        assert await service.get(spelling) == made
        with pytest.raises(Conflict) as refused:
            await create(service, spelling)
        assert (refused.value.code, refused.value.status) == ("conflict", 409)


async def test_what_is_left_out_stays_as_it_was(core: Core, owner: Principal, clock: ManualClock) -> None:
    service = Contacts(core, owner)
    made = await create(service, display_name="Ann", metadata={"a": 1})
    clock.advance(seconds=1)
    named = await service.update(ANN, UpdateContactRequest(display_name=""))
    assert (named.display_name, named.metadata, named.created_at) == ("", {"a": 1}, made.created_at)
    cleared = await service.update(ANN, UpdateContactRequest(metadata={}))
    assert cleared.metadata == {}
    assert cleared.updated_at > named.updated_at > made.updated_at


async def test_a_stale_edit_is_refused(core: Core, owner: Principal) -> None:
    service = Contacts(core, owner)
    first = etag_of(await create(service))
    second = etag_of(await service.update(ANN, UpdateContactRequest(display_name="A"), if_match=first))
    assert second != first
    for stale in (first, f"W/{first}", f'"x", {first}'):
        with pytest.raises(PreconditionFailed) as refused:
            await service.update(ANN, UpdateContactRequest(display_name="B"), if_match=stale)
        assert (refused.value.code, refused.value.status) == ("precondition_failed", 412)
    for fresh in (f"W/{second}", "*"):
        view = await service.update(ANN, UpdateContactRequest(display_name="C"), if_match=fresh)
        second = etag_of(view)
    for empty in ("", "  ", ","):
        with pytest.raises(InvalidRequest):
            await service.update(ANN, UpdateContactRequest(display_name="D"), if_match=empty)
    assert (await service.get(ANN)).display_name == "C"


METADATA: dict[str, dict[str, Any]] = {
    "too many keys": {f"k{index}": 1 for index in range(51)},
    "long key": {"ä" * 65: 1},
    "long value": {"k": "ä" * 2049},
    "list": {"k": []},
    "object": {"k": {"a": 1}},
    "no number": {"k": float("nan")},
    "too large": {f"k{index}": "x" * 4000 for index in range(5)},
    "nul": {"k": "\x00"},
    "half a character": {"\ud800": 1},
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
async def test_metadata_is_flat_and_small(core: Core, owner: Principal, metadata: dict[str, Any]) -> None:
    service = Contacts(core, owner)
    with pytest.raises(InvalidRequest) as refused:
        await create(service, metadata=metadata)
    assert refused.value.fields[0][0] == "body.metadata"
    with pytest.raises(ContactNotFound):
        await service.get(ANN)


async def test_lists_are_filtered_and_paged(core: Core, owner: Principal, clock: ManualClock) -> None:
    service = Contacts(core, owner)
    moments = []
    for name in "abc":
        moments.append((await create(service, f"{name}@example.org")).created_at.isoformat())
        clock.advance(seconds=1)
    await service.import_rows(
        ImportContactsRequest.model_validate({"contacts": [{"address": "d@example.org"}]})
    )
    assert await names(service) == ["d", "c", "b", "a"]
    assert await names(service, source="import") == ["d"]
    assert await names(service, created_after=moments[0], created_before=moments[2]) == ["b"]
    page = await service.list(ContactQuery(source="manual", limit=2))
    rest = await service.list(ContactQuery(source="manual", limit=2, cursor=page.next_cursor))
    assert ([item.address for item in rest.items], rest.next_cursor) == (["a@example.org"], None)
    for wrong in ({"created_after": "soon"}, {"cursor": page.next_cursor}):
        with pytest.raises(InvalidRequest):
            await names(service, **wrong)


async def test_a_repeated_request_is_answered_alike(core: Core, owner: Principal) -> None:
    service = Contacts(core, owner)
    made = await create(service, key="k1")
    assert await create(service, key="k1") == made
    with pytest.raises(IdempotencyKeyReuse):
        await create(service, "bob@example.org", key="k1")
    request = ImportContactsRequest.model_validate({"contacts": [{"address": "c@example.org"}]})
    first = await service.import_rows(request, idempotency_key="k2")
    assert await service.import_rows(request, idempotency_key="k2") == first


async def test_deleting_forgets_the_person_and_keeps_the_block(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    service, lists = Contacts(core, owner), Suppressions(core, owner)
    await create(service)
    await service.upsert_engagement(BOT, ANN, UpsertEngagementRequest())
    await lists.create_for_agent(BOT, CreateAgentSuppressionRequest(address=ANN))
    assert (await service.delete("Ann <ann@example.org>")).address == ANN
    for call in (
        service.get(ANN),
        service.delete(ANN),
        service.engagement(BOT, ANN),
        service.get("nobody\x00"),
    ):
        with pytest.raises(NotFound):
            await call
    assert len((await lists.list_of_agent(BOT)).items) == 1


async def test_contacts_are_the_accounts_own(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    await create(Contacts(core, owner))
    other = Contacts(core, await account(core, "other@example.org"))
    assert await names(other) == []
    with pytest.raises(ContactNotFound):
        await other.get(ANN)
    bound = Contacts(core, agent_credential(owner, BOT))
    for call in (
        bound.list(ContactQuery()),
        bound.get(ANN),
        bound.delete(ANN),
        create(bound),
        bound.delete_import("x"),
    ):
        with pytest.raises(Forbidden):
            await call


async def test_every_row_of_an_import_has_its_own_fate(core: Core, owner: Principal) -> None:
    await make_agent(core, owner, BOT)
    service = Contacts(core, owner)
    await create(service, display_name="Ann", metadata={"kept": True})
    await Suppressions(core, owner).create_for_agent(
        BOT, CreateAgentSuppressionRequest(address="bob@example.org")
    )
    rows = [
        {"address": "Ann <ANN@example.org>", "display_name": ""},
        {"address": "bob@example.org", "metadata": {"x": 1}},
        {"address": "BOB@example.org"},
        {"address": "nobody"},
        {"address": "c@example.org", "metadata": {"x": []}},
        {"address": "d@example.org", "display_name": "d" * 321},
        {"address": "e" * 400 + "@example.org"},
    ]
    request = ImportContactsRequest.model_validate({"contacts": rows, "agent_email": BOT, "stage": "new"})
    result = await service.import_rows(request)
    assert [(item.status, item.code) for item in result.results] == [
        ("updated", None),
        ("created", None),
        ("skipped", "duplicate_in_batch"),
        ("failed", "invalid_recipient"),
        ("failed", "invalid_request"),
        ("failed", "invalid_request"),
        ("failed", "invalid_recipient"),
    ]
    assert [(item.enrolled, item.suppressed) for item in result.results[:2]] == [(True, False), (True, True)]
    assert (result.created, result.updated, result.skipped, result.failed) == (1, 1, 1, 4)
    ann = await service.get(ANN)
    assert (ann.display_name, ann.metadata, ann.source, ann.import_batch_id) == (
        "",
        {"kept": True},
        "manual",
        None,
    )
    bob = await service.get("bob@example.org")
    assert (bob.source, bob.import_batch_id, bob.metadata) == ("import", result.batch_id, {"x": 1})
    assert (await service.engagement(BOT, ANN)).stage == "new"
    again = await service.import_rows(
        ImportContactsRequest.model_validate(
            {"contacts": rows[:1], "on_conflict": "skip", "agent_email": BOT, "stage": "other"}
        )
    )
    assert [(item.status, item.code, item.enrolled) for item in again.results] == [
        ("skipped", "already_exists", False)
    ]
    assert (await service.engagement(BOT, ANN)).stage == "new"


BROKEN: dict[str, dict[str, Any]] = {
    "no rows": {"contacts": []},
    "too many": {"contacts": [{"address": ANN}] * 1001},
    "unknown policy": {"contacts": [{"address": ANN}], "on_conflict": "replace"},
    "stage of nobody": {"contacts": [{"address": ANN}], "stage": "new"},
    "nul": {"contacts": [{"address": ANN}, {"address": "bob@example.org", "metadata": {"x": "\x00"}}]},
    "no such agent": {"contacts": [{"address": ANN}], "agent_email": "nobody@agents.localhost"},
}


@pytest.mark.parametrize("members", BROKEN.values(), ids=BROKEN)
async def test_a_broken_import_brings_nothing_in(
    core: Core, owner: Principal, members: dict[str, Any]
) -> None:
    service = Contacts(core, owner)
    with pytest.raises(E2AError) as refused:
        await service.import_rows(ImportContactsRequest.model_validate(members))
    assert refused.value.status in {400, 404, 422}
    assert await names(service) == []


async def test_an_import_is_taken_back_where_nobody_used_it(
    core: Core, owner: Principal, clock: ManualClock
) -> None:
    await make_agent(core, owner, BOT)
    service = Contacts(core, owner)
    rows = [{"address": f"{name}@example.org"} for name in ("idle", "edited", "wrote", "noted", "old")]
    await create(service, "old@example.org")
    result = await service.import_rows(
        ImportContactsRequest.model_validate({"contacts": rows, "agent_email": BOT})
    )
    clock.advance(seconds=1)
    await service.update("edited@example.org", UpdateContactRequest(display_name="E"))
    await service.upsert_engagement(BOT, "noted@example.org", UpsertEngagementRequest(stage="won"))
    await insert_message(core, owner, BOT, sender="wrote@example.org")
    other = Contacts(core, await account(core, "other@example.org"))
    with pytest.raises(ImportBatchNotFound):
        await other.delete_import(result.batch_id)
    report = await service.delete_import(result.batch_id)
    assert (report.contacts_deleted, report.contacts_retained, report.engagements_deleted) == (1, 3, 3)
    assert sorted(await names(service)) == ["edited", "noted", "old", "wrote"]
    page = await service.list(ContactQuery(import_batch_id=result.batch_id))
    assert len(page.items) == 3
    with pytest.raises(ImportBatchNotFound):
        await service.delete_import("imp_nothing")
