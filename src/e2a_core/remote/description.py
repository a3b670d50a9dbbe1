"""What a deployment says it offers: its OpenAPI document, read once in a while."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from e2a_core.clock import Clock
from e2a_core.errors import InternalError, Unavailable
from e2a_core.remote.bounded import MAX_DESCRIPTION_OCTETS, received
from e2a_core.remote.requests import matches

__all__ = ["Description", "Taken"]

KEEP_SECONDS = 600.0
"""A deployment is upgraded more rarely; one that could not be asked is asked again sooner."""

KEEP_FAILURE_SECONDS = 30.0
DEADLINE_SECONDS = 10.0

MAX_REFERENCES = 20
"""Schemas behind one schema; one that leads to itself is read no further."""

WEBSOCKET = "/v1/agents/{email}/ws"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one operation takes: its query parameters, and the members of its body. None: it does not say."""

    query: frozenset[str] | None
    members: frozenset[str] | None


class Description:
    """The operations of a deployment. One that describes nothing is believed to offer them, not our own additions."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, clock: Clock) -> None:
        self._http = http
        self._url = f"{base_url}/v1/openapi.json"
        self._clock = clock
        self._lock = asyncio.Lock()
        self._document: Json | None = None
        self._until = float("-inf")

    async def has_operation(self, method: str, url: str) -> bool:
        """Whether `url`, percent-encoded, is one of an operation."""
        document = await self._read()
        return not document or _operation(document, method, url) is not None

    async def has_parameter(self, method: str, template: str, name: str) -> bool:
        """Whether the operation takes the query parameter; an unknown one would be ignored without a word.

        Raises `Unavailable` when the deployment could not be asked: a busy one lacks nothing.
        """
        if await self._read() is None:
            raise Unavailable("the deployment did not say which parameters it takes; try again")
        taken = await self.taken(method, template)
        return taken is not None and taken.query is not None and name in taken.query

    async def taken(self, method: str, template: str) -> Taken | None:
        """What the operation takes, or None if the deployment does not describe it."""
        document = await self._read()
        operation = _operation(document, method, template) if document else None
        if document is None or operation is None:
            return None
        parameters = [_resolved(document, item) for item in operation.get("parameters", ())]
        query = {str(item.get("name")) for item in parameters if item.get("in", "query") == "query"}
        body = _resolved(document, operation.get("requestBody"))
        schema = body.get("content", {}).get("application/json", {}).get("schema")
        members = frozenset(_members(document, schema))
        return Taken(frozenset(query) if parameters else None, members or None)

    async def observers(self) -> Collection[str]:
        """Values of `observe` with which the WebSocket of an inbox can be observed.

        There are none where each connection replaces the listener.
        """
        sockets = (await self._read() or {}).get("x-websockets")
        found = sockets.get(WEBSOCKET) if isinstance(sockets, dict) else None
        if not isinstance(found, dict) or "observe" not in _list(found.get("parameters")):
            return ()
        return {"true", *filter(_is_text, _list(found.get("observe")))}

    async def _read(self) -> Json | None:
        async with self._lock:
            if self._clock.monotonic() >= self._until:
                self._document = await self._fetch()
                keep = KEEP_SECONDS if self._document else KEEP_FAILURE_SECONDS
                self._until = self._clock.monotonic() + keep
        return self._document

    async def _fetch(self) -> Json | None:
        """The document; empty when there is no usable one, None when nobody answered."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                request = self._http.build_request("GET", self._url)
                response = await received(self._http, request, MAX_DESCRIPTION_OCTETS)
            if response.is_server_error:
                return None
            document = response.json() if response.is_success else {}
        except (httpx.HTTPError, TimeoutError):
            return None
        except (ValueError, RecursionError, InternalError):
            return {}
        usable = isinstance(document, dict) and isinstance(document.get("paths"), dict) and document["paths"]
        return document if usable else {}


def _operation(document: Json, method: str, url: str) -> Json | None:
    """The description of the operation that `url` is one of. Names of path parameters do not matter."""
    for template, operations in document["paths"].items():
        if isinstance(operations, dict) and matches(template, url):
            operation = operations.get(method.lower())
            if isinstance(operation, dict):
                shared = _list(operations.get("parameters"))
                return {**operation, "parameters": [*shared, *_list(operation.get("parameters"))]}
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _members(document: Json, schema: Any) -> Iterator[str]:
    """The names of the members of a body, whichever of its alternatives has them."""
    waiting = [schema]
    for _ in range(MAX_REFERENCES):
        if not waiting:
            return
        found = _resolved(document, waiting.pop())
        yield from found.get("properties", {})
        for combined in ("allOf", "anyOf", "oneOf"):
            waiting.extend(found.get(combined, ()))


def _resolved(document: Json, item: Any) -> Mapping[str, Any]:
    """`item`, or what it refers to within the document; empty if that is nothing."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(item, dict) or "$ref" not in item:
            break
        found: Any = document
        for part in str(item["$ref"]).removeprefix("#/").split("/"):
            found = found.get(part) if isinstance(found, dict) else None
        item = found
    return item if isinstance(item, dict) else {}
