"""What `tools/list` shows: names, size, schemas, hints, order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from mcp_types import Tool

from e2a_core.errors import InvalidRequest, RateLimited
from e2a_core.settings import load_settings
from e2a_mcp.results import failure
from e2a_mcp.tools import PROFILES

from .conftest import Connect
from .results import text_of
from .test_every_argument import optional_arguments, value_of

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("a catalogue is made without the engine")]

AGENT_NAMES = [
    "whoami",
    "get_agent",
    "list_messages",
    "get_message",
    "get_message_lifecycle",
    "get_attachment",
    "wait_for_message",
    "get_recent_events",
    "send_message",
    "reply_to_message",
    "forward_message",
    "ask_owner",
    "update_message_labels",
    "list_conversations",
    "get_conversation",
    "delete_message",
    "restore_message",
    "get_agent_metrics",
]
ACCOUNT_NAMES = [
    "list_agents",
    "create_agent",
    "update_agent",
    "delete_agent",
    "restore_agent",
    "test_agent",
    "pause_agent",
    "resume_agent",
    "pause_account",
    "resume_account",
    "get_protection",
    "update_protection",
    "list_reviews",
    "get_review",
    "approve_review",
    "reject_review",
    "list_api_keys",
    "create_api_key",
    "delete_api_key",
    "list_domains",
    "get_domain",
    "register_domain",
    "verify_domain",
    "delete_domain",
    "rotate_domain_key",
    "list_templates",
    "get_template",
    "create_template",
    "update_template",
    "delete_template",
    "validate_template",
    "list_starter_templates",
    "get_starter_template",
    "list_suppressions",
    "create_suppression",
    "delete_suppression",
    "list_contacts",
    "get_contact",
    "create_contact",
    "update_contact",
    "delete_contact",
    "import_contacts",
    "delete_import_batch",
    "list_engagements",
    "get_engagement",
    "upsert_engagement",
    "delete_engagement",
    "list_delegations",
    "create_delegation",
    "delete_delegation",
    "list_webhooks",
    "create_webhook",
    "update_webhook",
    "delete_webhook",
    "rotate_webhook_secret",
    "test_webhook",
    "list_webhook_deliveries",
    "list_events",
    "redeliver_event",
    "get_account_metrics",
    "export_account",
]
LEGACY_NAMES = {
    "send_email",
    "get_attachment_data",
    "wait_for_review",
    "list_pending_messages",
    "get_pending_message",
    "approve_pending_message",
    "approve_message",
    "reject_pending_message",
    "reject_message",
}
CONFIRMED = {
    "delete_agent",
    "delete_api_key",
    "delete_domain",
    "delete_template",
    "delete_suppression",
    "delete_contact",
    "delete_import_batch",
    "delete_engagement",
    "delete_delegation",
    "delete_webhook",
}
DESTRUCTIVE = {"reject_review", "delete_message", *CONFIRMED}
READ_ONLY = {
    "whoami",
    "get_agent",
    "list_messages",
    "get_message_lifecycle",
    "get_attachment",
    "get_recent_events",
    "list_conversations",
    "get_conversation",
    "list_agents",
    "get_protection",
    "list_reviews",
    "get_review",
    "list_api_keys",
    "list_domains",
    "get_domain",
    "list_templates",
    "get_template",
    "validate_template",
    "list_starter_templates",
    "get_starter_template",
    "list_suppressions",
    "list_contacts",
    "get_contact",
    "list_engagements",
    "get_engagement",
    "list_delegations",
    "list_webhooks",
    "list_webhook_deliveries",
    "list_events",
    "get_agent_metrics",
    "get_account_metrics",
    "export_account",
}
CALLING_OUT = {"create_webhook", "test_webhook", "redeliver_event"}
OPEN_WORLD = {
    "send_message",
    "reply_to_message",
    "forward_message",
    "ask_owner",
    "approve_review",
    *CALLING_OUT,
}
AGENT_BUDGET = 9_000
ACCOUNT_BUDGET = 30_000


async def listed(connect: Connect, scope: str, **options: Any) -> list[Tool]:
    async with connect(scope, **options) as client:
        return list((await client.list_tools()).tools)


def characters(tools: list[Tool]) -> int:
    """What a model reads of a catalogue."""
    return sum(
        len(tool.name)
        + len(tool.description or "")
        + len(json.dumps(tool.input_schema, separators=(",", ":")))
        for tool in tools
    )


async def test_each_scope_lists_its_tools_in_order(connect: Connect) -> None:
    assert [tool.name for tool in await listed(connect, "agent")] == AGENT_NAMES
    assert [tool.name for tool in await listed(connect, "account")] == [*AGENT_NAMES, *ACCOUNT_NAMES]


async def test_the_old_names_are_listed_on_request_only(connect: Connect) -> None:
    names = {tool.name for tool in await listed(connect, "account", legacy_tools=True)}
    assert names == {*AGENT_NAMES, *ACCOUNT_NAMES, *LEGACY_NAMES}


async def test_the_agent_scope_fits_its_budget(connect: Connect) -> None:
    assert characters(await listed(connect, "agent")) <= AGENT_BUDGET


async def test_both_scopes_together_fit_theirs(connect: Connect) -> None:
    assert characters(await listed(connect, "account")) < ACCOUNT_BUDGET


async def test_profiles_list_fewer_tools_in_the_same_order(connect: Connect) -> None:
    async def names(scope: str, *profiles: str) -> list[str]:
        return [tool.name for tool in await listed(connect, scope, profiles=frozenset(profiles))]

    everything = [*AGENT_NAMES, *ACCOUNT_NAMES]
    whoever = {"whoami", "get_agent", "list_agents"}
    inbox, review, admin = [await names("account", profile) for profile in ("inbox", "review", "admin")]
    assert inbox == [name for name in everything if name in {*AGENT_NAMES, "list_agents"}]
    assert {"get_review", "approve_review", "update_protection"} < set(review)
    assert {"create_api_key", "delete_domain", "import_contacts", "export_account"} < set(admin)
    assert {*inbox, *review, *admin} == set(everything)
    assert set(inbox) & set(review) == set(inbox) & set(admin) == set(review) & set(admin) == whoever
    assert await names("account", "review", "admin") == [
        name for name in everything if name in {*review, *admin}
    ]
    assert await names("agent", "review") == ["whoami", "get_agent"]


async def test_a_tool_outside_the_profile_is_not_there(connect: Connect) -> None:
    async with connect("account", profiles=frozenset({"inbox"})) as client:
        result = await client.call_tool("list_api_keys", {})
        assert result.structured_content["code"] == "unknown_tool"
        assert "list_agents" in text_of(result)
        assert not (await client.call_tool("list_agents", {})).is_error


async def test_the_settings_know_the_same_profiles() -> None:
    assert load_settings({"E2A_MCP_PROFILE": ",".join(PROFILES)}).mcp_profile == tuple(PROFILES)


async def test_templates_are_listed_to_accounts_only(connect: Connect) -> None:
    def inputs(tools: list[Tool], name: str) -> set[str]:
        (found,) = (tool for tool in tools if tool.name == name)
        return set(found.input_schema["properties"])

    agent, account = await listed(connect, "agent"), await listed(connect, "account")
    assert inputs(account, "send_message") - inputs(agent, "send_message") == {
        "email",
        "template_id",
        "template_alias",
        "template_data",
    }
    for name in ("send_message", "reply_to_message", "forward_message"):
        assert {"send_at", "unsubscribe", "wait_sent"} < inputs(agent, name)


async def test_every_tool_has_title_hints_and_closed_input(connect: Connect) -> None:
    for tool in await listed(connect, "account", legacy_tools=True):
        assert tool.title
        assert tool.input_schema["additionalProperties"] is False, tool.name
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        hints = tool.annotations
        assert hints is not None
        assert None not in (
            hints.read_only_hint,
            hints.destructive_hint,
            hints.idempotent_hint,
            hints.open_world_hint,
        ), tool.name


async def test_the_hints_are_right(connect: Connect) -> None:
    tools = {tool.name: tool.annotations for tool in await listed(connect, "account")}
    assert {name for name, hints in tools.items() if hints and hints.destructive_hint} == DESTRUCTIVE
    assert {name for name, hints in tools.items() if hints and hints.read_only_hint} == READ_ONLY
    assert {name for name, hints in tools.items() if hints and hints.open_world_hint} == OPEN_WORLD


async def test_an_agent_is_not_asked_for_its_inbox(connect: Connect) -> None:
    assert not [
        tool.name for tool in await listed(connect, "agent") if "email" in tool.input_schema["properties"]
    ]


SELF_EXPLANATORY = {
    *("to", "cc", "bcc", "subject", "subject_contains", "text", "name", "display_name", "address", "domain"),
    *(
        "message_id",
        "event_id",
        "id",
        "limit",
        "max_chars",
        "timeout_seconds",
        "direction",
        "reason",
        "confirm",
        "contacts",
    ),
    "question",
    *("add_labels", "remove_labels", "read_status", "attachments", "filename", "content_type"),
}
"""Names that say all."""
TOLD_ONCE = {"reply_to_message", "forward_message"}
"""Tools whose description refers to `send_message` for what they share with it."""


async def test_every_argument_is_described_unless_its_name_says_all(connect: Connect, tmp_path: Any) -> None:
    tools = {tool.name: tool for tool in await listed(connect, "account", roots=(tmp_path,))}
    shared = set(tools["send_message"].input_schema["properties"])
    for name, tool in tools.items():
        told = shared if name in TOLD_ONCE else set()
        for argument, schema in _arguments(tool.input_schema):
            described = schema.get("description") or argument in SELF_EXPLANATORY | told
            assert described, f"{name}.{argument}"
    for name in TOLD_ONCE:
        assert "send_message" in (tools[name].description or "")


def _arguments(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The arguments with those of the objects in their lists."""
    for name, inner in schema.get("properties", {}).items():
        yield name, inner
        yield from _arguments(inner.get("items", {}))


