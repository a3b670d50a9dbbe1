"""OpenAPI documents reduced to what clients depend on: parameters, members, their types and which must be there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["compare", "flat", "shapes_of"]

Json = dict[str, Any]
Shape = dict[str, str]
"""Member paths (`items[].id`) to types; a type ends in `!` where the member must be there."""

METHODS = ("get", "post", "put", "patch", "delete")
MAX_DEPTH = 8


def shapes_of(document: Json) -> dict[str, Shape]:
    """Per operation, named in snake case: one map over its method, parameters, body and successful answers."""
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", described["operationId"]).lower(): dict(
            _operation(document, path, method, described)
        )
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if method in METHODS
    }


def _operation(document: Json, path: str, method: str, described: Json) -> Iterator[tuple[str, str]]:
    yield "route", f"{method.upper()} {re.sub(r':path}', '}', path)}"
    for item in described.get("parameters", ()):
        if item["in"] != "path":
            kind, _ = _resolved(document, item["schema"])
            yield f"{item['in']}.{item['name'].lower()}", kind + ("!" if item.get("required") else "")
    body = described.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield from flat(document, body["schema"], "body")
    for status, answer in described["responses"].items():
        content = answer.get("content", {}).get("application/json")
        if status.startswith("2") and content:
            yield from flat(document, content["schema"], status)


def flat(
    document: Json, schema: Json, at: str, required: bool = True, depth: int = 0
) -> Iterator[tuple[str, str]]:
    kind, schema = _resolved(document, schema)
    yield at, kind + ("!" if required else "")
    if depth == MAX_DEPTH:
        return
    if "array" in kind and isinstance(schema.get("items"), dict):
        yield from flat(document, schema["items"], f"{at}[]", True, depth + 1)
    for name, member in schema.get("properties", {}).items():
        if name != "additional_properties":
            needed = name in schema.get("required", ())
            yield from flat(document, member, f"{at}.{name}", needed, depth + 1)


def _resolved(document: Json, schema: Json) -> tuple[str, Json]:
    """The type and the schema behind references, unions with null and single-member unions."""
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        kept = [_resolved(document, item) for item in choices if item.get("type") != "null"]
        kinds = sorted({kind for kind, _ in kept})
        # To JSON Schema an integer is a number too.
        return "|".join(kinds).replace("integer|number", "number"), (kept[0][1] if len(kept) == 1 else {})
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        kind = "|".join(item for item in kind if item != "null")
    return kind, schema


def compare(theirs: dict[str, Shape], ours: dict[str, Shape]) -> set[str]:
    """Each difference as a line: `-` is missing here, `+` is more here, `~` is another type or need."""
    found = {f"- {name}" for name in theirs.keys() - ours.keys()}
    found |= {f"+ {name}" for name in ours.keys() - theirs.keys()}
    for name in theirs.keys() & ours.keys():
        found |= set(_operation_differences(name, theirs[name], ours[name]))
    return found


def _operation_differences(name: str, theirs: Shape, ours: Shape) -> Iterator[str]:
    for at in theirs.keys() | ours.keys():
        if at not in ours and _parent_in(at, ours):
            yield f"- {name} {at}"
        elif at not in theirs and _parent_in(at, theirs):
            yield f"+ {name} {at}"
        elif at in ours and at in theirs and ours[at] != theirs[at]:
            yield f"~ {name} {at}: {theirs[at]} here {ours[at]}"


def _parent_in(at: str, shape: Shape) -> bool:
    """Whether the member around `at` is there, so that only the outermost of what differs is told."""
    parent = at.rpartition(".")[0] if not at.endswith("[]") else at[:-2]
    return not parent or parent in shape or parent in {"query", "header"}
