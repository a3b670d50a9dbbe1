"""What a deployment says it offers: its OpenAPI document, read once in a while."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from e2a_core.clock import Clock
from e2a_core.errors import Unavailable

__all__ = ["Description"]

KEEP_SECONDS = 600.0
"""A deployment is upgraded more rarely; one that could not be asked is asked again sooner."""

KEEP_FAILURE_SECONDS = 30.0
DEADLINE_SECONDS = 10.0


class Description:
    """The operations of a deployment. One that describes nothing is believed to offer them, not our own additions."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, clock: Clock) -> None:
        self._http = http
        self._url = f"{base_url}/v1/openapi.json"
        self._clock = clock
        self._lock = asyncio.Lock()
        self._paths: dict[str, Any] | None = None
        self._until = float("-inf")

    async def has_operation(self, method: str, url: str) -> bool:
        """Whether `url`, percent-encoded, is one of an operation."""
        paths = await self._read()
        given = url.split("/")
        return not paths or any(
            method.lower() in operations and _fits(template.split("/"), given)
            for template, operations in paths.items()
        )

    async def has_parameter(self, method: str, template: str, name: str) -> bool:
        """Whether the operation takes the query parameter; an unknown one would be ignored without a word.

        Raises `Unavailable` when the deployment could not be asked: a busy one lacks nothing.
        """
        paths = await self._read()
        if paths is None:
            raise Unavailable("the deployment did not say which parameters it takes; try again")
        operation = paths.get(template, {}).get(method.lower(), {})
        given = operation.get("parameters", [])
        return any(isinstance(item, dict) and item.get("name") == name for item in given)

    async def _read(self) -> dict[str, Any] | None:
        async with self._lock:
            if self._clock.monotonic() >= self._until:
                self._paths = await self._fetch()
                keep = KEEP_SECONDS if self._paths else KEEP_FAILURE_SECONDS
                self._until = self._clock.monotonic() + keep
        return self._paths

    async def _fetch(self) -> dict[str, Any] | None:
        """Path template -> method -> operation; empty when there is no usable document, None when nobody answered."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                response = await self._http.get(self._url)
            if response.is_server_error:
                return None
            paths = response.json()["paths"] if response.is_success else {}
            return {
                str(template): {
                    method: operation for method, operation in item.items() if isinstance(operation, dict)
                }
                for template, item in paths.items()
            }
        except (httpx.HTTPError, TimeoutError):
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}


def _fits(template: list[str], given: list[str]) -> bool:
    return len(template) == len(given) and all(
        part.startswith("{") or part == segment for part, segment in zip(template, given, strict=True)
    )
