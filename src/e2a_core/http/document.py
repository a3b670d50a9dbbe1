"""The API's description of itself: its OpenAPI 3.1 document, and a page that lists the operations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from e2a_core.http.limits import POLL_OPERATIONS
from e2a_core.http.pages import page

__all__ = ["document_routes"]

JSON_TYPE = "application/openapi+json"
YAML_TYPE = "application/openapi+yaml"
METHODS = ("get", "post", "put", "patch", "delete")

SENDING = frozenset({"send_message", "reply_to_message", "forward_message", "test_agent"})
DECIDING = frozenset({"approve_review", "approve_message"})
LIMITED = POLL_OPERATIONS | SENDING | DECIDING | {"create_agent"}
QUOTA = SENDING | {"create_agent", "register_domain"}
REFUSES_LARGE_FILES = frozenset({"get_attachment"})

Json = dict[str, Any]


def document_routes(app: FastAPI) -> list[Route]:
    """`/v1/openapi.json`, the same as YAML, and `/v1/docs`, which loads nothing from elsewhere."""

    @cache
    def described() -> Json:
        return _completed(app.openapi())

    async def openapi(request: Request) -> Response:
        return Response(json.dumps(described(), ensure_ascii=False), media_type=JSON_TYPE)

    async def as_yaml(request: Request) -> Response:
        # JSON is YAML (YAML 1.2 section 1.3).
        return Response(json.dumps(described(), ensure_ascii=False, indent=2), media_type=YAML_TYPE)

    async def docs(request: Request) -> Response:
        return _page(described())

    return [
        Route("/v1/openapi.json", openapi),
        Route("/v1/openapi.yaml", as_yaml),
        Route("/v1/docs", docs),
    ]


def _completed(document: Json) -> Json:
    """With the credential each operation needs, and without the answers it cannot give."""
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["apiKey"] = {"type": "http", "scheme": "bearer", "description": "An API key."}
    for _, _, operation in _operations(document):
        if "401" in operation["responses"]:
            operation["security"] = [{"apiKey": []}]
        for status in _impossible(operation):
            operation["responses"].pop(status, None)
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query" and not parameter["required"]:
                parameter["allowEmptyValue"] = True  # it counts as an absent one
    return document


def _impossible(operation: Json) -> Iterator[str]:
    name: str = operation["operationId"]
    headers = {item["name"].lower() for item in operation.get("parameters", ()) if item["in"] == "header"}
    if "requestBody" not in operation:
        yield from ("408", "415") if name in REFUSES_LARGE_FILES else ("408", "413", "415")
    if "if-match" not in headers:
        yield "412"
    if name not in LIMITED:
        yield "429"
    if name not in QUOTA:
        yield "402"


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _page(document: Json) -> Response:
    rows = "".join(
        f"<dt>{method.upper()}</dt><dd><code>{escape(path)}</code><br>{escape(_summary(operation))}</dd>"
        for path, method, operation in _operations(document)
    )
    return page(
        200,
        f"{document['info']['title']} API {document['info']['version']}",
        "<p>Every operation takes <code>Authorization: Bearer KEY</code> and answers JSON. "
        f'The full description is <a href="/v1/openapi.json">openapi.json</a>.</p><dl>{rows}</dl>',
    )


def _summary(operation: Json) -> str:
    mark = " (deprecated)" if operation.get("deprecated") else ""
    return f"{operation['summary']}{mark}"
