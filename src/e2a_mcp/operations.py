"""What operators ask of a server: is it alive, can it serve, what has it done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from e2a_core.clock import Clock
from e2a_core.errors import E2AError

from .metrics import Metrics

__all__ = ["operations_routes"]

# Probes come from several sides at once; the store need not be asked for each.
READY_SECONDS = 2.0

Check = Callable[[], Awaitable[None]]


class _Readiness:
    def __init__(self, check: Check, clock: Clock) -> None:
        self._check = check
        self._clock = clock
        self._ok = False
        self._until = float("-inf")

    async def answer(self, request: Request) -> Response:
        if self._clock.monotonic() >= self._until:
            try:
                await self._check()
                self._ok = True
            except E2AError:
                self._ok = False
            self._until = self._clock.monotonic() + READY_SECONDS
        if self._ok:
            return JSONResponse({"ok": True, "checks": {"engine": "ok"}})
        return JSONResponse(
            {"ok": False, "checks": {"engine": "unavailable"}},
            status_code=503,
            headers={"Retry-After": str(int(READY_SECONDS))},
        )


def operations_routes(metrics: Metrics, check: Check, clock: Clock) -> list[Route]:
    """`/healthz`, `/readyz` and `/metrics`. `check` raises `E2AError` when the engine cannot serve."""

    async def healthz(request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def render(request: Request) -> Response:
        return PlainTextResponse(metrics.render(), media_type="text/plain; version=0.0.4")

    return [
        Route("/healthz", healthz),
        Route("/readyz", _Readiness(check, clock).answer),
        Route("/metrics", render),
    ]
