"""One way to write a test for both clients, and a record of the operations that succeeded."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from anyio import to_thread
from e2a.v1 import AsyncE2AClient, E2AClient
from e2a.v1.sync_client import SyncAutoPager

from tests.client.operations import OPERATIONS

__all__ = ["Driver", "Recorder", "driver_of"]

_PATTERNS = {
    name: (method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"))
    for name, (method, path) in OPERATIONS.items()
}


class Recorder:
    """Which operations answered with success, seen where the client hands its requests to HTTP."""

    def __init__(self, client: AsyncE2AClient) -> None:
        self.succeeded: set[str] = set()
        rest = client._api_client.rest_client
        request: Callable[..., Any] = rest.request

        async def recorded(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            response = await request(method, url, *args, **kwargs)
            if response.status < 300:
                self.succeeded |= _operations(method, urlsplit(url).path)
            return response

        setattr(rest, "request", recorded)  # noqa: B010 - a method, to the type checker


class Driver:
    """A client whose operations are awaited, whichever kind it is."""

    def __init__(self, client: Any, recorder: Recorder) -> None:
        self._client = client
        self.recorder = recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def driver_of(client: AsyncE2AClient | E2AClient) -> Driver:
    if isinstance(client, E2AClient):
        return Driver(_Awaited(client), Recorder(client._async_client))
    return Driver(client, Recorder(client))


class _Awaited:
    """The synchronous client, or a part of it, called in a thread: it refuses to run inside an event loop."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if isinstance(self._target, SyncAutoPager) or inspect.iscoroutinefunction(inspect.unwrap(found)):
            return partial(_in_thread, found)
        return partial(_called, found) if callable(found) else _Awaited(found)


async def _in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await to_thread.run_sync(partial(function, *args, **kwargs))


def _called(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return _Awaited(function(*args, **kwargs))


def _operations(method: str, path: str) -> set[str]:
    return {name for name, (verb, pattern) in _PATTERNS.items() if verb == method and pattern.match(path)}