async def test_the_schemas_are_valid_and_free_of_noise(connect: Connect) -> None:
    for tool in await listed(connect, "account", legacy_tools=True):
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        assert tool.output_schema is not None
        jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        text = json.dumps(tool.input_schema)
        assert "$defs" not in text, tool.name
        assert "anyOf" not in text, tool.name
        assert '"title"' not in text, tool.name


async def test_an_error_fits_the_output_schema_of_every_tool(connect: Connect) -> None:
    details = {"fields": [{"location": "arguments.to", "message": "to is required"}]}
    errors = [
        failure(InvalidRequest("no", details=details), request_id="req_1"),
        failure(RateLimited("later", 7)),
    ]
    for tool in await listed(connect, "account", legacy_tools=True):
        check = jsonschema.Draft202012Validator(tool.output_schema or {})
        for error in errors:
            check.validate(error["structuredContent"])
        assert not check.is_valid({}), tool.name


async def test_confirm_is_the_literal_true(connect: Connect) -> None:
    tools = {tool.name: tool for tool in await listed(connect, "account")}
    for name in CONFIRMED:
        assert tools[name].input_schema["properties"]["confirm"] == {"const": True, "type": "boolean"}
        # What is only put into the trash needs no second word.
        needed = "confirm" in tools[name].input_schema["required"]
        assert needed == (name != "delete_message")


async def test_paths_are_offered_only_where_they_work(connect: Connect, tmp_path: Any) -> None:
    def sources(tools: list[Tool]) -> set[str]:
        (send,) = (tool for tool in tools if tool.name == "send_message")
        return set(send.input_schema["properties"]["attachments"]["items"]["properties"])

    assert "path" not in sources(await listed(connect, "agent"))
    assert "path" in sources(await listed(connect, "agent", roots=(tmp_path,)))


async def test_the_server_explains_itself(connect: Connect, era: str) -> None:
    async with connect(mode="auto" if era != "legacy" else era) as client:
        assert client.server_info is not None
        assert client.server_info.name == "e2a"
        assert "never" in (client.instructions or "").lower()
        assert client.server_capabilities.resources is not None
        assert client.server_capabilities.resources.subscribe is True


def test_every_optional_argument_has_a_value_to_be_tried_with() -> None:
    for name, argument in optional_arguments():
        value_of(name, argument)
