"""Each operation is behind every door: the local engine, the remote one, its route, a client's method and a tool."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from e2a_core.clock import SystemClock
from e2a_core.contract.engine import GROUPS, Session, all_operations
from e2a_core.contract.operation import EngineOnly, NoTool, Operation, Tool
from e2a_core.documents.reader import DocumentReader
from e2a_core.http.limits import RequestLimits
from e2a_core.http.routes import api_routes
from e2a_core.ids import Ids
from e2a_core.local.engine import LocalEngine, open_local_engine
from e2a_core.remote.client import ApiClient, Deployment
from e2a_core.remote.older import MailByHand, ScopedAccount
from e2a_core.remote.operations import ApiGroup, remote_group
from e2a_core.settings import load_settings
from e2a_mcp.tool import Tool as McpTool
from e2a_mcp.tools import ACCOUNT_TOOLS, AGENT_TOOLS, DERIVED_TOOLS

from .delete_each import asked

pytestmark = pytest.mark.anyio

CLIENT = Path(__file__).parents[1] / "http" / "data" / "client-5.8.1.json"
ROWS = list(all_operations())

BY_HAND = {
    "messages": {
        "list": "a deployment may have no full-text search",
        "get": "a deployment may not be able to show without marking read; a long text is read from the octets",
        "attachment_text": "a deployment may read no attachments; they are read here then",
        "attachment_picture": "scaled here",
        "raw": "the octets come with the message",
        "attachment_content": "the bytes are behind a signed link",
        "send": "a deployment may not recognise a repeat",
        "reply": "as send",
        "forward": "as send",
    },
    "account": {"get": "tells the scope of the session, not of its key"},
}
"""Methods of the remote engine that are more than their row's request, and why."""

FROM_THEIR_ROWS_ALONE: frozenset[str] = frozenset()
"""Tools that no module shapes: they pass through as their rows say. One that lost its module is not among them."""

OF_THEIR_OWN = {
    "ask_owner": "mails the owner and waits for the answer; the API only sends",
    "wait_for_message": "waits on the event log, for which the API has no operation",
    "get_recent_events": "tells what a subscriber is told; the API lists whole events, to accounts alone",
}
"""Tools that stand for no row, and what they do instead."""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[LocalEngine]:
    opened = await open_local_engine(load_settings({"E2A_HOME": str(tmp_path / "home")}))
    yield opened
    await opened.close()


@pytest.fixture
async def api() -> AsyncIterator[ApiClient]:
    deployment = Deployment("http://127.0.0.1:9", SystemClock())
    yield ApiClient(deployment, "key")
    await deployment.close()


def methods(protocol: type) -> Iterator[tuple[str, Any]]:
    for name, function in vars(protocol).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            yield name, function


def shape(function: Any) -> list[tuple[str, object, object]]:
    """The parameters of a method without `self`: name, kind and default."""
    given = inspect.signature(function).parameters.values()
    return [(item.name, item.kind, item.default) for item in given if item.name != "self"]


@pytest.mark.parametrize("group", GROUPS)
def test_every_method_has_a_row_or_says_why_none(group: str) -> None:
    for name, function in methods(GROUPS[group]):
        row = getattr(function, "operation", None)
        assert isinstance(row, Operation | EngineOnly), f"{group}.{name} has no row"
        assert function.__doc__, f"{group}.{name} does not say what it is for"


def test_rows_have_names_and_routes_of_their_own() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert len({(row.method, row.template) for row in ROWS}) == len(ROWS)


def test_a_session_has_every_group() -> None:
    offered = {name for name, value in vars(Session).items() if isinstance(value, property)}
    assert GROUPS.keys() <= offered


async def test_every_row_has_its_local_method(engine: LocalEngine) -> None:
    session = await engine.home_session(scope="account")
    for group, protocol in GROUPS.items():
        for name, function in methods(protocol):
            found = getattr(getattr(session, group), name, None)
            assert found is not None, f"the local engine lacks {group}.{name}"
            assert shape(found) == shape(function), f"the local engine's {group}.{name} takes something else"


