"""Every optional argument of every tool reaches a real home: it is taken, or refused by a code that shows it was."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import anyio
import pytest

from e2a_core.clock import SystemClock, rfc3339
from e2a_core.contract.engine import Session
from e2a_core.ids import Ids
from e2a_core.local.engine import open_local_engine
from e2a_core.observer import Unobserved
from e2a_core.settings import load_settings
from e2a_mcp.owner import OwnersNamed
from e2a_mcp.schema import input_schema
from e2a_mcp.server import build_server
from e2a_mcp.tool import Services, Tool
from e2a_mcp.tools import ACCOUNT_TOOLS, AGENT_TOOLS, LEGACY_ACCOUNT_TOOLS, LEGACY_AGENT_TOOLS
from mcp import Client

pytestmark = pytest.mark.anyio

DOMAIN = "agents.localhost"
BOX, PEER, HELD = f"box@{DOMAIN}", f"peer@{DOMAIN}", f"held@{DOMAIN}"
SINCE, LATER = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"
SOON = rfc3339(datetime.now(UTC) + timedelta(hours=1))
YESTERDAY = rfc3339(datetime.now(UTC) - timedelta(days=1))
NOWHERE = "http://127.0.0.1:9"
OWNER = "ann@example.org"
PATIENCE_SECONDS = 30
TOOLS: tuple[Tool[Any], ...] = (*AGENT_TOOLS, *ACCOUNT_TOOLS, *LEGACY_AGENT_TOOLS, *LEGACY_ACCOUNT_TOOLS)


@dataclass(frozen=True)
class Refused:
    """A value that is refused with `code`, since what it names is not there."""

    value: Any
    code: str


VALUES: Mapping[str, Any] = {
    "add_labels": ["seen"],
    "agent_email": BOX,
    "alias": "greeting",
    "allow_duplicate": True,
    "arguments": {"from": PEER},
    "attachments": [
        {"filename": "a.txt", "content_type": "text/plain", "data": base64.b64encode(b"a").decode()}
    ],
    "bcc": [PEER],
    "body_html": "<p>Edited</p>",
    "body_text": "Edited",
    "bucket": "day",
    "cc": [PEER],
    "content_hash": Refused("0" * 64, "draft_changed"),
    "confirm": True,
    "conversation_id": "thread-1",
    "created_after": SINCE,
    "created_before": LATER,
    "cursor": Refused("no-cursor", "invalid_cursor"),
    "data": {"subject": "hello"},
    "deleted": True,
    "description": "a note",
    "direction": "all",
    "display_name": "Ann",
    "email": BOX,
    "enabled": False,
    "end": SOON,
    "event_id": "evt_none",
    "event_name": "email.sent",
    "events": ["email.sent"],
    "expires_at": LATER,
    "filter": "label:seen",
    "filters": {"agent_emails": [BOX], "labels": ["seen"]},
    "format": "headers",
    "from_": PEER,
    "from_starter": Refused("no-such-starter", "starter_template_not_found"),
    "group_by": "agent",
    "holds_on_expiry": "reject",
    "holds_suppress_notifications": True,
    "holds_ttl_seconds": 3600,
    "html": "<p>Hi</p>",
    "html_body": "<p>Hi</p>",
    "idempotency_key": "key-1",
    "if_match": Refused('"1"', "precondition_failed"),
    "import_batch_id": "no-such-batch",
    "inbound_gate_action": "flag",
    "inbound_gate_allowlist": [PEER],
    "inbound_gate_policy": "open",
    "inbound_scan_sensitivity": "low",
    "inline": True,
    "labels": ["seen"],
    "last_outbound_before": LATER,
    "limit": 1,
    "max_chars": 10,
    "message_id": "msg_1",
    "message_ids": ["msg_1"],
    "metadata": {"team": "red"},
    "name": "Ann",
    "next_action_at": LATER,
    "next_action_before": LATER,
    "offset": 1,
    "on_conflict": "skip",
    "ordered": True,
    "outbound_gate_action": "flag",
    "outbound_gate_allowlist": [PEER],
    "outbound_gate_policy": "open",
    "outbound_scan_sensitivity": "low",
    "peek": True,
    "query": "hello",
    "question": "Shall I?",
    "read_status": "all",
    "reason": "because",
    "remove_labels": ["seen"],
    "replied": False,
    "reply_all": True,
    "reply_to": PEER,
    "send_at": SOON,
    "since": SINCE,
    "sort": "asc",
    "source": "api",
    "stage": "met",
    "status": "pending",
    "start": YESTERDAY,
    "subject": "Edited",
    "subject_contains": "hello",
    "suppressed": False,
    "template_alias": Refused("no-such-alias", "template_not_found"),
    "template_data": {"name": "Ann"},
    "template_id": Refused("tmpl_none", "template_not_found"),
    "test_data": {"name": "Ann"},
    "text": "Hello",
    "timeout_seconds": 1,
    "trust": "verified",
    "to": [PEER],
    "type": "email.received",
    "unsubscribe": "managed",
    "until": LATER,
    "url": f"{NOWHERE}/moved",
    "valid_from": SINCE,
    "valid_until": LATER,
    "verified_only": True,
    "wait_sent": True,
    "webhook_id": "wh_1",
}
"""A value for every optional argument, whichever tool it belongs to."""

OTHERWISE: Mapping[tuple[str, str], Any] = {
    ("get_pending_message", "format"): "html",
    ("get_review", "format"): "html",
    ("update_message_labels", "read_status"): "read",
}
"""Values of arguments that mean something else in one tool."""

ALONE: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("create_template", "from_starter"): {"text": None, "subject": None},
    ("send_message", "template_id"): {"text": None, "subject": None},
    ("send_message", "template_alias"): {"text": None, "subject": None},
    ("send_message", "template_data"): {"text": None, "subject": None, "template_alias": "welcome"},
}
"""What an argument rules out, as null, or asks for."""

ONCE = frozenset({"alias", "idempotency_key"})
"""Arguments whose value serves one call alone."""


@dataclass
class World:
    """A home with an inbox that has mail, and a client of it."""

    session: Session
    client: Client

    def fresh(self, name: str) -> str:
        return f"{name}-{uuid.uuid4().hex[:12]}"

    async def call(self, name: str, /, **arguments: Any) -> Any:
        result = await self.client.call_tool(name, arguments)
        assert not result.is_error, (name, result.content)
        return result.structured_content

    async def mail(self) -> str:
        """The message with a file that the inbox was sent."""
        found = await self.call("list_messages", email=BOX, read_status="all", from_=PEER, limit=100)
        return next(str(row["id"]) for row in found["messages"] if row.get("attachment_count"))

    async def arrived(self) -> str:
        """A message of its own conversation: too many answers in one are held for a person."""
        letter = {"to": [BOX], "subject": self.fresh("subject"), "text": "t"}
        await self.call("send_message", email=PEER, **letter)
        waited = await self.call("wait_for_message", email=BOX, subject_contains=letter["subject"])
        return str(waited["message"]["id"])

    async def sent(self) -> str:
        letter = {"to": [PEER], "subject": self.fresh("subject"), "text": "t", "wait_sent": True}
        return str((await self.call("send_message", email=BOX, **letter))["message_id"])

    async def draft(self) -> str:
        letter = {"to": [PEER], "subject": self.fresh("subject"), "text": "t"}
        sent = await self.call("send_message", email=HELD, **letter)
        assert sent["status"] == "pending_review"
        return str(sent["message_id"])


Plain = Callable[[World], Awaitable[dict[str, Any]]]


async def _message(world: World) -> dict[str, Any]:
    return {"message_id": await world.mail()}


async def _file(world: World) -> dict[str, Any]:
    return {"message_id": await world.mail(), "attachment_index": 0}


async def _sent(world: World) -> dict[str, Any]:
    return {"message_id": await world.sent(), "confirm": True}


async def _trashed(world: World) -> dict[str, Any]:
    message_id = await world.sent()
    await world.call("delete_message", email=BOX, message_id=message_id, confirm=True)
    return {"message_id": message_id}


async def _conversation(world: World) -> dict[str, Any]:
    found = await world.call("list_conversations", email=BOX)
    return {"conversation_id": found["conversations"][0]["id"]}


async def _draft(world: World) -> dict[str, Any]:
    return {"message_id": await world.draft()}


async def _letter(world: World) -> dict[str, Any]:
    return {"to": [PEER], "subject": world.fresh("subject"), "text": "t"}


async def _old_letter(world: World) -> dict[str, Any]:
    return {"to": [PEER], "subject": world.fresh("subject"), "body": "t"}


async def _reply(world: World) -> dict[str, Any]:
    return {"message_id": await world.arrived(), "text": "t"}


async def _forward(world: World) -> dict[str, Any]:
    return {"message_id": await world.mail(), "to": [PEER], "text": world.fresh("text")}


async def _address(world: World) -> dict[str, Any]:
    return {"address": f"{world.fresh('ann')}@example.org"}


async def _contact(world: World) -> dict[str, Any]:
    named = await _address(world)
    await world.call("create_contact", **named)
    return named


async def _outreach(world: World) -> dict[str, Any]:
    named = await _contact(world)
    await world.call("upsert_engagement", email=BOX, **named)
    return named


async def _ended_outreach(world: World) -> dict[str, Any]:
    return {**await _outreach(world), "confirm": True}


async def _suppressed(world: World) -> dict[str, Any]:
    named = await _address(world)
    await world.call("create_suppression", email=BOX, **named)
    return {**named, "confirm": True}


async def _suppression(world: World) -> dict[str, Any]:
    return {"email": BOX, **await _address(world)}


async def _agent(world: World) -> dict[str, Any]:
    return {"email": f"{world.fresh('made')}@{DOMAIN}"}


async def _made_agent(world: World) -> dict[str, Any]:
    return {"email": (await world.call("create_agent", **await _agent(world)))["email"]}


async def _ended_agent(world: World) -> dict[str, Any]:
    return {**await _made_agent(world), "confirm": True}


async def _delegation(world: World) -> dict[str, Any]:
    return {"human": f"{world.fresh('ann')}@example.org"}


async def _ended_delegation(world: World) -> dict[str, Any]:
    made = await world.call("create_delegation", email=BOX, **await _delegation(world))
    return {"id": made["id"], "confirm": True}


async def _parts(world: World) -> dict[str, Any]:
    return {"name": world.fresh("name"), "subject": "Hi {{name}}", "text": "Dear {{name}}"}


async def _template(world: World) -> dict[str, Any]:
    kept = (await world.call("list_templates"))["templates"]
    return {"id": next(template["id"] for template in kept if template["name"] != "Welcome")}


async def _rows(world: World) -> dict[str, Any]:
    return {"contacts": [await _address(world)]}


async def _inbox(world: World) -> dict[str, Any]:
    return {"agent_email": BOX}


async def _name(world: World) -> dict[str, Any]:
    return {"email": BOX, "name": "Box"}


async def _question(world: World) -> dict[str, Any]:
    return {"email": BOX, "question": world.fresh("question"), "timeout_seconds": 1}


async def _url(world: World) -> dict[str, Any]:
    return {"url": f"{NOWHERE}/hook", "events": ["email.received"]}


async def _webhook(world: World) -> dict[str, Any]:
    return {"id": (await world.call("create_webhook", **await _url(world)))["id"]}


async def _event(world: World) -> dict[str, Any]:
    webhook_id = (await _webhook(world))["id"]
    await world.arrived()
    found = await world.call("list_events", type="email.received", limit=1)
    return {"id": found["events"][0]["id"], "webhook_id": webhook_id}


async def _patience(world: World) -> dict[str, Any]:
    return {"email": BOX, "timeout_seconds": 1}


async def _held_patience(world: World) -> dict[str, Any]:
    return {"email": HELD, "message_id": await world.draft(), "timeout_seconds": 1}


PLAIN: Mapping[str, Plain] = {
    "approve_message": _draft,
    "approve_pending_message": _draft,
    "approve_review": _draft,
    "ask_owner": _question,
    "create_agent": _agent,
    "create_api_key": _inbox,
    "create_contact": _address,
    "create_delegation": _delegation,
    "create_suppression": _suppression,
    "create_template": _parts,
    "create_webhook": _url,
    "delete_agent": _ended_agent,
    "delete_delegation": _ended_delegation,
    "delete_engagement": _ended_outreach,
    "delete_message": _sent,
    "delete_suppression": _suppressed,
    "forward_message": _forward,
    "get_attachment": _file,
    "get_attachment_data": _file,
    "get_conversation": _conversation,
    "get_engagement": _outreach,
    "get_message": _message,
    "get_pending_message": _draft,
    "get_review": _draft,
    "get_message_lifecycle": _message,
    "import_contacts": _rows,
    "list_webhook_deliveries": _webhook,
    "redeliver_event": _event,
    "reject_message": _draft,
    "reject_pending_message": _draft,
    "reject_review": _draft,
    "reply_to_message": _reply,
    "restore_message": _trashed,
    "send_email": _old_letter,
    "send_message": _letter,
    "test_webhook": _webhook,
    "update_agent": _name,
    "update_contact": _contact,
    "update_message_labels": _message,
    "update_protection": _made_agent,
    "update_template": _template,
    "update_webhook": _webhook,
    "upsert_engagement": _outreach,
    "wait_for_message": _patience,
    "wait_for_review": _held_patience,
}
"""What a tool is called with besides the argument in question; for the rest that is the inbox, if they take one."""


def optional_arguments() -> list[tuple[str, str]]:
    return [
        (tool.name, member.alias or name)
        for tool in TOOLS
        for name, member in tool.arguments.model_fields.items()
        if not member.is_required()
    ]


def value_of(name: str, argument: str) -> Any:
    return OTHERWISE[name, argument] if (name, argument) in OTHERWISE else VALUES[argument]


async def with_argument(world: World, name: str, argument: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the tool is given: the plain arguments, and with them a value for `argument`."""
    value = value_of(name, argument)
    given = {**plain, **ALONE.get((name, argument), {})}
    if argument not in given or argument not in {"email", "agent_email", "message_id"}:
        given[argument] = value.value if isinstance(value, Refused) else value
    if (name, argument) == ("wait_for_message", "message_id"):
        given[argument] = await world.sent()
    if (name, argument) == ("ask_owner", "message_id"):
        given[argument] = (await world.call(name, **plain))["message_id"]
        del given["question"]
    if (name, argument) == ("redeliver_event", "webhook_id"):
        given[argument] = plain[argument]
    if argument == "message_ids":
        given[argument] = [given.pop("message_id")]
    if argument in ONCE:
        given[argument] = world.fresh(argument)
    return given


