"""Collects the rows of a group and completes each from the signature of its method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from e2a_core.contract.base import Query, Request
from e2a_core.contract.operation import EngineOnly, Header, Operation, Parameter, Place, Segment, Unsent, bare

__all__ = ["operations_of"]


def operations_of(protocol: type[Any], group: str) -> tuple[Operation, ...]:
    """Returns the rows of one group in source order. Raises `TypeError` for a method without a row."""
    return _operations(cast(Hashable, protocol), group)


@cache
def _operations(protocol: Hashable, group: str) -> tuple[Operation, ...]:
    return tuple(_rows(protocol, group))


def _rows(protocol: Any, group: str) -> Iterator[Operation]:
    for name, function in vars(protocol).items():
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        row = getattr(function, "operation", None)
        if isinstance(row, EngineOnly):
            continue
        if not isinstance(row, Operation):
            raise TypeError(f"{protocol.__name__}.{name} has no row")
        yield _completed(row, group, function)


def _completed(row: Operation, group: str, function: Callable[..., Any]) -> Operation:
    hints = get_type_hints(function, include_extras=True)
    given = [item for item in inspect.signature(function).parameters.values() if item.name != "self"]
    return replace(
        row,
        group=group,
        name=function.__name__,
        summary=inspect.cleandoc(function.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
        parameters=tuple(_parameter(row, item.name, hints[item.name], item.default) for item in given),
        result=hints["return"],
    )


def _parameter(row: Operation, name: str, annotation: Any, default: Any) -> Parameter:
    for mark in get_args(annotation)[1:] if get_origin(annotation) is Annotated else ():
        if isinstance(mark, Segment):
            return Parameter(name, Place.PATH, mark.name, annotation, default)
        if isinstance(mark, Header):
            return Parameter(name, Place.HEADER, mark.name, annotation, default)
        if mark is Unsent:
            return Parameter(name, Place.UNSENT, name, annotation, default)
    kind = bare(annotation)
    if isinstance(kind, type) and issubclass(kind, Query):
        return Parameter(name, Place.SPREAD, name, annotation, default, tuple(_members(row, kind)))
    if isinstance(kind, type) and issubclass(kind, Request):
        return Parameter(name, Place.BODY, "body", annotation, default)
    place = Place.PATH if f"{{{name}}}" in row.path else Place.QUERY
    return Parameter(name, place, name, annotation, default)


def _members(row: Operation, model: type[BaseModel]) -> Iterator[Parameter]:
    for name, field in model.model_fields.items():
        annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        default = inspect.Parameter.empty if field.is_required() else field.default
        found = _parameter(row, name, annotation, default)
        yield replace(found, wire=field.alias) if field.alias and found.place is Place.QUERY else found
