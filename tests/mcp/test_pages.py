"""Lists of the protocol page through everything, and refuse a cursor that they did not give; what they show of it."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, ResourceTemplateReference

from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.base import Page
from e2a_core.local.agents import Agents
from e2a_core.local.reviews import Reviews

from .conftest import Connect
from .relay import LEGACY, Inbox, Relay

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("both engines page alike")]

PAGE = 2


@pytest.fixture
async def short_pages(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The inboxes of the account, which come in pages of two."""
    for number in range(2 * PAGE):
        await relay.owner.agents.create(CreateAgentRequest(email=f"page-{number}@agents.example"))
    emails = [agent.email for agent in (await relay.owner.agents.list()).items]
    whole = Agents.list

    async def listed(self: Any, *, cursor: str | None = None, **options: Any) -> Page[Any]:
        return await whole(self, cursor=cursor, **{**options, "limit": PAGE})

    monkeypatch.setattr(Agents, "list", listed)
    return emails


async def test_resources_and_completion_go_beyond_a_page(
    relay: Relay, connect: Connect, short_pages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    async with connect("account") as client:
        cursor: str | None = None
        while True:
            page = await client.list_resources(cursor=cursor)
            found += [str(resource.uri) for resource in page.resources]
            cursor = page.next_cursor
            if cursor is None:
                break
        template = ResourceTemplateReference(uri="mail://{email}/inbox")
        completed = await client.complete(template, {"name": "email", "value": "page-"})
    assert found == [*(f"mail://{email}/inbox" for email in short_pages), "mail://reviews"]
    assert sorted(completed.completion.values) == [
        f"page-{number}@agents.example" for number in range(2 * PAGE)
    ]


@pytest.mark.parametrize("scope", ["agent", "account"])
async def test_a_cursor_of_nowhere_is_invalid(connect: Connect, scope: str, era: str) -> None:
    async with connect(scope, mode=era) as client:
        for listing in (
            client.list_tools,
            client.list_prompts,
            client.list_resources,
            client.list_resource_templates,
        ):
            with pytest.raises(MCPError) as refused:
                await listing(cursor="no-cursor")
            assert refused.value.error.code == INVALID_PARAMS, listing


async def test_the_review_queue_goes_beyond_a_page(
    relay: Relay, box: Inbox, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    await box.hold_sends()
    for number in range(PAGE + 1):
        async with box.client() as client:
            await client.call_tool(
                "send_message", {"to": ["bob@example.net"], "subject": f"n{number}", "text": "t"}
            )
    whole = Reviews.list

    async def listed(self: Any, *, cursor: str | None = None, **options: Any) -> Page[Any]:
        return await whole(self, cursor=cursor, **{**options, "limit": PAGE})

    monkeypatch.setattr(Reviews, "list", listed)
    async with connect("account") as client:
        first = (await client.read_resource("mail://reviews")).contents[0].text  # type: ignore[union-attr]
        cursor = first.partition("cursor=")[2].split()[0]
        second = (await client.read_resource(f"mail://reviews?cursor={cursor}")).contents[0].text  # type: ignore[union-attr]
        templates = (await client.list_resource_templates()).resource_templates
        with pytest.raises(MCPError):
            await client.read_resource("mail://reviews?cursor=no-cursor")
    assert first.startswith(f"{PAGE} waiting")
    assert second.startswith("1 waiting")
    assert "mail://reviews?cursor={cursor}" in [template.uri_template for template in templates]


async def test_server_tools_and_resources_have_icons_and_annotations(connect: Connect) -> None:
    async with connect("account", mode=LEGACY) as client:
        info = client.server_info
        tools = (await client.list_tools()).tools
        resources = (await client.list_resources()).resources
    assert info is not None
    assert info.website_url
    for icons in (info.icons, *(tool.icons for tool in tools), *(resource.icons for resource in resources)):
        assert icons
        assert icons[0].src.startswith("data:image/svg+xml,")
    assert all(resource.annotations and resource.annotations.audience for resource in resources)
