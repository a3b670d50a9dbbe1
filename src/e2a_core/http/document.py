"""The API's description of itself: its OpenAPI 3.1 document, read from the rows, and a page that lists them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core.core_schema import LiteralSchema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from e2a_core.contract.base import View
from e2a_core.contract.deployment import API_VERSION
from e2a_core.contract.engine import all_operations
from e2a_core.contract.errors import (
    ErrorEnvelope,
    LimitExceededEnvelope,
    PayloadTooLargeEnvelope,
    RateLimitedEnvelope,
)
from e2a_core.contract.operation import Access, Budget, Confirm, Operation, Parameter, Place
from e2a_core.errors import LimitExceeded, PayloadTooLarge, RateLimited
from e2a_core.http.pages.plain import page

__all__ = ["describe", "document_routes"]

JSON_TYPE = "application/openapi+json"
YAML_TYPE = "application/openapi+yaml"
REFERENCE = "#/components/schemas/{model}"

Json = dict[str, Any]

HEADERS: Json = {
    "RateLimitLimit": {"description": "Requests in the present window.", "schema": {"type": "integer"}},
    "RateLimitRemaining": {"description": "Requests left in it.", "schema": {"type": "integer"}},
    "RateLimitReset": {"description": "Seconds until it ends.", "schema": {"type": "integer"}},
    "RetryAfter": {
        "description": "Seconds to wait before the request is repeated.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "XRequestID": {"description": "Names the request in the log.", "schema": {"type": "string"}},
}
REQUEST_ID = {"X-Request-Id": "XRequestID"}
RATE_LIMIT = {
    "RateLimit-Limit": "RateLimitLimit",
    "RateLimit-Remaining": "RateLimitRemaining",
    "RateLimit-Reset": "RateLimitReset",
}
TOLD = frozenset({Budget.POLL, Budget.REGISTRATION})
"""Budgets whose state each answer tells."""

RETRY_AFTER = {"Retry-After": "RetryAfter"}
WAITED_OUT = frozenset({429, 503})
"""Statuses that say when to come again."""

ENVELOPES: Mapping[str, type[View]] = {
    LimitExceeded.code: LimitExceededEnvelope,
    PayloadTooLarge.code: PayloadTooLargeEnvelope,
    RateLimited.code: RateLimitedEnvelope,
}
"""Envelopes of codes whose details programs read."""


def document_routes() -> list[Route]:
    """`/v1/openapi.json`, the same as YAML, and `/v1/docs`, which loads nothing from elsewhere."""

    async def openapi(request: Request) -> Response:
        return Response((await _made()).as_json, media_type=JSON_TYPE)

    async def as_yaml(request: Request) -> Response:
        return Response((await _made()).as_yaml, media_type=YAML_TYPE)

    async def docs(request: Request) -> Response:
        return _page((await _made()).described)

    return [
        Route("/v1/openapi.json", openapi),
        Route("/v1/openapi.yaml", as_yaml),
        Route("/v1/docs", docs),
    ]


@dataclass(frozen=True, slots=True)
class _Document:
    """The description, and its spellings."""

    described: Json
    as_json: str
    as_yaml: str


@cache
def _document() -> _Document:
    """Takes a second or so, once in a process."""
    described = describe(all_operations())
    return _Document(
        described,
        json.dumps(described, ensure_ascii=False),
        # JSON is YAML (YAML 1.2 section 1.3).
        json.dumps(described, ensure_ascii=False, indent=2),
    )


async def _made() -> _Document:
    """The document, made off the event loop when somebody first asks: most processes never serve it."""
    return await asyncio.to_thread(_document)


def describe(rows: Iterable[Operation]) -> Json:
    """The OpenAPI document of `rows`."""
    rows = list(rows)
    schemas = _Schemas(rows)
    paths: dict[str, Json] = {}
    for row in rows:
        paths.setdefault(row.template, {})[row.method.lower()] = _operation(row, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "e2a", "version": API_VERSION, "summary": "Authenticated email for AI agents."},
        "paths": paths,
        # OpenAPI has no words for these: a WebSocket for each inbox, which may be observed beside its listener.
        "x-websockets": {"/v1/agents/{email}/ws": {"parameters": ["observe"], "observe": ["true", "events"]}},
        "components": {
            "schemas": schemas.definitions,
            "headers": HEADERS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }


class _Schemas:
    """The schemas of all bodies, made together so that each model is described once."""

    def __init__(self, rows: Sequence[Operation]) -> None:
        envelopes: tuple[Any, ...] = (ErrorEnvelope, *ENVELOPES.values())
        wanted: dict[tuple[Any, JsonSchemaMode], TypeAdapter[Any]] = {
            (envelope, "serialization"): TypeAdapter(envelope) for envelope in envelopes
        }
        for row in rows:
            wanted[row.result, "serialization"] = TypeAdapter(row.result)
            if row.body is not None:
                wanted[row.body.model, "validation"] = TypeAdapter(row.body.model)
        inputs = [(key, mode, adapter) for (key, mode), adapter in wanted.items()]
        self._found, described = TypeAdapter.json_schemas(
            inputs, ref_template=REFERENCE, schema_generator=_Generator
        )
        self.definitions: Json = described.get("$defs", {})

    def body(self, row: Operation) -> Json:
        assert row.body is not None
        return self._found[row.body.model, "validation"]

    def result(self, row: Operation) -> Json:
        return self._found[row.result, "serialization"]

    def error(self, codes: Collection[str]) -> Json:
        """The envelope of a status with these codes."""
        only = next(iter(codes)) if len(codes) == 1 else ""
        return self._found[ENVELOPES.get(only, ErrorEnvelope), "serialization"]


class _Generator(GenerateJsonSchema):
    """Names each schema after its model alone: no model is both taken and answered. One value is an enum too."""

    def literal_schema(self, schema: LiteralSchema) -> Json:
        described = super().literal_schema(schema)
        if "const" in described:
            described["enum"] = [described.pop("const")]
        return described


def _operation(row: Operation, schemas: _Schemas) -> Json:
    described: Json = {
        "tags": [row.group or "meta"],
        "summary": row.summary,
        "operationId": _camel(row.id),
        "parameters": list(_parameters(row)),
        "responses": _responses(row, schemas),
    }
    if not described["parameters"]:
        del described["parameters"]
    if row.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas.body(row)}},
        }
    if row.access is not Access.PUBLIC:
        described["security"] = [{"bearer": []}]
    if row.deprecated:
        described["deprecated"] = True
    return described


def _parameters(row: Operation) -> Iterator[Json]:
    for item in row.parameters:
        if item.place is Place.SPREAD:
            members = _members(item.model)
            for inner in item.members:
                yield _parameter(inner, members[inner.wire if inner.wire in members else inner.name])
        elif item.place not in {Place.BODY, Place.UNSENT}:
            yield _parameter(item, TypeAdapter(item.type).json_schema())
    if row.confirm is not Confirm.NEVER:
        yield {
            "name": "confirm",
            "in": "query",
            "required": row.confirm is Confirm.ALWAYS,
            "description": "Must be DELETE."
            if row.confirm is Confirm.ALWAYS
            else "Must be DELETE to delete for good.",
            "schema": {"type": "string", "enum": ["DELETE"]}
            if row.confirm is Confirm.ALWAYS
            else {"type": "string"},
        } | ({} if row.confirm is Confirm.ALWAYS else {"allowEmptyValue": True})


def _camel(id: str) -> str:
    """The id as clients that were generated from the public document name their methods."""
    first, *rest = id.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _members(model: type[BaseModel]) -> Json:
    members: Json = model.model_json_schema(by_alias=True)["properties"]
    return members


def _parameter(item: Parameter, schema: Json) -> Json:
    schema = {key: value for key, value in schema.items() if key != "title"}
    description = schema.pop("description", None)
    if not item.required and item.default is not None:
        schema["default"] = item.default
    found: Json = {
        "name": item.wire,
        "in": item.place.value,
        "required": item.required,
        "schema": schema,
    }
    if description:
        found["description"] = description
    if item.place is Place.QUERY and not item.required:
        found["allowEmptyValue"] = True  # it counts as an absent one
    return found


def _responses(row: Operation, schemas: _Schemas) -> Json:
    found: Json = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "headers": _headers(row, status),
            "content": {"application/json": {"schema": schemas.result(row)}},
        }
        for status in row.statuses
    }
    for status, codes in sorted(_refusals(row).items()):
        found[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in sorted(codes))}",
            "headers": _headers(row, status),
            "content": {"application/json": {"schema": schemas.error(codes)}},
        }
    return found


def _headers(row: Operation, status: int) -> Json:
    """References to what the answer's headers are."""
    told = {
        **(RATE_LIMIT if row.budget in TOLD else {}),
        **(RETRY_AFTER if status in WAITED_OUT else {}),
        **REQUEST_ID,
    }
    return {name: {"$ref": f"#/components/headers/{header}"} for name, header in told.items()}


def _refusals(row: Operation) -> dict[int, set[str]]:
    """The statuses of failure and their codes: of the operation itself, and of what any request may meet."""
    found: dict[int, set[str]] = {500: {"internal_error"}, 503: {"unavailable"}}

    def add(status: int, code: str) -> None:
        found.setdefault(status, set()).add(code)

    if row.access is not Access.PUBLIC:
        add(401, "unauthorized")
        add(403, "forbidden")
    if row.parameters:
        add(400, "invalid_request")
        add(422, "invalid_request")
    if row.body is not None:
        add(408, "error")
        add(413, "payload_too_large")
        add(415, "unsupported_media_type")
    if row.budget is not None:
        add(429, "rate_limited")
    for error in row.errors:
        add(error.status, error.code)
    return found


def _page(document: Json) -> Response:
    title = f"{document['info']['title']} API {document['info']['version']}"
    return page(200, title, template="operations.html", paths=document["paths"])
