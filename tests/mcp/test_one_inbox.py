"""An account's key that serves the agent scope reaches one inbox, the one that the setting names."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import ResourceTemplateReference

from e2a_core.contract.engine import Session
from e2a_core.errors import Forbidden, NotFound

from .relay import EVERYTHING, Relay
from .results import text_of

pytestmark = [pytest.mark.anyio, pytest.mark.remote_only("the home's own session is bound to its inbox")]


async def refused(client: Any, name: str, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert result.is_error
    text: str = text_of(result)
    return text


async def test_only_the_inbox_of_the_setting_is_there(relay: Relay) -> None:
    box, other = await relay.inbox(), await relay.inbox()
    message_id = await other.deliver()
    session = await relay.engine.home_session(agent_email=f" {box.email.upper()} ", scope="agent")

    async def sessions(context: Any) -> Session:
        return session

    async with relay.direct(sessions) as client:
        me = (await client.call_tool("whoami", {})).structured_content
        assert (me["scope"], me["agent_email"]) == ("agent", box.email)
        assert [item.uri for item in (await client.list_resources()).resources] == [box.uri]
        template = ResourceTemplateReference(uri="mail://{email}/inbox")
        completed = await client.complete(template, {"name": "email", "value": ""})
        assert completed.completion.values == [box.email]
        assert not (await client.call_tool("list_messages", {})).is_error
        assert not (await client.call_tool("list_messages", {"email": box.email.upper()})).is_error
        assert "E2A_AGENT_EMAIL" in await refused(client, "list_messages", email=other.email)
        attached = {"uri": f"mail://{other.email}/messages/{message_id}/attachments/0"}
        sending = {"to": ["bob@example.net"], "subject": "s", "text": "t", "attachments": [attached]}
        assert "E2A_AGENT_EMAIL" in await refused(client, "send_message", **sending)
        for uri in (other.uri, f"mail://{other.email}/messages/{message_id}", "mail://reviews"):
            with pytest.raises(MCPError):
                await client.read_resource(uri)
        async with client.listen(resource_subscriptions=[box.uri, other.uri]) as stream:
            assert stream.honored.resource_subscriptions == [box.uri]
    with pytest.raises(Forbidden):
        await session.reviews.list()
    with pytest.raises(Forbidden):
        await session.messages.list(other.email, EVERYTHING)


async def test_without_the_setting_it_is_asked_for(relay: Relay) -> None:
    box = await relay.inbox()
    session = await relay.engine.home_session(scope="agent")

    async def sessions(context: Any) -> Session:
        return session

    async with relay.direct(sessions) as client:
        assert (await client.call_tool("whoami", {})).structured_content["scope"] == "agent"
        assert (await client.list_resources()).resources == []
        for arguments in ({}, {"email": box.email}):
            told = await refused(client, "list_messages", **arguments)
            assert "set E2A_AGENT_EMAIL" in told
            assert "list_agents" not in told
        with pytest.raises(MCPError, match="E2A_AGENT_EMAIL"):
            await client.read_resource(box.uri)


async def test_the_account_scope_reaches_everything_and_takes_the_setting_for_its_own_inbox(
    relay: Relay,
) -> None:
    box, other = await relay.inbox(), await relay.inbox()
    session = await relay.engine.home_session(agent_email=box.email, scope="account")
    assert (session.principal.scope, session.principal.agent_email) == ("account", box.email)
    assert (await session.messages.list(other.email, EVERYTHING)).items == []
    for scope in ("agent", "account"):
        with pytest.raises(NotFound):
            await relay.engine.home_session(agent_email=f"no-{box.email}", scope=scope)
