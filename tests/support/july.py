"""The public server of July 2026 as a shape around a home: what came later it neither takes nor answers.

A path of the shapes that its document was reduced to (`tests/http/shapes.py`) leads to a type; one of a body that has
no such path was not taken, one of an answer was not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["July"]

SHAPES: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "http" / "data" / "openapi-2026-07.json").read_text(encoding="utf-8")
)
DOWNLOAD = re.compile(r"/v1/agents/[^/]+/messages/[^/]+/attachments/\d+/download")
PASSED_ON = ("authorization", "content-type", "idempotency-key", "if-match")


class July:
    """An application that answers as that server would, by asking the home at `upstream`.

    `refused` has what a request carried that the server did not take.
    """

    def __init__(self, upstream: str, http: httpx.AsyncClient) -> None:
        self._upstream = upstream
        self._http = http
        self.refused: list[str] = []
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])

    async def _answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode()
        if path == "/v1/openapi.json":
            return JSONResponse(document())
        shape = _shape_of(request.method, path)
        if shape is None and not DOWNLOAD.fullmatch(path):
            return _refusal(404, "not_found", f"no {path}")
        content = await request.body()
        if shape is not None and (unknown := list(_unknown(shape, request, content))):
            self.refused += [f"{request.method} {path}: {name}" for name in unknown]
            return _refusal(422, "invalid_request", f"unexpected property {unknown[0]}")
        answer = await self._http.request(
            request.method,
            self._upstream + path,
            params=list(request.query_params.multi_items()),
            content=content,
            headers={name: request.headers[name] for name in PASSED_ON if name in request.headers},
        )
        if shape is None or not answer.is_success:
            return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])
        status = str(answer.status_code)
        return JSONResponse(_known(answer.json(), shape, status), answer.status_code)


def document() -> dict[str, Any]:
    """The description: operations, query parameters and the members of bodies, each body behind a reference."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for name, shape in SHAPES.items():
        method, path = shape["route"].split(" ")
        parameters = [
            {"name": at.removeprefix("query."), "in": "query"} for at in shape if at.startswith("query.")
        ]
        operation: dict[str, Any] = {"operationId": name, "parameters": parameters}
        if "body" in shape:
            members = [at.removeprefix("body.") for at in shape if re.fullmatch(r"body\.\w+", at)]
            schemas[name] = {"type": "object", "properties": {member: {} for member in members}}
            reference = {"$ref": f"#/components/schemas/{name}"}
            operation["requestBody"] = {"content": {"application/json": {"schema": reference}}}
        paths.setdefault(path, {})[method.lower()] = operation
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}


def _shape_of(method: str, path: str) -> dict[str, str] | None:
    for shape in SHAPES.values():
        known, template = shape["route"].split(" ")
        if known == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return shape
    return None


def _unknown(shape: dict[str, str], request: Request, content: bytes) -> Iterator[str]:
    yield from (name for name in request.query_params if f"query.{name}" not in shape)
    if content:
        yield from _unknown_members(json.loads(content), shape, "body")


def _unknown_members(value: Any, shape: dict[str, str], at: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _unknown_members(item, shape, f"{at}[]")
    if isinstance(value, dict) and _has_members(shape, at):
        for name, member in value.items():
            if f"{at}.{name}" in shape:
                yield from _unknown_members(member, shape, f"{at}.{name}")
            else:
                yield f"{at}.{name}"


def _known(value: Any, shape: dict[str, str], at: str) -> Any:
    if isinstance(value, list):
        return [_known(item, shape, f"{at}[]") for item in value]
    if isinstance(value, dict) and _has_members(shape, at):
        return {
            name: _known(member, shape, f"{at}.{name}")
            for name, member in value.items()
            if f"{at}.{name}" in shape
        }
    return value


def _has_members(shape: dict[str, str], at: str) -> bool:
    """Whether the object's members were described; otherwise it takes any."""
    return any(other.startswith(f"{at}.") for other in shape)


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "request_id": "req_july"}}, status)
