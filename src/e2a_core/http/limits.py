"""Throughput limits of the API: sliding windows per caller, with the headers that tell of them (http-api 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from e2a_core.clock import Clock
from e2a_core.contract import operation
from e2a_core.contract.engine import Session
from e2a_core.errors import RateLimited
from e2a_core.sliding import SlidingWindows

__all__ = ["Budget", "RequestLimits", "client_address"]


@dataclass(frozen=True, slots=True)
class Budget:
    """`hits` requests per `seconds`; `told` in the headers of each answer."""

    name: str
    hits: int
    seconds: float
    told: bool = True


REGISTRATION = Budget("registration", 200, 3600)
DOWNLOAD = Budget("download", 120, 60)
UNSUBSCRIBE = Budget("unsubscribe", 600, 60)
FEEDBACK = Budget("feedback", 10, 3600, told=False)


class RequestLimits:
    """The windows of one process. A refused request does not count."""

    def __init__(self, clock: Clock, *, polls_per_minute: int) -> None:
        self._clock = clock
        self._polls = Budget("poll", polls_per_minute, 60)
        self._windows: SlidingWindows[tuple[str, str]] = SlidingWindows(clock)

    def check(self, request: Request, session: Session, budget: operation.Budget | None) -> None:
        """Counts a call against its budget, if it has one here; sending has its own behind the contract."""
        if budget is operation.Budget.POLL:
            self.spend(request, self._polls, session.principal.account_id)
        elif budget is operation.Budget.REGISTRATION:
            self.spend(request, REGISTRATION, client_address(request))

    def is_spent(self, budget: Budget, key: str) -> bool:
        return len(self._windows.within((budget.name, key), budget.seconds)) >= budget.hits

    def spend(self, request: Request, budget: Budget, key: str) -> None:
        """Count one request; leaves the headers for its answer. Raises `RateLimited`."""
        name = (budget.name, key)
        full = len(self._windows.within(name, budget.seconds)) >= budget.hits
        if not full:
            self._windows.count(name)
        window = self._windows.within(name, budget.seconds)
        reset = max(1, round(window[0] + budget.seconds - self._clock.monotonic() + 0.5))
        if budget.told:
            request.scope["e2a.headers"] = _headers(budget, budget.hits - len(window), reset)
        if full:
            raise RateLimited(f"at most {budget.hits} requests per {budget.seconds:g} s", reset)


def client_address(request: Request) -> str:
    """The peer's own address: a header that anybody can write names nobody."""
    return request.client.host if request.client else "unknown"


def _headers(budget: Budget, remaining: int, reset: int) -> Mapping[str, str]:
    return {
        "RateLimit-Limit": str(budget.hits),
        "RateLimit-Remaining": str(max(0, remaining)),
        "RateLimit-Reset": str(reset),
    }
