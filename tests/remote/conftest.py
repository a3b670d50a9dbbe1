"""Deployments of a few lines, on sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from e2a_core.clock import SystemClock
from e2a_core.ids import Ids
from e2a_core.remote.engine import RemoteEngine, RemoteSession
from tests.support.listening import listening

__all__ = ["ACCOUNT", "KEY", "Answers", "Deployed", "connected", "deployed", "refusal"]

KEY = "e2a_agt_of_these_tests"
ACCOUNT: dict[str, Any] = {
    "user": {"id": "usr_1", "email": "owner@example.org"},
    "scope": "agent",
    "agent_email": "assistant@agents.example",
    "plan_code": "free",
    "limits": {"max_agents": 1, "max_domains": 1, "max_messages_month": 1, "max_storage_bytes": 1},
    "usage": {"agents": 1, "domains": 0, "messages_month": 0, "storage_bytes": 0},
    "upgrade_url": "",
}

Answer = Callable[[Request], Awaitable[Response]]


@dataclass
class Deployed:
    """A deployment that answers `answer`; what it was asked is in `asked`."""

    url: str
    asked: list[Request] = field(default_factory=list)

    def times(self, method: str, path: str) -> int:
        return sum((request.method, request.url.path) == (method, path) for request in self.asked)


Answers = Callable[..., AbstractAsyncContextManager[tuple[Deployed, RemoteSession]]]


def refusal(status: int, code: str, headers: dict[str, str] | None = None, **members: Any) -> Response:
    error = {"code": code, "message": f"told: {code}", "request_id": "req_theirs", **members}
    return JSONResponse({"error": error}, status, headers)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RemoteEngine]:
    engine = RemoteEngine(url, KEY, clock=SystemClock(), ids=Ids())
    try:
        yield engine
    finally:
        await engine.close()


@pytest.fixture
def deployed() -> Answers:
    """A deployment and a session on it. `paths` are those of its description; without them it has none."""

    @asynccontextmanager
    async def serve(
        answer: Answer | None = None, *, paths: dict[str, Any] | None = None, account: Any = None
    ) -> AsyncIterator[tuple[Deployed, RemoteSession]]:
        found = Deployed("")

        async def respond(request: Request) -> Response:
            await request.body()
            found.asked.append(request)
            if request.url.path == "/v1/account":
                return JSONResponse(account or ACCOUNT)
            if request.url.path == "/v1/openapi.json":
                return Response(status_code=404) if paths is None else JSONResponse({"paths": paths})
            assert answer is not None, request.url
            return await answer(request)

        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        app = Starlette(routes=[Route("/{path:path}", respond, methods=methods)])
        async with listening(app) as found.url, asyncio.timeout(20), connected(found.url) as engine:
            yield found, await engine.session(KEY)

    return serve
