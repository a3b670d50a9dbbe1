"""Every failure of a tool call: one text form, one structured form."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import CallToolResult

from e2a_core import errors
from e2a_mcp.results import MAX_ERROR_CHARS, failure

from .relay import Relay
from .results import text_of

pytestmark = pytest.mark.anyio


async def refused(relay: Relay, name: str, arguments: dict[str, Any]) -> CallToolResult:
    async with relay.client(relay.home.agent_key) as client:
        result = await client.call_tool(name, arguments)
    assert result.is_error
    assert result.structured_content["code"]
    assert result.structured_content["retryable"] is False
    assert text_of(result).startswith(f"e2a error [{result.structured_content['code']}]: ")
    return result


@pytest.mark.parametrize(
    ("name", "arguments", "field", "words"),
    [
        ("get_message", {}, "arguments.message_id", "message_id is required"),
        ("get_message", {"message_id": 7}, "arguments.message_id", "valid string"),
        ("list_messages", {"form_": "x"}, "arguments.form_", "did you mean from_?"),
        ("list_messages", {"limit": 101}, "arguments.limit", "less than or equal to 100"),
        ("list_messages", {"limit": 0}, "arguments.limit", "greater than or equal to 1"),
        ("list_messages", {"direction": "in"}, "arguments.direction", "inbound, outbound or all"),
        (
            "get_message",
            {"message_id": "m", "format": "pdf"},
            "arguments.format",
            "text, full, html or headers",
        ),
        ("send_message", {"to": []}, "arguments.to", "to must have at least 1 item"),
        (
            "update_message_labels",
            {"message_ids": ["m"] * 101},
            "arguments.message_ids",
            "message_ids must have at most 100 items",
        ),
        ("send_message", {"to": 5}, "arguments.to", "valid list"),
        ("delete_engagement", {"address": "a@b.c"}, "arguments.confirm", "confirm is required"),
        ("delete_message", {"message_id": "m", "confirm": False}, "arguments.confirm", "must be true"),
        ("whoami", {"email": "x"}, "arguments.email", "email is not an argument; valid names: none"),
        (
            "send_message",
            {"to": ["a@b.c"], "attachments": [{"url": "x"}]},
            "arguments.attachments[0].url",
            "did you mean uri?",
        ),
    ],
)
async def test_a_wrong_argument_is_named(
    relay: Relay, name: str, arguments: dict[str, Any], field: str, words: str
) -> None:
    result = await refused(relay, name, arguments)
    content = result.structured_content
    assert (content["code"], content["status"]) == ("invalid_request", 422)
    assert content["details"]["fields"][0]["location"] == field
    assert words in text_of(result)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"to": [1] * 50_000}, "arguments.to"),
        ({"to": ["a@b.c"], "attachments": [{}] * 50_000}, "arguments.attachments"),
        ({"to": ["a@b.c"], "attachments": "[" + "[]," * 500_000 + "[]]"}, "arguments.attachments"),
        ({str(number): 1 for number in range(50_000)}, "arguments"),
        ({"to": ["a@b.c"], "x" * 1_000_000: 1}, None),
    ],
)
async def test_arguments_wrong_by_the_thousand_are_told_in_one_sentence(
    relay: Relay, arguments: dict[str, Any], field: str | None
) -> None:
    result = await refused(relay, "send_message", arguments)
    assert len(text_of(result)) < MAX_ERROR_CHARS + 100
    if field is not None:
        assert [item["location"] for item in result.structured_content["details"]["fields"]] == [field]


async def test_the_offending_value_is_not_repeated(relay: Relay) -> None:
    result = await refused(relay, "list_messages", {"direction": "SECRET-VALUE"})
    assert "SECRET-VALUE" not in str(result)


async def test_an_unknown_tool_is_an_error_a_model_can_read(relay: Relay) -> None:
    result = await refused(relay, "list_mesages", {})
    assert result.structured_content["code"] == "unknown_tool"
    assert "did you mean list_messages?" in text_of(result)


async def test_a_tool_of_the_other_scope_does_not_exist(relay: Relay) -> None:
    for name in ("approve_review", "list_agents", "create_api_key", "approve_message"):
        assert (await refused(relay, name, {})).structured_content["code"] == "unknown_tool"


async def test_an_engine_error_keeps_its_code(relay: Relay) -> None:
    result = await refused(relay, "get_message", {"message_id": "msg_missing"})
    told = {"code": "not_found", "retryable": False, "status": 404}
    assert told.items() <= result.structured_content.items()
    # Of what another deployment refused its own id is told, which leads to its log.
    assert result.structured_content["request_id"].startswith("req_")


async def test_an_account_without_an_inbox_is_told_to_name_one(relay: Relay) -> None:
    async with relay.account() as client:
        result = await client.call_tool("list_messages", {})
    assert result.is_error
    assert result.structured_content["code"] == "invalid_request"
    assert "list_agents" in text_of(result)


async def test_an_unforeseen_failure_says_nothing_of_the_inside(
    relay: Relay, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Any, *_: Any, **__: Any) -> Any:
        raise AttributeError("'NoneType' object has no attribute 'id'")

    session = await relay.engine.session(relay.home.agent_key)
    monkeypatch.setattr(type(session.messages), "get", broken)
    result = await refused(relay, "get_message", {"message_id": "msg_1"})
    assert result.structured_content["code"] == "internal_error"
    assert "NoneType" not in text_of(result)
    assert "get_message failed" in caplog.text


def test_a_retryable_error_says_so_and_when() -> None:
    result = failure(errors.RateLimited("slow down", 7), request_id="mcpreq_1")
    assert result["content"][0]["text"] == "e2a error [rate_limited] (retryable): slow down"
    assert result["structuredContent"] == {
        "code": "rate_limited",
        "message": "slow down",
        "retryable": True,
        "status": 429,
        "request_id": "mcpreq_1",
        "retry_after_seconds": 7,
        "details": {"retry_after_seconds": 7},
    }


def test_the_text_names_the_field() -> None:
    unnamed = failure(errors.InvalidFilter("must be an RFC 3339 time", location="query.since"))
    assert unnamed["content"][0]["text"] == "e2a error [invalid_filter]: since: must be an RFC 3339 time"
    named = failure(errors.InvalidRequest("the subject must be one line", location="body.subject"))
    assert named["content"][0]["text"] == "e2a error [invalid_request]: the subject must be one line"


def test_error_texts_are_one_bounded_line_and_details_are_bounded() -> None:
    result = failure(errors.Conflict("a\r\nb\x00" + "x" * 1000, details={"long": "y" * 3000}))
    text = result["content"][0]["text"]
    assert "\n" not in text
    assert len(text) <= MAX_ERROR_CHARS + len("e2a error [conflict]: ")
    assert "details" not in result["structuredContent"]


def test_what_another_deployment_says_of_fields_reaches_the_text() -> None:
    fields = [
        {"location": "body.to[0]", "message": "is no address"},
        {"location": "query.limit", "message": "too large"},
    ]
    problem = errors.error_from_wire("invalid_request", 422, "validation failed", {"fields": fields})
    problem.request_id = "req_theirs"
    result = failure(problem, request_id="mcpreq_ours")
    assert result["content"][0]["text"] == (
        "e2a error [invalid_request]: to[0]: is no address; limit: too large"
    )
    assert result["structuredContent"]["request_id"] == "req_theirs"
