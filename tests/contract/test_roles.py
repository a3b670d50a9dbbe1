"""Every operation against every role: what a person may call, by any door, as its row says."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2a_core.contract.engine import GROUPS, Session, all_operations
from e2a_core.contract.operation import Operation
from e2a_core.contract.principal import Door, Role
from e2a_core.errors import E2AError, Forbidden
from e2a_core.local.engine import LocalEngine, open_local_engine
from e2a_core.local.session import LocalSession
from e2a_core.settings import load_settings

pytestmark = pytest.mark.anyio

ROWS = [row for row in all_operations() if row.group]
DECISIONS = {"approve_message", "approve_review", "reject_message", "reject_review"}
OWNERS_READS = {"export_account", "list_audit_log"}
"""Reads that show more than a person needs who only looks on."""
DOORS: tuple[Door, ...] = ("api", "mcp", "dashboard", "mail_link", "command", "system")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEngine]:
    home: Path = tmp_path_factory.mktemp("roles") / "home"
    opened = await open_local_engine(load_settings({"E2A_HOME": str(home)}))
    yield opened
    await opened.close()


async def session_of(engine: LocalEngine, role: Role, door: Door = "dashboard") -> LocalSession:
    owner = (await engine.home_session(scope="account")).principal
    return engine.session_of(replace(owner, credential_id="person:prs_1", role=role, door=door))


def allowed(row: Operation, role: Role) -> bool:
    """Written out, and not read from the row."""
    if role == "owner":
        return True
    if row.id in DECISIONS:
        return role == "reviewer"
    return row.method == "GET" and row.id not in OWNERS_READS


async def outcome(method: Callable[..., Any]) -> E2AError | None:
    """What calling the method with nothing that exists raises, if it is an error of ours."""
    given = {
        name: None if "request" in name or "query" in name else "nobody@example.org"
        for name, item in inspect.signature(method).parameters.items()
        if item.default is inspect.Parameter.empty
    }
    try:
        await method(**given)
    except E2AError as problem:
        return problem
    except (AttributeError, TypeError):
        return None  # it went past the door, and fell over what is no argument
    return None


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
async def test_a_role_may_what_its_row_says(engine: LocalEngine, row: Operation, role: Role) -> None:
    for door in DOORS:
        session = await session_of(engine, role, door)
        problem = await outcome(getattr(getattr(session, row.group), row.name))
        refused = isinstance(problem, Forbidden) and role in problem.message
        assert refused is not allowed(row, role), (door, problem)


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
async def test_every_group_of_a_session_is_guarded(engine: LocalEngine, role: Role) -> None:
    """What a session offers besides the groups is refused whole, or known here to read only."""
    session, agent = await session_of(engine, role), await engine.home_session()
    reads = {"principal", "told", "occurrences"}
    offered = {name for name, value in vars(Session).items() if isinstance(value, property)} - reads
    assert offered == {*GROUPS, "event_subscriptions"}
    for name in offered:
        assert type(getattr(session, name)) is not type(getattr(agent, name)), name
    for call in (session.event_subscriptions.subscribe, session.event_subscriptions.unsubscribe):
        assert isinstance(await outcome(call), Forbidden)


async def test_what_no_row_names_is_nobody_s_but_the_owner_s(engine: LocalEngine) -> None:
    session: Any = await session_of(engine, "viewer")
    with pytest.raises(AttributeError):
        _ = session.messages._core
    with pytest.raises(AttributeError):
        _ = session.messages.no_such_method
    assert isinstance(await outcome(session.reviews.approve), Forbidden)


async def test_a_refusal_names_the_role_and_what_it_needs(engine: LocalEngine) -> None:
    session = await session_of(engine, "viewer")
    with pytest.raises(Forbidden, match="a viewer may only read; this needs the role reviewer") as refused:
        await session.reviews.approve("msg_1", None)  # type: ignore[arg-type]
    assert refused.value.code == "forbidden"
    reviewer = await session_of(engine, "reviewer")
    with pytest.raises(
        Forbidden, match="a reviewer may only read, and decide held mail; this needs the role owner"
    ):
        await reviewer.account.pause()


async def test_agents_and_reads_are_not_slowed(engine: LocalEngine) -> None:
    """An agent has the groups themselves, and an account the methods themselves that only read."""
    agent, account = await engine.home_session(), await engine.home_session(scope="account")
    for row in ROWS:
        assert type(getattr(agent, row.group)).__module__ == f"e2a_core.local.{row.group}"
        method = getattr(getattr(account, row.group), row.name)
        assert inspect.ismethod(method) is row.safe, row.id
        assert getattr(getattr(account, row.group), row.name) is method, "made once"
