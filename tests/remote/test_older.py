"""A deployment with less than this version: answers are read as far as they go, requests ask no more than it takes."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from e2a_core.clock import SystemClock
from e2a_core.contract.audit import AuditQuery
from e2a_core.contract.base import LIMITATIONS
from e2a_core.contract.domains import DomainView
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.reviews import ApproveRequest, RejectRequest
from e2a_core.contract.sending import ReplyRequest, SendEmailRequest, SendOptions
from e2a_core.contract.webhooks import UpdateWebhookRequest
from e2a_core.errors import E2AError, Forbidden, InternalError, NotImplementedHere, Unavailable
from e2a_core.remote.client import Deployment
from e2a_core.remote.scope import ScopedClient
from tests.remote.conftest import KEY, Answers

pytestmark = pytest.mark.anyio

INBOX = "assistant@agents.example"
DOMAIN: dict[str, Any] = {
    "agent_count": 1,
    "capabilities": {"inbound": "ready", "outbound": "ready"},
    "created_at": "2026-07-01T10:00:00Z",
    "dns_records": [{"name": "a", "priority": 10, "purpose": "p", "status": "s", "type": "MX", "value": "v"}],
    "domain": "example.org",
    "sending_ramp": {
        "active_days": 1,
        "daily_recipient_limit": 1,
        "ramp_days": 1,
        "recipients_used_today": 0,
        "status": "active",
    },
    "sending_status": "none",
    "verification_token": "t",
    "verified": True,
}


def without(content: Any, path: str) -> Any:
    """`content` without the member at `path`."""
    name, _, rest = path.partition(".")
    if isinstance(content, list):
        return [without(item, path) for item in content]
    if not rest:
        return {key: value for key, value in content.items() if key != name}
    return {**content, name: without(content[name], rest)}


@pytest.mark.parametrize(
    "path",
    [*DOMAIN, "capabilities.outbound", "dns_records.status", "dns_records.purpose", "sending_ramp.ramp_days"],
)
async def test_a_member_that_is_missing_is_left_out(deployed: Answers, path: str) -> None:
    content = without(DOMAIN, path)

    async def answer(request: Request) -> Response:
        one = request.url.path.endswith("/example.org")
        return JSONResponse(content if one else {"items": [content, DOMAIN], "next_cursor": None})

    async with deployed(answer) as (_, session):
        assert (await session.domains.get("example.org")).to_wire() == content
        older, newer = (await session.domains.list()).items
        assert isinstance(older, DomainView)
        assert (older.to_wire(), newer.to_wire()) == (content, DOMAIN)
        assert older.model_dump(mode="json") == content


async def test_who_asks_for_what_is_missing_is_told(deployed: Answers) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse({**DOMAIN, "capabilities": None})

    async with deployed(answer) as (_, session):
        view = await session.domains.get("example.org")
    assert view.verified
    with pytest.raises(InternalError, match="has no capabilities"):
        _ = view.capabilities
    assert getattr(view, "capabilities", None) is None


@pytest.mark.parametrize("content", [[], "text", 7, {**DOMAIN, "verified": "perhaps"}])
async def test_what_is_no_such_answer_is_refused(deployed: Answers, content: Any) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse(content)

    async with deployed(answer) as (_, session):
        with pytest.raises(InternalError):
            await session.domains.get("example.org")


REJECT: Any = {"properties": {"reason": {}}}
REPLY: Any = {"properties": {"text": {}, "subject": {}}}


def described(schema: Any, **components: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}, "parameters": []}


@pytest.mark.parametrize(
    "schema",
    [
        REJECT,
        {"allOf": [{"properties": {}}, REJECT]},
        {"anyOf": [REJECT, {"type": "null"}]},
        {"oneOf": [REJECT]},
        {"allOf": [{"allOf": [REJECT]}]},
    ],
)
async def test_a_member_that_is_not_taken_is_left_out_and_told(deployed: Answers, schema: Any) -> None:
    async def answer(request: Request) -> Response:
        assert await request.json() == {"reason": "because"}
        return JSONResponse({"message_id": "msg_1", "status": "rejected"})

    paths = {"/v1/reviews/{message}/reject": {"post": described(schema)}}
    async with deployed(answer, paths=paths) as (_, session):
        given = RejectRequest(reason="because", content_hash="sha256:0")
        result = await session.reviews.reject("msg_1", given)
    assert "content_hash was not checked" in result.to_wire()[LIMITATIONS][0]


async def test_a_member_that_is_taken_is_sent(deployed: Answers) -> None:
    async def answer(request: Request) -> Response:
        assert (await request.json()).keys() == {"content_hash", "subject"}
        return JSONResponse({"message_id": "msg_1", "status": "accepted"})

    schema: Any = {"properties": {"content_hash": {}, "subject": {}}}
    paths = {"/v1/reviews/{id}/approve": {"post": described(schema)}}
    async with deployed(answer, paths=paths) as (_, session):
        given = ApproveRequest(subject="s", content_hash="sha256:0")
        assert LIMITATIONS not in (await session.reviews.approve("msg_1", given)).to_wire()


async def test_what_cannot_be_left_out_is_refused_before_anything_is_sent(deployed: Answers) -> None:
    operation = {"get": {"parameters": [{"name": "limit", "in": "query"}]}, "post": described(REPLY)}
    paths = {
        "/v1/agents/{email}/messages": operation,
        "/v1/agents/{email}/messages/{id}/reply": {"post": described(REPLY)},
    }
    later = {"send_at": "2090-01-01T00:00:00Z"}
    letter = SendEmailRequest.model_validate(
        {"to": ["bob@example.org"], "subject": "s", "text": "t", **later}
    )
    answer = ReplyRequest.model_validate({"text": "t", **later})
    async with deployed(paths=paths) as (deployment, session):
        for asking, named in (
            (session.messages.list(INBOX, MessageQuery(filter="label:a")), "filter"),
            (session.messages.list(INBOX, MessageQuery(labels=["a"])), "labels"),
            (session.messages.list(INBOX, MessageQuery(direction="outbound")), "direction"),
            (session.messages.send(INBOX, letter, SendOptions()), "send_at"),
            (session.messages.reply(INBOX, "msg_1", answer, SendOptions()), "send_at"),
        ):
            with pytest.raises(NotImplementedHere, match=named):
                await asking
        assert deployment.times("POST", f"/v1/agents/{INBOX}/messages") == 0
        assert deployment.times("GET", f"/v1/agents/{INBOX}/messages") == 0


async def test_parameters_of_a_path_count_for_its_operations(deployed: Answers) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse({"items": [], "next_cursor": None})

    item = {"parameters": [{"name": "filter", "in": "query"}], "get": {"parameters": []}}
    async with deployed(answer, paths={"/v1/agents/{address}/messages": item}) as (deployment, session):
        await session.messages.list(INBOX, MessageQuery(filter="label:a"))
        assert deployment.asked[-1].query_params["filter"] == "label:a"


ATTACHMENT = {"index": 0, "filename": "a", "content_type": "text/plain", "size_bytes": 1, "expires_at": None}


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/file",
        "https://{host}/file",
        "http://127.0.0.1:9/file",
        "//evil.example/file",
        "http://{host}@evil.example/file",
        "http://evil.example#@{host}/file",
        "http://{host}.evil.example/file",
        "http://localhost/file",
        "file:///etc/passwd",
        "ftp://{host}/file",
        "data:text/plain,x",
    ],
)
async def test_a_download_is_of_the_deployment_itself(deployed: Answers, address: str) -> None:
    async def answer(request: Request) -> Response:
        host = request.headers["host"]
        return JSONResponse({**ATTACHMENT, "download_url": address.replace("{host}", host)})

    async with deployed(answer) as (deployment, session):
        with pytest.raises(Unavailable, match="download address"):
            await session.messages.attachment_content(INBOX, "msg_1", 0)
        assert deployment.asked[-1].url.path.endswith("/attachments/0")


@pytest.mark.parametrize("address", ["http://{host}/file", "HTTP://{host}/file", "/file"])
async def test_its_own_downloads_are_fetched(deployed: Answers, address: str) -> None:
    async def answer(request: Request) -> Response:
        if request.url.path == "/file":
            assert "authorization" not in request.headers
            return Response(b"octets")
        host = request.headers["host"]
        return JSONResponse({**ATTACHMENT, "download_url": address.replace("{host}", host)})

    async with deployed(answer) as (_, session):
        assert (await session.messages.attachment_content(INBOX, "msg_1", 0)).data == b"octets"


MINE = f"/v1/agents/{INBOX}"


@pytest.mark.parametrize(
    ("method", "url", "query"),
    [
        ("GET", f"{MINE}/protection", {}),
        ("PUT", f"{MINE}/protection", {}),
        ("POST", f"{MINE}/messages/msg_1/approve", {}),
        ("POST", f"{MINE}/messages/msg_1/reject", {}),
        ("GET", "/v1/reviews", {}),
        ("POST", "/v1/reviews/msg_1/approve", {}),
        ("DELETE", MINE, {}),
        ("DELETE", MINE, {"permanent": True}),
        ("DELETE", f"{MINE}/messages/msg_1", {"permanent": True, "confirm": "DELETE"}),
        ("POST", f"{MINE}/restore", {}),
        ("PATCH", MINE, {}),
        ("DELETE", "/v1/account", {}),
        ("GET", "/v1/account/export", {}),
        ("POST", "/v1/account/api-keys", {}),
        ("GET", f"{MINE}/suppressions", {}),
        ("DELETE", f"{MINE}/suppressions/bob%40example.org", {}),
        ("POST", f"{MINE}/delegations", {}),
        ("GET", f"{MINE}/something-newer", {}),
        ("GET", "/v1/agents/other@agents.example/messages", {}),
        ("GET", "/v1/agents/other%40agents.example", {}),
    ],
)
async def test_an_accounts_key_that_acts_for_an_inbox_asks_for_no_more(
    method: str, url: str, query: dict[str, Any]
) -> None:
    deployment = Deployment("http://127.0.0.1:9", SystemClock())
    with pytest.raises(Forbidden):
        await ScopedClient(deployment, KEY, INBOX).call(MessageView, method, url, query=query)
    await deployment.close()


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/v1/account"),
        ("GET", MINE),
        ("GET", MINE.replace("@", "%40")),
        ("DELETE", f"{MINE}/messages/msg_1"),
        ("POST", f"{MINE}/messages/msg_1/restore"),
        ("POST", f"{MINE}/messages"),
    ],
)
async def test_what_an_agents_key_may_ask_is_asked(method: str, url: str) -> None:
    deployment = Deployment("http://127.0.0.1:9", SystemClock())
    with pytest.raises(E2AError) as refused:
        await ScopedClient(deployment, KEY, INBOX).call(MessageView, method, url)
    assert isinstance(refused.value, Unavailable)
    await deployment.close()


@pytest.mark.parametrize("ordered", [False, True])
async def test_an_order_is_refused_only_where_it_is_asked_for(deployed: Answers, ordered: bool) -> None:
    bodies: list[Any] = []

    async def answer(request: Request) -> Response:
        bodies.append(await request.json())
        hook = {"id": "wh_1", "url": "https://example.org/hook", "events": [], "enabled": True}
        return JSONResponse({**hook, "created_at": "2026-07-01T10:00:00Z"})

    schema = {"type": "object", "properties": {"description": {}}}
    body = {"content": {"application/json": {"schema": schema}}}
    paths = {"/v1/webhooks/{id}": {"patch": {"requestBody": body}}}
    request = UpdateWebhookRequest(description="d", ordered=ordered)
    async with deployed(answer, paths=paths) as (_, session):
        if ordered:
            with pytest.raises(NotImplementedHere, match="ordered"):
                await session.webhooks.update("wh_1", request)
        else:
            await session.webhooks.update("wh_1", request)
    assert bodies == ([] if ordered else [{"description": "d"}])


async def test_a_deployment_without_an_audit_log_says_so(deployed: Answers) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse({"error": {"code": "not_found", "message": "no such path"}}, 404)

    async with deployed(answer, paths={"/v1/account": {"get": {}}}) as (_, session):
        with pytest.raises(NotImplementedHere):
            await session.audit.list(AuditQuery())