@pytest.fixture(scope="module")
async def session(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Session]:
    environment = {
        "E2A_HOME": str(tmp_path_factory.mktemp("arguments")),
        "E2A_SMTP_LISTEN": "127.0.0.1:0",
        "E2A_HTTP_LISTEN": "127.0.0.1:0",
        "E2A_SHARED_DOMAIN": DOMAIN,
        "E2A_PUBLIC_URL": "https://mail.example.org",
        "E2A_SEND_RATE_PER_MINUTE": "0",
        "E2A_PUSH_ALLOW_LOOPBACK": "true",
    }
    engine = await open_local_engine(load_settings(environment), strict=True)
    try:
        await engine.wait_until_leading()
        owner = await engine.home_session(scope="account")
        async with _world(owner) as world:
            await _furnished(world)
        yield owner
    finally:
        await engine.close()


async def _furnished(world: World) -> None:
    for email in (BOX, PEER, HELD):
        await world.call("create_agent", email=email)
    await world.call(
        "update_protection",
        email=HELD,
        outbound_gate_policy="allowlist",
        outbound_gate_allowlist=[],
        outbound_gate_action="review",
    )
    await world.call("create_template", name="Welcome", alias="welcome", subject="Hi", text="Dear {{name}}")
    await world.call("create_template", name="Letter", subject="Letter", text="Dear {{name}}")
    letter = {"to": [BOX], "subject": "hello", "text": "hello", "attachments": VALUES["attachments"]}
    await world.call("send_message", email=PEER, **letter)
    arrived = await world.call("wait_for_message", email=BOX, since="5m", timeout_seconds=PATIENCE_SECONDS)
    assert not arrived["timed_out"]


