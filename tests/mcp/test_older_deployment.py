"""Every tool, with every optional argument, on a deployment as it was in July 2026."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest

from e2a_core.clock import SystemClock
from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.base import LIMITATIONS
from e2a_core.contract.engine import Session
from e2a_core.contract.reviews import ApproveRequest, RejectRequest
from e2a_core.ids import Ids
from e2a_core.local.engine import open_local_engine
from e2a_core.remote.engine import RemoteEngine
from e2a_core.settings import load_settings
from e2a_mcp.program.home import home_application
from tests.support.july import July
from tests.support.listening import listening

from .results import text_of
from .test_every_argument import (
    BOX,
    DOMAIN,
    HELD,
    PATIENCE_SECONDS,
    PLAIN,
    TOOLS,
    Refused,
    World,
    _furnished,
    _world,
    optional_arguments,
    value_of,
    with_argument,
)

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LACKING = {
    "create_contact",
    "create_delegation",
    "delete_contact",
    "delete_delegation",
    "delete_engagement",
    "delete_import_batch",
    "get_account_metrics",
    "get_agent_metrics",
    "get_contact",
    "get_engagement",
    "import_contacts",
    "list_contacts",
    "list_delegations",
    "list_engagements",
    "pause_account",
    "pause_agent",
    "resume_account",
    "resume_agent",
    "rotate_domain_key",
    "update_contact",
    "upsert_engagement",
}
"""Tools of operations that came later."""
REFUSED = {
    ("create_webhook", "ordered"),
    ("update_webhook", "ordered"),
    ("get_message", "peek"),
    ("list_messages", "filter"),
    ("list_messages", "query"),
    ("list_messages", "trust"),
    ("forward_message", "send_at"),
    ("reply_to_message", "send_at"),
    ("send_message", "send_at"),
    ("update_message_labels", "read_status"),
}
"""Arguments without which something else would be done."""
LIMITED = {"content_hash"}
"""Arguments that are left out, which the result tells."""


@dataclass
class Older:
    """The deployment, what its own process calls on it, and what calls on it from outside."""

    july: July
    inside: Session
    outside: Session


@pytest.fixture(scope="module")
async def older(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Older]:
    environment = {
        "E2A_HOME": str(tmp_path_factory.mktemp("older")),
        "E2A_SMTP_LISTEN": "127.0.0.1:0",
        "E2A_HTTP_LISTEN": "127.0.0.1:0",
        "E2A_SHARED_DOMAIN": DOMAIN,
        "E2A_POLL_RATE_PER_MINUTE": "1000000",
        "E2A_PUSH_ALLOW_LOOPBACK": "true",
    }
    engine = await open_local_engine(load_settings(environment), strict=True)
    try:
        await engine.wait_until_leading()
        owner = await engine.home_session(scope="account")
        async with _world(owner) as world:
            await _furnished(world)
        key = (await owner.api_keys.create(CreateAPIKeyRequest())).key
        async with listening(home_application(engine)) as upstream, httpx.AsyncClient(timeout=30) as http:
            july = July(upstream, http)
            async with listening(july.app) as url:
                engine.core.links.base_url = url
                remote = RemoteEngine(url, key, clock=SystemClock(), ids=Ids())
                yield Older(july, owner, await remote.session(key))
                await remote.close()
    finally:
        await engine.close()


async def called(older: Older, name: str, argument: str | None = None) -> Any:
    """The result of a tool outside, prepared inside; and what the server of July refused of its requests."""
    before = len(older.july.refused)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with _world(older.inside) as world, _world(older.outside) as outside:
            prepare = {**NO_OPTIONS, **PLAIN}.get(name, _nothing)
            given = await prepare(world)
            given |= _inbox(name, given)
            if argument is not None:
                given = await with_argument(world, name, argument, given)
            result = await outside.client.call_tool(name, given)
    assert older.july.refused[before:] == []
    return result


def _inbox(name: str, given: dict[str, Any]) -> dict[str, Any]:
    optional = optional_arguments()
    inbox = next((alias for alias in ("email", "agent_email") if (name, alias) in optional), None)
    return {inbox: BOX} if inbox and inbox not in given else {}


def test_the_tables_name_what_exists() -> None:
    assert {tool.name for tool in TOOLS} >= LACKING
    assert {argument for _, argument in optional_arguments()} >= LIMITED


@pytest.mark.parametrize(("name", "argument"), optional_arguments())
async def test_a_tool_works_or_says_what_the_deployment_lacks(older: Older, name: str, argument: str) -> None:
    result = await called(older, name, argument)
    value = value_of(name, argument)
    if name in LACKING or (name, argument) in REFUSED:
        assert result.structured_content["code"] == "not_implemented"
    elif argument in LIMITED:
        assert not result.is_error, result.content
        (told,) = result.structured_content[LIMITATIONS]
        assert told.startswith(argument)
        assert told in text_of(result)
    elif isinstance(value, Refused):
        assert result.structured_content["code"] == value.code
    else:
        assert not result.is_error, result.content


@pytest.mark.parametrize("fate", ["approved", "rejected", "sent", "waits"])
async def test_the_fate_of_ones_own_mail_is_waited_for(older: Older, fate: str) -> None:
    async with _world(older.inside) as world, _world(older.outside) as outside:
        if fate == "sent":
            inbox, letter = BOX, {"to": ["dan@example.org"], "subject": "s", "text": "t"}
            sent = await world.call("send_message", email=BOX, **letter)
            message_id = sent["message_id"]
        else:
            inbox, message_id = HELD, await world.draft()
        found: dict[str, Any] = {}

        async def wait() -> None:
            seconds = 1 if fate == "waits" else 60
            arguments = {"message_id": message_id, "email": inbox, "timeout_seconds": seconds}
            result = await outside.client.call_tool("wait_for_message", arguments)
            assert not result.is_error, result.content
            assert result.structured_content is not None
            found.update(result.structured_content, told=text_of(result))

        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                if fate == "approved":
                    await older.inside.reviews.approve(message_id, ApproveRequest())
                elif fate == "rejected":
                    await older.inside.reviews.reject(message_id, RejectRequest(reason="no"))
        assert older.july.refused == []
        if fate == "waits":
            assert (found["timed_out"], found["message"]) == (True, None)
            assert "still pending_review" in found["told"]
            return
        message = found["message"]
        assert (found["timed_out"], message["id"]) == (False, message_id)
        if fate == "rejected":
            assert message["review_status"] == "review_rejected"
        else:
            assert message["delivery_status"] == "sent"


async def _restored(world: World) -> dict[str, Any]:
    made = await PLAIN["delete_agent"](world)
    await world.call("delete_agent", **made)
    return {"email": made["email"]}


async def _held(world: World) -> dict[str, Any]:
    return {"message_id": await world.draft()}


async def _key(world: World) -> dict[str, Any]:
    return {"id": (await world.call("create_api_key", agent_email=BOX))["id"], "confirm": True}


async def _domain(world: World) -> dict[str, Any]:
    return {"domain": (await world.call("register_domain", domain=f"{world.fresh('d')}.example"))["domain"]}


async def _ended_domain(world: World) -> dict[str, Any]:
    return {**await _domain(world), "confirm": True}


async def _template(world: World) -> dict[str, Any]:
    return {"id": (await world.call("create_template", **await PLAIN["create_template"](world)))["id"]}


async def _ended_template(world: World) -> dict[str, Any]:
    return {**await _template(world), "confirm": True}


async def _starter(world: World) -> dict[str, Any]:
    return {"alias": (await world.call("list_starter_templates"))["starter_templates"][0]["alias"]}


async def _new_domain(world: World) -> dict[str, Any]:
    return {"domain": f"{world.fresh('d')}.example"}


async def _contact(world: World) -> dict[str, Any]:
    return await PLAIN["update_contact"](world)


async def _ended_contact(world: World) -> dict[str, Any]:
    return {**await _contact(world), "confirm": True}


async def _ended_batch(world: World) -> dict[str, Any]:
    made = await world.call("import_contacts", **await PLAIN["import_contacts"](world))
    return {"batch_id": made["batch_id"], "confirm": True}


async def _nothing(world: World) -> dict[str, Any]:
    return {}


async def _ended_webhook(world: World) -> dict[str, Any]:
    return {**await PLAIN["update_webhook"](world), "confirm": True}


NO_OPTIONS = {
    "delete_api_key": _key,
    "delete_contact": _ended_contact,
    "delete_domain": _ended_domain,
    "delete_import_batch": _ended_batch,
    "delete_template": _ended_template,
    "delete_webhook": _ended_webhook,
    "export_account": _nothing,
    "get_contact": _contact,
    "get_domain": _domain,
    "get_pending_message": _held,
    "get_review": _held,
    "get_starter_template": _starter,
    "get_template": _template,
    "list_pending_messages": _nothing,
    "pause_account": _nothing,
    "pause_agent": PLAIN["update_protection"],
    "register_domain": _new_domain,
    "restore_agent": _restored,
    "resume_account": _nothing,
    "resume_agent": PLAIN["update_protection"],
    "rotate_domain_key": _domain,
    "rotate_webhook_secret": PLAIN["update_webhook"],
    "verify_domain": _domain,
    "whoami": _nothing,
}
"""What tools without optional arguments are called with."""


def test_no_tool_is_left_out() -> None:
    assert {tool.name for tool in TOOLS} == {name for name, _ in optional_arguments()} | NO_OPTIONS.keys()


@pytest.mark.parametrize("name", NO_OPTIONS)
async def test_a_tool_without_options_works_too(older: Older, name: str) -> None:
    result = await called(older, name)
    if name in LACKING:
        assert result.structured_content["code"] == "not_implemented"
    else:
        assert not result.is_error, result.content
