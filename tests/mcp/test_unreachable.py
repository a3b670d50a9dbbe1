"""A mailbox that cannot be had is told in the same form by every method, not by tools alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import ResourceTemplateReference

from e2a_core.clock import SystemClock
from e2a_core.errors import E2AError, Unauthorized, Unavailable
from e2a_core.ids import Ids
from e2a_core.observer import Unobserved
from e2a_mcp.engines import NotOpened
from e2a_mcp.server import build_server
from e2a_mcp.tool import Services
from mcp import Client

from .relay import LEGACY

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/(un)?subscribe:mcp.shared.exceptions.MCPDeprecationWarning"),
]

URI = "mail://assistant@agents.example/inbox"


@pytest.mark.parametrize(
    ("problem", "code", "retryable"),
    [
        (Unavailable("cannot be reached"), "unavailable", True),
        (NotOpened("could not be opened"), "unavailable", False),
        (Unauthorized(), "unauthorized", False),
    ],
)
async def test_every_method_says_why(era: str, problem: E2AError, code: str, retryable: bool) -> None:
    async def sessions(context: Any) -> Any:
        raise problem

    server = build_server("agent", sessions, Services(SystemClock(), Ids()), Unobserved())
    template = ResourceTemplateReference(uri="mail://{email}/inbox")

    async def listen(client: Client) -> None:
        async with client.listen(resource_subscriptions=[URI]):
            raise AssertionError("it began")

    methods: dict[str, Any] = {
        "list": lambda client: client.list_resources(),
        "read": lambda client: client.read_resource(URI),
        "complete": lambda client: client.complete(template, {"name": "email", "value": ""}),
        "listen": listen,
    }
    if era == LEGACY:
        methods["listen"] = lambda client: client.session.subscribe_resource(URI)
    async with Client(server, mode=era) as client:
        for name, ask in methods.items():
            with pytest.raises(MCPError) as refused:
                await ask(client)
            error = refused.value.error
            assert (name, error.data["code"], error.data["retryable"]) == (name, code, retryable)
            assert error.code == (-32603 if problem.status >= 500 else -32602)
        told = await client.call_tool("whoami", {})
        assert told.structured_content["code"] == code


async def test_completion_that_the_engine_fails_is_an_error_and_not_nothing() -> None:
    class Agents:
        async def list(self, **_: Any) -> Any:
            raise Unavailable("the database does not answer")

    session = SimpleNamespace(agents=Agents(), principal=SimpleNamespace(scope="account", agent_email=None))

    async def sessions(context: Any) -> Any:
        return session

    server = build_server("account", sessions, Services(SystemClock(), Ids()), Unobserved())
    async with Client(server) as client:
        with pytest.raises(MCPError) as refused:
            await client.complete(
                ResourceTemplateReference(uri="mail://{email}/inbox"), {"name": "email", "value": ""}
            )
    assert refused.value.error.data["code"] == "unavailable"
