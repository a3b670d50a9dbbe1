"""JSON schemas that are short enough for a model, and argument errors that it can act on."""

from __future__ import annotations

import difflib
import types
from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from e2a_core.errors import InvalidRequest
from e2a_core.json_bounds import MAX_PROBLEMS, crowded_member
from e2a_mcp.given import as_declared
from e2a_mcp.words import WORDS

__all__ = [
    "Arguments",
    "Schema",
    "input_schema",
    "object_schema",
    "output_schema",
    "validated",
    "view_properties",
]

Schema = dict[str, Any]
ModelT = TypeVar("ModelT", bound=BaseModel)

_DROPPED = frozenset(
    {"title", "maxLength", "minLength", "pattern", "format", "minItems", "maxItems", "minimum"}
)
"""Keywords left out of schemas to save context. The limits are still enforced."""
_GUESSED_CHARS = 100
"""Characters of an unknown name that a valid one is sought for; no valid one is longer."""
_SCALARS: Mapping[object, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    datetime: "string",
    bytes: "string",
}


_LENGTHS: Mapping[str, str] = {"too_short": "min", "too_long": "max"}
"""The errors about how many items a list has, whose own words tell how they were counted."""


class Arguments(BaseModel):
    """The arguments of one tool. Unknown names are refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _declared(cls, given: Any) -> Any:
        return as_declared(cls, given)


def input_schema(
    arguments: type[Arguments], *, hidden: Iterable[str] = (), brief: Container[str] = ()
) -> Schema:
    """Returns the schema of `arguments` without titles, empty defaults, null alternatives and references.

    Names in `hidden` are left out at every level, but still accepted. Of those in `brief` only the type is told, since
    another tool describes them. The others are described by `WORDS`, unless they are by their tool.
    """
    stated = arguments.model_json_schema()
    definitions = stated.pop("$defs", {})
    schema: Schema = _compact(stated, definitions, frozenset(hidden))
    schema.pop("description", None)
    properties: Schema = schema.pop("properties", {})
    required = schema.get("required", [])
    # Models read in order: required arguments come first, the inbox last.
    order = [*required, *(name for name in properties if name not in {*required, "email"}), "email"]
    return {
        "type": "object",
        "properties": {
            name: _brief(properties[name]) if name in brief else _described(name, properties[name])
            for name in order
            if name in properties
        },
        **schema,
    }


def _described(name: str, schema: Schema) -> Schema:
    if name in WORDS and "description" not in schema:
        schema = {"description": WORDS[name], **schema}
    if inner := schema.get("items", {}).get("properties"):
        told = {name: _described(name, member) for name, member in inner.items()}
        # What is closed is refused by name; saying so of each inner object would only cost context.
        items = {key: value for key, value in schema["items"].items() if key != "additionalProperties"}
        schema = {**schema, "items": {**items, "properties": told}}
    return schema


def _brief(schema: Schema) -> Schema:
    kept: Schema = {key: value for key, value in schema.items() if key in {"type", "const", "enum"}}
    if "items" in schema:
        kept["items"] = {"type": schema["items"]["type"]}
    return kept


def _compact(node: Any, definitions: Mapping[str, Any], hidden: frozenset[str]) -> Any:
    if isinstance(node, list):
        return [_compact(item, definitions, hidden) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = dict(definitions[node["$ref"].rpartition("/")[2]])
        target.pop("description", None)
        return _compact({**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions, hidden)
    if "anyOf" in node:
        choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        merged = {**choices[0], **rest} if len(choices) == 1 else {"anyOf": choices, **rest}
        if "anyOf" not in merged or len(choices) == 1:
            return _compact(merged, definitions, hidden)
        node = merged
    compact: Schema = {}
    for key, value in node.items():
        if key in _DROPPED or (key == "default" and not value):
            continue
        if key == "additionalProperties" and value is True:
            continue  # so is a schema that does not say it
        if key == "properties":
            compact[key] = {
                name: _compact(item, definitions, hidden)
                for name, item in value.items()
                if name not in hidden
            }
        else:
            compact[key] = _compact(value, definitions, hidden)
    return compact


def object_schema(properties: Mapping[str, Any], required: Iterable[str] = ()) -> Schema:
    """Returns the schema of an object that may have further members, since a newer engine may add some."""
    schema: Schema = {"type": "object", "properties": dict(properties)}
    names = list(required)
    if names:
        schema["required"] = names
    return schema


def output_schema(answer: Mapping[str, Any], error: Mapping[str, Any]) -> Schema:
    """Returns the schema of what a tool answers or fails with: an object with the members of `answer` or of `error`.

    Clients on the TypeScript SDK 1.x check an error against the schema too, and drop the result if it does not fit.
    """
    properties: Schema = dict(answer["properties"])
    for name, schema in error["properties"].items():
        mine = properties.get(name, schema)
        properties[name] = schema if mine == schema else {"anyOf": [mine, schema]}
    forms = answer.get("anyOf") or [{"required": answer.get("required", [])}]
    return {
        **{key: value for key, value in answer.items() if key != "required"},
        "properties": properties,
        "anyOf": [*forms, {"required": error["required"]}],
    }


def view_properties(view: type[BaseModel], *, depth: int = 1) -> Schema:
    """Returns the members of a wire view as schema properties; objects deeper than `depth` are not described."""
    nullable: frozenset[str] = getattr(view, "nullable", frozenset())
    properties: Schema = {}
    for name, field in view.model_fields.items():
        schema = _type_schema(field.annotation, depth)
        if name in nullable and "type" in schema:
            schema = {**schema, "type": [schema["type"], "null"]}
        properties[field.alias or name] = schema
    return properties


def _type_schema(annotation: Any, depth: int) -> Schema:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type_schema(get_args(annotation)[0], depth)
    if origin in {Union, types.UnionType}:
        members = [item for item in get_args(annotation) if item is not type(None)]
        return _type_schema(members[0], depth) if len(members) == 1 else {}
    if origin is Literal:
        return {"enum": list(get_args(annotation))}
    if origin is list:
        return {"type": "array", "items": _type_schema(get_args(annotation)[0], depth)}
    if origin is dict:
        return {"type": "object"}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if depth <= 0:
            return {"type": "object"}
        return object_schema(view_properties(annotation, depth=depth - 1))
    scalar = _SCALARS.get(annotation)
    return {"type": scalar} if scalar else {}


def validated(model: type[ModelT], given: Mapping[str, Any], now: datetime | None = None) -> ModelT:
    """Returns `given` as an instance of `model`: the arguments of a call, or the request made from them.

    Spans of time such as `2d` count from `now`.
    Raises `InvalidRequest` with each argument at fault, the problem, and the nearest valid name or value. It never
    repeats the offending values.
    """
    try:
        return model.model_validate(given, context={"now": now})
    except ValidationError as problem:
        fields = _problems(problem, given, model)
    except RecursionError:
        raise InvalidRequest("the arguments are nested too deep", location="arguments", status=422) from None
    raise InvalidRequest("; ".join(message for _, message in fields), fields=fields, status=422)


def _problems(
    problem: ValidationError, given: Mapping[str, Any], model: type[BaseModel]
) -> list[tuple[str, str]]:
    """The place and the sentence of each problem; one for all if there are more than anybody reads."""
    if problem.error_count() <= MAX_PROBLEMS:
        return [(_location(item["loc"]), _sentence(item, model)) for item in problem.errors()]
    member = crowded_member(given)
    place = _location(() if member is None else (member,))
    return [(place, f"{member or 'arguments'}: more than {MAX_PROBLEMS} values are invalid")]


def _location(path: tuple[int | str, ...]) -> str:
    text = "arguments"
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def _sentence(item: Any, arguments: type[BaseModel]) -> str:
    path = [str(part) for part in item["loc"]]
    shown = _location(item["loc"]).partition("arguments")[2].removeprefix(".") or "arguments"
    kind = item["type"]
    if kind == "missing":
        field = arguments.model_fields.get(path[0]) if len(path) == 1 else None
        return f"{shown} is required" + (f": {field.description}" if field and field.description else "")
    if kind == "extra_forbidden":
        names = _names_at(arguments, path[:-1])
        near = difflib.get_close_matches(path[-1][:_GUESSED_CHARS], names, n=1)
        hints = [f"did you mean {near[0]}?"] if near else []
        # Inside an object the names are few, and a near spelling is rarely what was meant.
        if not near or len(path) > 1:
            hints.append(f"valid names: {', '.join(sorted(names)) or 'none'}")
        return f"{shown} is not an argument; {' '.join(hints)}"
    if kind == "literal_error":
        return f"{shown} must be {item['ctx']['expected'].replace(chr(39), '').replace('True', 'true')}"
    if kind in _LENGTHS:
        bound, count = _LENGTHS[kind], item["ctx"][f"{_LENGTHS[kind]}_length"]
        side = "least" if bound == "min" else "most"
        return f"{shown} must have at {side} {count} item{'' if count == 1 else 's'}"
    text = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if text.startswith("must "):
        return f"{shown} {text}"
    return f"{shown}: {text[:1].lower()}{text[1:]}"


def _names_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Returns the valid names of the object at `path`, whose list positions are skipped."""
    for part in path:
        if part.isdigit():
            continue
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for item in get_args(annotation) if (found := _model_in(item))), None)