class _world:
    """The client of an account's server, for one test."""

    def __init__(self, session: Session, *roots: Path) -> None:
        async def sessions(_: object) -> Session:
            return session

        self._session = session
        self._client = Client(
            build_server(
                "account",
                sessions,
                Services(SystemClock(), Ids(), attachment_roots=roots, owners=OwnersNamed((OWNER,))),
                Unobserved(),
            ),
            mode="2026-07-28",
        )

    async def __aenter__(self) -> World:
        return World(self._session, await self._client.__aenter__())

    async def __aexit__(self, *raised: Any) -> None:
        await self._client.__aexit__(*raised)


@pytest.mark.parametrize(("name", "argument"), optional_arguments())
async def test_an_optional_argument_is_taken(session: Session, name: str, argument: str) -> None:
    (tool,) = (tool for tool in TOOLS if tool.name == name)
    value = value_of(name, argument)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with _world(session) as world:
            given = await PLAIN[name](world) if name in PLAIN else {}
            inbox = next((alias for alias in ("email", "agent_email") if _takes(tool, alias)), None)
            given = await with_argument(world, name, argument, {**({inbox: BOX} if inbox else {}), **given})
            result = await world.client.call_tool(name, given)
    if isinstance(value, Refused):
        assert result.is_error
        assert result.structured_content["code"] == value.code
    else:
        assert not result.is_error, result.content
        assert not result.structured_content.get("failed")


