"""What a deployment says comes through as it said it, and what it does not say is told."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request as WebSocketRequest
from websockets.http11 import Response as WebSocketResponse

from e2a_core.clock import SystemClock
from e2a_core.contract.account import AccountView
from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.sending import SendEmailRequest, SendOptions
from e2a_core.errors import (
    Conflict,
    E2AError,
    InternalError,
    InvalidRequest,
    NotFound,
    NotImplementedHere,
    RateLimited,
    Unavailable,
)
from e2a_core.remote.answers import error_of
from e2a_core.remote.client import ApiClient, Deployment
from e2a_core.remote.direct import connect_directly
from e2a_core.remote.requests import path
from tests.remote.conftest import ACCOUNT, KEY, Answers, refusal
from tests.support.listening import listening

pytestmark = pytest.mark.anyio

INBOX = "assistant@agents.example"
ONE_PATH = "/v1/agents/{email}/messages/{id}"
LIST_PATH = "/v1/agents/{email}/messages"
LETTER = SendEmailRequest(to=["bob@example.org"], subject="s", text="t")


async def gone(request: Request) -> Response:
    return refusal(404, "not_found")


async def test_what_this_version_does_not_know_passes_through(deployed: Answers) -> None:
    account = {**ACCOUNT, "colour": "green", "limits": {**ACCOUNT["limits"], "max_dreams": 3}}
    async with deployed(account=account) as (_, session):
        view = await session.account.get()
    assert view.to_wire() == account


async def test_an_error_keeps_code_status_id_details_and_hint(deployed: Answers) -> None:
    async def refuse(request: Request) -> Response:
        return refusal(409, "moon_phase", {"Retry-After": "7"}, details={"phase": "full"})

    async with deployed(refuse) as (_, session):
        with pytest.raises(Conflict) as refused:
            await session.agents.get(INBOX)
    problem = refused.value
    assert (problem.code, problem.status, problem.request_id) == ("moon_phase", 409, "req_theirs")
    assert problem.details == {"phase": "full", "retry_after_seconds": 7}
    assert problem.message == "told: moon_phase"


async def test_a_rate_limit_is_reported_at_once(deployed: Answers) -> None:
    async def refuse(request: Request) -> Response:
        return refusal(429, "rate_limited", {"Retry-After": "30"})

    async with deployed(refuse) as (deployment, session):
        async with asyncio.timeout(5):
            with pytest.raises(RateLimited) as refused:
                await session.agents.get(INBOX)
        assert deployment.times("GET", f"/v1/agents/{INBOX}") == 1
    assert (refused.value.retryable, refused.value.retry_after_seconds) == (True, 30)


async def test_retry_hints_of_every_spelling() -> None:
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    date = format_datetime(now + timedelta(seconds=90), usegmt=True)
    for header, details, expected in [
        ("12", None, 12),
        (date, None, 90),
        ("soon", None, None),
        ("-4", None, None),
        ("9" * 40, None, None),
        ("12", {"retry_after_seconds": 5}, 5),
        ("12", {"retry_after_seconds": "5 s"}, 12),
        ("", {"retry_after_seconds": None}, None),
    ]:
        response = httpx.Response(503, headers={"Retry-After": header})
        problem = error_of(response, {"code": "unavailable", "details": details}, now)
        assert (header, problem.retry_after_seconds) == (header, expected)


async def test_details_that_are_not_as_they_should_be_harm_nobody(deployed: Answers) -> None:
    for details in ("text", [1], {"fields": "x"}, {"fields": [{"location": 1}]}, {"fields": [None]}, None):

        async def refuse(request: Request, details: Any = details) -> Response:
            return refusal(422, "invalid_request", details=details, request_id=7)

        async with deployed(refuse) as (_, session):
            with pytest.raises(InvalidRequest) as refused:
                await session.agents.get(INBOX)
            assert refused.value.fields == []
            assert refused.value.request_id is None


@pytest.mark.parametrize("status", [200, 500, 302])
async def test_an_answer_that_is_no_json_is_an_error(deployed: Answers, status: int) -> None:
    async def page(request: Request) -> Response:
        return HTMLResponse("<h1>Welcome</h1>", status, {"X-Request-Id": "req_proxy"})

    async with deployed(page) as (_, session):
        with pytest.raises(E2AError) as refused:
            await session.agents.get(INBOX)
    assert (refused.value.code, refused.value.request_id) == ("internal_error", "req_proxy")


async def test_an_answer_of_another_shape_names_the_member(deployed: Answers) -> None:
    async def odd(request: Request) -> Response:
        return JSONResponse({"items": [{"email": 5}], "next_cursor": None})

    async with deployed(odd) as (_, session):
        with pytest.raises(InternalError) as refused:
            await session.agents.list()
    assert "items.0." in refused.value.message


async def test_an_operation_that_an_older_deployment_lacks_is_named(deployed: Answers) -> None:
    paths: dict[str, Any] = {ONE_PATH: {"get": {}}, "/v1/account": {"get": {}}}
    async with deployed(gone, paths=paths) as (deployment, session):
        with pytest.raises(NotImplementedHere) as lacking:
            await session.templates.list()
        assert "GET /v1/templates" in lacking.value.message
        assert lacking.value.status == 501
        # What it does describe is simply not there.
        for _ in range(2):
            with pytest.raises(NotFound):
                await session.messages.get(INBOX, "msg_none")
        assert deployment.times("GET", "/v1/openapi.json") == 1


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_path_that_is_not_routed_is_not_offered(deployed: Answers, status: int) -> None:
    async def unrouted(request: Request) -> Response:
        return Response("no such page", status)

    async with deployed(unrouted) as (_, session):
        with pytest.raises(NotImplementedHere):
            await session.domains.list()


async def test_a_deployment_that_describes_nothing_is_believed(deployed: Answers) -> None:
    async with deployed(gone) as (_, session):
        with pytest.raises(NotFound):
            await session.domains.get("example.org")


async def test_additions_of_ours_are_used_only_where_described(deployed: Answers) -> None:
    async def sent(request: Request) -> Response:
        return JSONResponse({"status": "accepted", "message_id": "msg_1"}, 202)

    async with deployed(sent) as (deployment, session):
        for asking in (
            session.messages.get(INBOX, "msg_1", peek=True),
            session.messages.list(INBOX, MessageQuery(query="words")),
            session.messages.list(INBOX, MessageQuery(verdict="failed")),
        ):
            with pytest.raises(NotImplementedHere):
                await asking
        await session.messages.send(INBOX, LETTER, SendOptions(dedupe="content"))
        request = deployment.asked[-1]
        assert (request.url.query, len(request.headers["idempotency-key"]) > 20) == ("", True)
    parameters = {"parameters": [{"name": "dedupe"}, {"name": "wait"}]}
    async with deployed(sent, paths={LIST_PATH: {"post": parameters}}) as (deployment, session):
        await session.messages.send(INBOX, LETTER, SendOptions(dedupe="content", wait="sent"))
        request = deployment.asked[-1]
        assert (request.url.query, "idempotency-key" in request.headers) == (
            "wait=sent&dedupe=content",
            False,
        )


async def test_the_etag_of_the_answer_is_kept(deployed: Answers) -> None:
    contact = {
        "address": "bob@example.org",
        "created_at": "2026-11-22T10:00:00Z",
        "updated_at": "2026-11-22T10:00:00Z",
        "display_name": "",
        "metadata": {},
        "source": "manual",
    }

    async def tagged(request: Request) -> Response:
        return JSONResponse(contact, headers={"ETag": '"v7"'})

    async with deployed(tagged) as (_, session):
        assert (await session.contacts.get("bob@example.org")).to_wire()["etag"] == '"v7"'


async def test_a_deployment_that_does_not_answer_in_time(deployed: Answers) -> None:
    released = asyncio.Event()

    async def hang(request: Request) -> Response:
        await released.wait()
        return JSONResponse({})

    async with deployed(hang) as (found, _):
        deployment = Deployment(found.url, SystemClock())
        api = ApiClient(deployment, KEY)
        for method, retryable in (("GET", True), ("POST", False)):
            with pytest.raises(Unavailable) as late:
                await api.call(AccountView, method, "/v1/slow", deadline=0.2)
            assert late.value.retryable is retryable
        released.set()
        await deployment.close()


async def test_what_cannot_be_spelled_is_refused_here(deployed: Answers) -> None:
    async with deployed() as (deployment, session):
        before = len(deployment.asked)
        for name in ("", ".", "..", "\ud800"):
            with pytest.raises(NotFound):
                await session.messages.restore(INBOX, name)
        with pytest.raises(InvalidRequest):
            await session.agents.create(CreateAgentRequest.model_construct(email="\ud800"))
        with pytest.raises(InvalidRequest):
            await session.messages.list(INBOX, MessageQuery(subject_contains="\ud800"))
        for key in ("é", "a\r\nX-Other: b"):
            with pytest.raises(InvalidRequest):
                await session.messages.send(INBOX, LETTER, SendOptions(idempotency_key=key))
        assert {request.url.path for request in deployment.asked[before:]} <= {"/v1/openapi.json"}
    assert path("/v1/agents/{email}/x/{id}", email="a/b@c", id=3) == "/v1/agents/a%2Fb%40c/x/3"


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_of_any_length_is_not_held_in_memory(
    deployed: Answers, monkeypatch: pytest.MonkeyPatch, compressed: bool
) -> None:
    monkeypatch.setattr("e2a_core.remote.client.MAX_ANSWER_OCTETS", 1 << 20)

    async def endless(request: Request) -> Response:
        if compressed:
            return Response(gzip.compress(bytes(1 << 26)), headers={"Content-Encoding": "gzip"})

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(1000):
                await asyncio.sleep(0)
                yield bytes(1 << 16)

        return StreamingResponse(parts())

    async with deployed(endless) as (_, session):
        with pytest.raises(InternalError, match="longer than 1 MiB"):
            await session.agents.get(INBOX)


async def test_a_compressed_answer_is_read(deployed: Answers) -> None:
    async def packed(request: Request) -> Response:
        body = gzip.compress(b'{"email": "assistant@agents.example"}')
        return Response(body, headers={"Content-Encoding": "gzip", "ETag": '"x"'})

    async with deployed(packed) as (_, session):
        assert (await session.agents.get(INBOX)).email == INBOX


async def test_a_description_without_end_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2a_core.remote.description.MAX_DESCRIPTION_OCTETS", 1000)

    async def respond(request: Request) -> Response:
        return JSONResponse({"paths": {"/v1/x": {"get": {"summary": "x" * 2000}}}})

    async with listening(Starlette(routes=[Route("/{path:path}", respond)])) as url:
        deployment = Deployment(url, SystemClock())
        try:
            assert await deployment.description.taken("GET", "/v1/x") is None
        finally:
            await deployment.close()


async def test_a_websocket_takes_its_key_to_no_other_address() -> None:
    asked: list[str] = []

    async def redirect(connection: ServerConnection, request: WebSocketRequest) -> WebSocketResponse:
        asked.append(request.headers.get("Authorization", ""))
        return WebSocketResponse(302, "Found", Headers(Location=f"ws://127.0.0.1:{port}/elsewhere"))

    async def nothing(connection: ServerConnection) -> None:
        return

    async with serve(nothing, "127.0.0.1", 0, process_request=redirect) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(InvalidStatus):
            async with connect_directly(
                f"ws://localhost:{port}/", additional_headers={"Authorization": KEY}, proxy=None
            ):
                pass
    assert asked == [KEY]
