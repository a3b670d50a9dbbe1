"""The endpoints for operators: liveness, readiness and metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from e2a_core.clock import Clock
from e2a_core.errors import E2AError
from e2a_mcp.program.metrics import CONTENT_TYPE, ProcessMetrics

__all__ = ["probe_routes"]

READY_SECONDS = 2.0
"""How long an answer of `/readyz` is reused, so that many probes cause one query of the store."""

Check = Callable[[], Awaitable[None]]


class _Readiness:
    def __init__(self, checks: Mapping[str, Check], clock: Clock) -> None:
        self._checks = checks
        self._clock = clock
        self._found: dict[str, str] = {}
        self._until = float("-inf")

    async def answer(self, request: Request) -> Response:
        if self._clock.monotonic() >= self._until:
            self._found = {name: await _outcome(check) for name, check in self._checks.items()}
            self._until = self._clock.monotonic() + READY_SECONDS
        ok = set(self._found.values()) == {"ok"}
        headers = None if ok else {"Retry-After": str(int(READY_SECONDS))}
        return JSONResponse({"ok": ok, "checks": self._found}, 200 if ok else 503, headers)


async def _outcome(check: Check) -> str:
    try:
        await check()
    except E2AError:
        return "unavailable"
    return "ok"


def probe_routes(metrics: ProcessMetrics, checks: Mapping[str, Check], clock: Clock) -> list[Route]:
    """Returns `/healthz`, `/readyz` and `/metrics`.

    Each of `checks` raises `E2AError` when the part of that name cannot serve.
    """

    async def healthz(request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def render(request: Request) -> Response:
        return Response(await metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    return [
        Route("/healthz", healthz),
        Route("/readyz", _Readiness(checks, clock).answer),
        Route("/metrics", render),
    ]