def _takes(tool: Tool[Any], argument: str) -> bool:
    return (tool.name, argument) in optional_arguments()


DATA = base64.b64encode(b"a").decode()
INNER: Mapping[tuple[str, str], list[dict[str, Any]]] = {
    ("attachments", "data"): [{"data": DATA, "filename": "a.txt", "content_type": "text/plain"}],
    ("attachments", "uri"): [{"uri": "MAIL"}],
    ("attachments", "filename"): [{"uri": "MAIL", "filename": "other.txt"}],
    ("attachments", "content_type"): [{"uri": "MAIL", "content_type": "text/csv"}],
    ("attachments", "path"): [{"path": "kept.txt"}],
    ("contacts", "display_name"): [{"address": "ANN", "display_name": "Ann"}],
    ("contacts", "metadata"): [{"address": "ANN", "metadata": {"team": "red"}}],
}
"""For each optional member of the objects in a list, a list that has it."""


def _inner() -> list[tuple[str, str, str]]:
    schemas = {tool.name: input_schema(tool.arguments)["properties"] for tool in TOOLS}
    return [
        (name, argument, member)
        for name, arguments in schemas.items()
        for argument, schema in arguments.items()
        for member in schema.get("items", {}).get("properties", {})
        if member not in schema["items"].get("required", ())
    ]