async def test_every_row_has_its_remote_method(api: ApiClient) -> None:
    for group, protocol in GROUPS.items():
        given = (api, Ids(), DocumentReader()) if group == "messages" else (api,)
        by_hand = MailByHand if group == "messages" else ApiGroup
        built: object = remote_group(protocol, group, *given, by_hand=by_hand)
        for name, _ in methods(protocol):
            assert callable(getattr(built, name, None)), f"the remote engine lacks {group}.{name}"


@pytest.mark.parametrize(("group", "by_hand"), [("messages", MailByHand), ("account", ScopedAccount)])
def test_what_is_remote_by_hand_takes_what_its_row_says(group: str, by_hand: type) -> None:
    written = dict(methods(by_hand))
    for name, function in methods(GROUPS[group]):
        if name in written:
            assert shape(written.pop(name)) == shape(function), f"the remote {group}.{name}"
    assert not written, "methods by hand that no row has"


async def test_every_row_has_its_route(engine: LocalEngine) -> None:
    clock = SystemClock()
    routes: list[Route] = api_routes(engine, RequestLimits(clock, polls_per_minute=1), clock)
    offered = {route.name: (route.methods, route.path) for route in routes}
    for row in ROWS:
        assert offered.get(row.id) == ({row.method}, row.path), f"{row.id} has no route of its own"


async def test_a_request_of_each_route_reaches_the_method_of_its_row(engine: LocalEngine) -> None:
    """No credential, no body: each route must at least refuse as its row says, and none be unknown."""
    from e2a_core.http.app import build_api

    app = build_api(engine, engine.core.settings, clock=SystemClock(), ids=Ids())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for row in ROWS:
            path = row.template.replace("{index}", "0")
            response = await client.request(row.method, path)
            assert response.status_code == (401 if row.id != "get_info" else 200), row.id


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_row_has_a_tool_or_says_why_none(row: Operation) -> None:
    if isinstance(row.tool, NoTool):
        assert row.tool.reason
        return
    tools: dict[str, McpTool[Any]] = {tool.name: tool for tool in (*AGENT_TOOLS, *ACCOUNT_TOOLS)}
    tool = tools.get(row.tool.name or row.id)
    assert tool is not None, f"{row.id} has no tool"
    assert (tool.title, tool.description) == (row.tool.title, row.tool.description), f"{row.id}: {tool.name}"


def test_a_tool_that_loses_its_module_is_missed() -> None:
    assert {tool.name for tool in DERIVED_TOOLS} == FROM_THEIR_ROWS_ALONE


def test_every_tool_stands_for_a_row_or_says_what_it_does() -> None:
    named = {row.tool.name or row.id for row in ROWS if isinstance(row.tool, Tool)}
    offered = {tool.name for tool in (*AGENT_TOOLS, *ACCOUNT_TOOLS)}
    assert offered - named == OF_THEIR_OWN.keys()


def test_every_operation_of_the_public_client_has_a_row() -> None:
    wanted = json.loads(CLIENT.read_text(encoding="utf-8")).keys()
    rows = {row.id for row in ROWS}
    assert sorted(wanted - rows) == [], "operations of the client without a row"


@pytest.mark.parametrize(("group", "by_hand"), [("messages", MailByHand), ("account", ScopedAccount)])
def test_what_is_by_hand_is_named(group: str, by_hand: type) -> None:
    """A method by hand that goes would be replaced by its row's bare request without a word."""
    assert {name for name, _ in methods(by_hand)} == BY_HAND[group].keys()


def test_what_is_no_operation_is_refused_before_anything_is_deleted() -> None:
    assert asked(["get_agent"]) == ["get_agent"]
    assert asked([]) == []
    for wrong in (["no_such_operation"], ["get_agent", "get_agnet"], ["--no-such-option"]):
        with pytest.raises(SystemExit) as left:
            asked(wrong)
        assert left.value.code == 2
