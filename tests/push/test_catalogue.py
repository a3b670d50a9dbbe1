"""What can be subscribed to, which events a subscription wants, and what it is told of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from e2a_core.contract.principal import Principal
from e2a_core.errors import Forbidden, InvalidFilter, UnknownEvent
from e2a_core.push.catalogue import NAMES, input_schema, matches, read_filters
from e2a_core.push.occurrence import MAX_PAYLOAD_OCTETS, PAYLOAD_SCHEMA, payload

BOT = "bot@agents.test"
AGENT = Principal("acc_1", "owner@x.test", "agent", BOT, "key_1")
ACCOUNT = Principal("acc_1", "owner@x.test", "account", None, "key_2")
PASS = {"dmarc": {"status": "pass", "domain": "y.test"}}


@dataclass(frozen=True)
class Event:
    data: Mapping[str, Any] = field(default_factory=dict)
    type: str = "email.received"
    agent_email: str | None = BOT
    conversation_id: str | None = "conv_1"
    created_at: datetime = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def received(**changes: Any) -> Event:
    data = {
        "message_id": "msg_1",
        "agent_email": BOT,
        "direction": "inbound",
        "header_from": "Ann@Y.test",
        "subject": "Invoice 7",
        "authentication": PASS,
    }
    return Event({**data, **changes})


@pytest.mark.parametrize(
    ("event", "arguments", "wanted"),
    [
        (received(), {}, True),
        (received(), {"agent_email": f" {BOT.upper()} "}, True),
        (received(), {"from": "ann@y.test"}, True),
        (received(), {"from": "y.test"}, True),
        (received(), {"from": "@Y.TEST"}, True),
        (received(), {"from": "test"}, False),
        (received(), {"from": "n@y.test"}, False),
        (received(), {"from": "bob@y.test"}, False),
        (received(), {"subject_contains": "INVOICE"}, True),
        (received(subject="STRASSE"), {"subject_contains": "straße"}, True),
        (received(), {"subject_contains": "offer"}, False),
        (received(subject=None), {"subject_contains": "offer"}, False),
        (received(), {"verified_only": True}, True),
        (received(), {"verified_only": False}, True),
        (received(authentication={"dmarc": {"status": "fail"}}), {"verified_only": True}, False),
        (received(authentication=None), {"verified_only": True}, False),
        (received(authentication={**PASS, "coverage": "partial"}), {"verified_only": True}, False),
        (received(authentication=None, author_agent="mate@agents.test"), {"verified_only": True}, True),
        (received(), {"conversation_id": "conv_1"}, True),
        (received(), {"conversation_id": "conv_2"}, False),
        (received(), {"from": "y.test", "conversation_id": "conv_1", "subject_contains": "7"}, True),
        (received(), {"from": "y.test", "conversation_id": "conv_2", "subject_contains": "7"}, False),
        (received(header_from=BOT, author_agent=BOT), {}, False),
        (received(header_from=BOT, author_agent=BOT), {"from": BOT}, True),
        (received(header_from=BOT), {}, True),
        (Event(received().data, agent_email="mate@agents.test"), {}, False),
        (Event(received().data, type="email.flagged"), {}, False),
    ],
)
def test_filters(event: Event, arguments: dict[str, Any], wanted: bool) -> None:
    jsonschema.validate(arguments, input_schema(AGENT))
    assert matches(event, read_filters(AGENT, "email.received", arguments)) is wanted


@pytest.mark.parametrize("name", ["email.review_requested", "email.review_rejected"])
def test_agents_never_hear_of_inbound_mail_that_is_held(name: str) -> None:
    inbound, outbound = Event({"direction": "inbound"}, name), Event({"direction": "outbound"}, name)
    assert matches(inbound, read_filters(ACCOUNT, name, {"agent_email": BOT}))
    assert not matches(inbound, read_filters(AGENT, name, {}))
    assert matches(outbound, read_filters(AGENT, name, {}))


def test_reports_on_sent_mail_are_from_the_inbox() -> None:
    bounce = Event({"direction": "outbound", "message_id": "msg_1"}, "email.bounced")
    assert matches(bounce, read_filters(AGENT, "email.bounced", {"from": BOT, "verified_only": True}))
    assert payload(bounce)["from"] == BOT


@pytest.mark.parametrize(
    "arguments",
    [
        {"agent_email": ""},
        {"agent_email": 1},
        {"agent_email": None},
        {"agent_email": "x" * 321},
        {"from": []},
        {"from": "  "},
        {"subject_contains": "x" * 201},
        {"subject_contains": "\x00"},
        {"subject_contains": "\ud800"},
        {"verified_only": "true"},
        {"verified_only": 1},
        {"verified_only": None},
        {"conversation_id": {}},
        {"Agent_email": BOT},
        {"labels": ["x"]},
        [],
        "all",
        7,
    ],
)
@pytest.mark.parametrize("principal", [AGENT, ACCOUNT])
def test_invalid_arguments_are_named(principal: Principal, arguments: Any) -> None:
    given = arguments
    if principal is ACCOUNT and isinstance(arguments, dict):
        given = {"agent_email": BOT, **arguments}
    with pytest.raises(InvalidFilter) as found:
        read_filters(principal, "email.received", given)
    assert found.value.fields[0][0].startswith("arguments")


def test_an_account_names_the_inbox_and_an_agent_has_its_own() -> None:
    with pytest.raises(InvalidFilter):
        read_filters(ACCOUNT, "email.received", None)
    with pytest.raises(Forbidden):
        read_filters(AGENT, "email.received", {"agent_email": "mate@agents.test"})
    assert read_filters(AGENT, "email.received", None).agent_email == BOT
    assert input_schema(ACCOUNT)["required"] == ["agent_email"]
    assert "required" not in input_schema(AGENT)


@pytest.mark.parametrize(
    "name", ["", "email", "email.blocked", "message.updated", "Email.Received", 1, None, []]
)
def test_unknown_events_are_refused(name: object) -> None:
    with pytest.raises(UnknownEvent):
        read_filters(AGENT, name, {})


def test_what_is_told_is_small_and_hides_nothing() -> None:
    hostile = "\u202e" + "\U0001f600\u200b" * 5_000
    event = received(
        subject=hostile,
        to=[f"{'x' * 64}{n}@{'d' * 240}.test" for n in range(900)],
        tag=hostile,
        auth_headers={"X-E2A": "no"},
        delivered_to=hostile,
    )
    told = payload(event)
    assert len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()) <= MAX_PAYLOAD_OCTETS
    assert told["truncated"] is True
    assert "\u202e" not in json.dumps(told, ensure_ascii=False)
    assert "auth_headers" not in told
    jsonschema.validate(told, PAYLOAD_SCHEMA)


def test_what_is_told_of_ordinary_mail() -> None:
    assert payload(received(to=["bot@agents.test"], attachments=[{"filename": "a.pdf"}])) == {
        "message_id": "msg_1",
        "agent_email": BOT,
        "direction": "inbound",
        "conversation_id": "conv_1",
        "from": "Ann@Y.test",
        "to": ["bot@agents.test"],
        "recipients": 1,
        "subject": "Invoice 7",
        "verified": True,
        "attachments": 1,
    }


def test_the_schemas_are_valid() -> None:
    for schema in (input_schema(AGENT), input_schema(ACCOUNT), PAYLOAD_SCHEMA):
        jsonschema.Draft202012Validator.check_schema(schema)
    assert len(NAMES) == 10