@pytest.mark.parametrize(("name", "argument", "member"), _inner())
async def test_an_optional_member_of_a_list_is_taken(
    session: Session, tmp_path: Path, name: str, argument: str, member: str
) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    with anyio.fail_after(PATIENCE_SECONDS):
        async with _world(session, tmp_path) as world:
            stored = f"mail://{BOX}/messages/{await world.mail()}/attachments/0"
            given = json.dumps(INNER[argument, member])
            given = given.replace("MAIL", stored).replace("ANN", f"{world.fresh('ann')}@example.org")
            inbox = {"email": BOX} if (name, "email") in optional_arguments() else {}
            plain = await PLAIN[name](world)
            await world.call(name, **{**inbox, **plain, argument: json.loads(given)})


@pytest.mark.parametrize("name", ["send_message", "reply_to_message", "forward_message"])
@pytest.mark.parametrize("reply_to", [PEER, [PEER], [PEER, HELD]], ids=["text", "one", "several"])
async def test_answers_go_to_one_address_or_several(
    session: Session, name: str, reply_to: str | list[str]
) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        async with _world(session) as world:
            sent = await world.call(name, email=BOX, reply_to=reply_to, **await PLAIN[name](world))
    headers = BytesParser(policy=default).parsebytes(await session.messages.raw(BOX, sent["message_id"]))
    addresses = [address.addr_spec for address in headers["Reply-To"].addresses]
    assert addresses == ([reply_to] if isinstance(reply_to, str) else reply_to)


@pytest.mark.parametrize(
    ("name", "given", "named"),
    [
        ("send_message", {"to": [PEER], "reply_to": 5}, "reply_to"),
        ("send_email", {"to": [PEER], "subject": "s", "body": 5}, "body"),
        ("send_email", {"to": [PEER], "subject": "s", "body": "t", "html_body": 5}, "html_body"),
        ("approve_pending_message", {"message_id": "msg_1", "body_text": 5}, "body_text"),
        ("list_messages", {"email": BOX, "from_": 5}, "from_"),
        ("list_messages", {"email": BOX, "labels": 5}, "labels"),
        ("list_domains", {"limit": 101}, "limit"),
        ("get_domain", {"domain": ""}, "domain"),
        ("create_contact", {"address": "ann@example.org", "display_name": "n" * 321}, "display_name"),
        (
            "create_delegation",
            {"email": BOX, "human": "ann@example.org", "valid_until": "soon"},
            "valid_until",
        ),
        ("upsert_engagement", {"email": BOX, "address": "ann@example.org", "stage": "s" * 129}, "stage"),
    ],
)
async def test_an_error_names_the_argument_as_it_was_written(
    session: Session, name: str, given: dict[str, Any], named: str
) -> None:
    async with _world(session) as world:
        result = await world.client.call_tool(name, given)
    assert result.structured_content["code"] == "invalid_request"
    (problem,) = result.structured_content["details"]["fields"]
    assert problem["location"] == f"arguments.{named}"
    assert problem["message"].startswith(named)
