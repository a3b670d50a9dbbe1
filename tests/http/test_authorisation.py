"""Every operation of the served document against every kind of caller: status, code, and that nothing changed."""

from __future__ import annotations

import httpx
import pytest

from e2a_core.contract.engine import all_operations
from e2a_core.contract.operation import Access
from tests.http.world import Operation, World, make_world, operations
from tests.support.home import ASSISTANT, Home

pytestmark = pytest.mark.anyio

OF_ITS_OWN_AGENT = frozenset(row.id for row in all_operations() if row.access is Access.AGENT)
"""What an agent credential may do, as the rows say; everything else is the account's."""

OF_EVERYBODY = frozenset({"get_starter_template", "get_info"})
"""Paths that name nobody's own things."""


@pytest.fixture
async def world(home: Home, browser: httpx.AsyncClient) -> World:
    return await make_world(home, browser)


@pytest.fixture
async def everything(browser: httpx.AsyncClient) -> list[Operation]:
    found = operations((await browser.get("/v1/openapi.json")).json())
    assert len(found) >= 63
    assert {item.name for item in found} >= OF_ITS_OWN_AGENT | OF_EVERYBODY
    return found


LOGGED = ("audit_log", "audit_heads", "audit_open")
"""Where it is logged that an account asked for a change, and was refused."""

UNKNOWN = frozenset({"nobody", "wrong", "revoked", "expired"})
"""Whose answers must not differ: a credential says nothing of why it is none."""


def refusal(caller: str, operation: Operation) -> tuple[int, str] | None:
    """The status and code `caller` is refused with; None where the operation is the caller's own affair."""
    if operation.public:
        return None
    if caller in UNKNOWN:
        return 401, "unauthorized"
    if caller != "foreign" and operation.name not in OF_ITS_OWN_AGENT:
        return 403, "forbidden"
    if caller == "sibling" and operation.of_agent:
        return 403, "forbidden"
    if caller in {"foreign", "foreign agent"} and operation.has_path and operation.name not in OF_EVERYBODY:
        return 404, "not_found"
    return None


async def test_whoever_may_not_is_told_so_and_changes_nothing(
    world: World, browser: httpx.AsyncClient, everything: list[Operation]
) -> None:
    before = await world.everything(but=LOGGED)
    for caller in [*UNKNOWN, *world.keys]:
        for operation in everything:
            expected = refusal(caller, operation)
            if expected is None:
                continue
            response = await world.send(browser, operation, world.keys.get(caller))
            assert not response.is_success, (
                f"{caller} may {operation.name}: does its row have the right access?"
            )
            error = response.json()["error"]
            # Contacts and their kin have codes of their own for what is not there.
            code = (
                "not_found"
                if response.status_code == 404 and "_not_found" in error["code"]
                else error["code"]
            )
            assert (response.status_code, code) == expected, (caller, operation, response.text)
            if caller in UNKNOWN:
                assert response.headers["www-authenticate"] == 'Bearer realm="e2a"'
                assert error["message"] == "missing or invalid credential"
        assert await world.everything(but=LOGGED) == before, caller


async def test_no_agent_credential_deletes_for_ever(world: World, browser: httpx.AsyncClient) -> None:
    path = f"/v1/agents/{ASSISTANT}/messages/{world.ids['message']}"
    before = await world.everything(but=LOGGED)
    for caller, status in (("own", 403), ("sibling", 403), ("foreign agent", 403), ("foreign", 404)):
        response = await browser.delete(
            path,
            params={"permanent": "true", "confirm": "DELETE"},
            headers={"Authorization": f"Bearer {world.keys[caller]}"},
        )
        assert response.status_code == status, caller
    assert await world.everything(but=LOGGED) == before


async def test_the_lists_of_another_account_show_nothing_of_this_one(
    world: World, browser: httpx.AsyncClient, everything: list[Operation]
) -> None:
    for operation in everything:
        if operation.method == "GET" and not operation.public and not operation.has_path:
            response = await world.send(browser, operation, world.keys["foreign"])
            assert response.status_code == 200, operation
            for secret in (ASSISTANT, "bob@example.org", "owned.example.com", *world.ids.values()):
                assert secret not in response.text, operation


async def test_an_agent_credential_works_its_own_inbox(
    world: World, browser: httpx.AsyncClient, everything: list[Operation]
) -> None:
    last = {"delete_engagement": 1, "delete_message": 2, "restore_message": 3}
    allowed = [item for item in everything if item.name in OF_ITS_OWN_AGENT]
    for operation in sorted(allowed, key=lambda item: last.get(item.name, 0)):
        response = await world.send(browser, operation, world.keys["own"])
        assert response.is_success, (operation, response.text)
