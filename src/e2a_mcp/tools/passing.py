"""Builds tools from the operations of the contract.

Every tool takes its name, title, description and hints from the operation's row. A tool that only passes its arguments
through takes its arguments, call and answer from there too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, create_model

from e2a_core.contract import operation
from e2a_core.contract.base import Page, View
from e2a_core.contract.contacts import etag_of
from e2a_core.contract.engine import GROUPS
from e2a_core.contract.operation import Confirm, Operation, Parameter, Place
from e2a_core.contract.rows import operations_of
from e2a_mcp.schema import Arguments, Schema, object_schema, validated, view_properties
from e2a_mcp.tool import ArgumentsT, Call, Reply, Tool
from e2a_mcp.tools.outputs import TEXT, listed, listing

__all__ = ["derived", "by_hand", "pass_through"]

_NOT_OFFERED = frozenset({"permanent", "idempotency_key"})
"""Left out of tools: deletions stay reversible, and a model would not reuse an idempotency key."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def by_hand(
    id: str,
    arguments: type[ArgumentsT],
    output: Schema,
    run: Callable[[Call, ArgumentsT], Awaitable[Reply]],
    *,
    hidden: tuple[str, ...] = (),
    brief: tuple[str, ...] = (),
) -> Tool[ArgumentsT]:
    """Returns the tool of the operation `id`, with a handler of its own."""
    words = _words(id)
    return Tool(
        words.name,
        words.title,
        words.description,
        words.hints,
        lambda: (arguments, output),
        run,
        hidden,
        brief,
    )


def pass_through(
    id: str,
    required: Sequence[str] = (),
    *,
    rows: str = "",
    narrowed: type[Arguments] = Arguments,
    fixed: Mapping[str, Any] = _NOTHING,
    clears: Container[str] = (),
    output: Schema | None = None,
    reply: Callable[[Call, Any, Any], Reply] | None = None,
) -> Tool[Any]:
    """Returns the tool of the operation `id`, which passes its arguments through to the engine.

    `required` are the members that every answer has; if the answer is the list `rows`, every row has them. `narrowed`
    are arguments that the tool restricts or describes, compared with the API. `fixed` are members with a set value.
    For members in `clears`, null is a value. `reply` and `output` replace the answer and its schema.
    """
    words = _words(id)

    def shapes() -> tuple[type[Arguments], Schema]:
        row = _row(id)
        return _arguments(row, narrowed, fixed), output or _output(row, required, rows)

    async def run(call: Call, arguments: Arguments) -> Reply:
        row = _row(id)
        given = {
            name: value
            for name, value in arguments
            if value is not None or (name in clears and name in arguments.model_fields_set)
        }
        method = getattr(getattr(call.session, row.group), row.name)
        result = await method(**_values(row, call, {**given, **fixed}))
        return reply(call, arguments, result) if reply else _reply(row, rows, result)

    return Tool(words.name, words.title, words.description, words.hints, shapes, run)


def derived(named: Container[str], access: operation.Access) -> tuple[Tool[Any], ...]:
    """The tools of the operations of this access that no module names: they pass through as their rows say."""
    return tuple(
        pass_through(id)
        for id, (row, _) in _written().items()
        if isinstance(row.tool, operation.Tool)
        and row.access is access
        and (row.tool.name or id) not in named
    )


@cache
def _written() -> Mapping[str, tuple[Operation, str]]:
    """Returns the operations and their groups by id, unresolved, which is quick when the process starts."""
    return {
        row.id: (row, group)
        for group, protocol in GROUPS.items()
        for function in vars(protocol).values()
        if isinstance(row := getattr(function, "operation", None), Operation)
    }


def _words(id: str) -> operation.Tool:
    """Returns name, title, description and hints of the tool. Raises TypeError if the operation has none."""
    tool = _written()[id][0].tool
    if not isinstance(tool, operation.Tool):
        raise TypeError(f"{id} has no tool: {tool.reason}")
    return replace(tool, name=tool.name or id)


def _row(id: str) -> Operation:
    group = _written()[id][1]
    return next(row for row in operations_of(GROUPS[group], group) if row.id == id)


def _arguments(row: Operation, narrowed: type[Arguments], fixed: Container[str]) -> type[Arguments]:
    members: dict[str, Any] = {}
    for name, annotation, default in _offered(row):
        if name in narrowed.model_fields:
            members[name] = (narrowed.model_fields[name].annotation, narrowed.model_fields[name])
        elif name not in fixed and name not in _NOT_OFFERED:
            members[name] = (annotation, default)
    if row.confirm is Confirm.ALWAYS:
        members["confirm"] = (Literal[True], ...)
    elif row.confirm is Confirm.PERMANENT:
        # A tool deletes nothing for good. Callers that confirm all the same are not refused.
        members["confirm"] = (Literal[True] | None, None)
    return create_model(row.id, __base__=Arguments, **members)


def _offered(row: Operation) -> Iterator[tuple[str, Any, Any]]:
    """Yields name, type and default of each argument, without the API's descriptions, which are too long."""
    for item in row.parameters:
        if item.name == "email":
            yield "email", str | None, None
        elif item.place is Place.BODY:
            for name, field in item.model.model_fields.items():
                bounds = field.metadata
                annotation = Annotated[field.annotation, *bounds] if bounds else field.annotation
                yield name, annotation, ... if field.is_required() else field.default
        elif item.place is Place.PATH:
            yield _name(item), Annotated[item.type, Field(min_length=1)], ...
        else:
            for single in item.members or (item,):
                default = ... if single.required else single.default
                yield _name(single), single.type, Field(default, description=None)


def _name(item: Parameter) -> str:
    """Returns the argument's name: that of the API's path, except for the id of a message."""
    return item.wire if item.place is Place.PATH and item.name != "message_id" else item.name


def _values(row: Operation, call: Call, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of the engine's method. What was not given stays unset, so it is not changed."""
    values: dict[str, Any] = {}
    for item in row.parameters:
        if item.place in {Place.BODY, Place.SPREAD}:
            members = {name: given[name] for name in item.model.model_fields if name in given}
            values[item.name] = validated(item.model, members)
        elif item.name == "email":
            values["email"] = call.inbox(given.get("email"))
        elif _name(item) in given:
            values[item.name] = given[_name(item)]
    return values


def _output(row: Operation, required: Sequence[str], rows: str) -> Schema:
    view = row.result
    if rows:
        (item,) = get_args(view.model_fields["items"].annotation)
        return listing(rows, object_schema(view_properties(item), required))
    tag = {"etag": TEXT} if row.tagged else {}
    return object_schema({**view_properties(view), **tag}, required)


def _reply(row: Operation, rows: str, result: View) -> Reply:
    if isinstance(result, Page):
        return listed(rows, result)
    structured = result.to_wire()
    if row.tagged:
        # Keeps the etag of the deployment, if it gave one.
        structured.setdefault("etag", etag_of(result))  # type: ignore[arg-type]
    return Reply(structured)
