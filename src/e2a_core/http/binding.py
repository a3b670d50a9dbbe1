"""The arguments of an operation, read from its request as its row describes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isinf
from types import NoneType
from typing import Any, Literal, NoReturn, Self, get_args
from urllib.parse import parse_qsl

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request

from e2a_core.contract.operation import Confirm, Operation, Parameter, Place, bare
from e2a_core.errors import InvalidRequest
from e2a_core.json_bounds import (
    MAX_JSON_VALUES,
    MAX_PROBLEMS,
    crowded_member,
    holds_too_many_values,
)

__all__ = ["Binding", "given_query"]

CONFIRMED = TypeAdapter[str](Literal["DELETE"])

Problem = Mapping[str, Any]


class Binding:
    """Reads the arguments of one operation."""

    def __init__(self, row: Operation) -> None:
        self._row = row
        self._values = [_Value(item) for item in row.parameters if item.place in _SINGLE]
        self._spreads = [_Spread(item) for item in row.parameters if item.place is Place.SPREAD]
        self._body = row.body

    def arguments(self, request: Request, body: bytes | None, now: datetime) -> dict[str, Any]:
        """By name; `now` is what spans in the body count from. Raises `InvalidRequest` with all that is wrong."""
        query = given_query(request.scope["query_string"])
        carried: dict[Place, Mapping[str, str]] = {
            Place.PATH: request.path_params,
            Place.QUERY: query,
            Place.HEADER: request.headers,
        }
        found: dict[str, Any] = {}
        problems: list[Problem] = []
        for value in self._values:
            value.read(carried[value.place], found, problems)
        for spread in self._spreads:
            spread.read(request, query, found, problems)
        if self._row.confirm is not Confirm.NEVER:
            problems += _unconfirmed(self._row.confirm, query, found)
        if self._body is not None:
            _read_body(self._body, body or b"", now, found, problems)
        if problems:
            raise refused(problems)
        return found


class _Value:
    """One value of the path, the query or a header."""

    def __init__(self, parameter: Parameter) -> None:
        self.place = parameter.place
        self._parameter = parameter
        # Most are text, which is what the request has.
        self._adapter = None if _is_text(parameter.type) else TypeAdapter[Any](parameter.type)

    def read(self, carried: Mapping[str, str], found: dict[str, Any], problems: list[Problem]) -> None:
        parameter = self._parameter
        value = carried.get(parameter.wire)
        if value is None:
            if parameter.required:
                problems.append({"type": "missing", "loc": (self.place.value, parameter.wire)})
            else:
                found[parameter.name] = parameter.default
        elif self._adapter is None:
            found[parameter.name] = value
        else:
            try:
                found[parameter.name] = self._adapter.validate_python(value)
            except ValidationError as problem:
                problems += _placed(problem, self.place, parameter.wire)


class _Spread:
    """A model whose members are parameters of their own."""

    def __init__(self, parameter: Parameter) -> None:
        self._name = parameter.name
        self._model = parameter.model
        self._query = [item.wire for item in parameter.members if item.place is Place.QUERY]
        self._headers = [item for item in parameter.members if item.place is Place.HEADER]

    def read(
        self, request: Request, query: Mapping[str, str], found: dict[str, Any], problems: list[Problem]
    ) -> None:
        try:
            model: BaseModel = self._model.model_validate(
                {name: query[name] for name in self._query if name in query}
            )
        except ValidationError as problem:
            problems += _placed(problem, Place.QUERY)
            return
        headers = {
            item.name: request.headers[item.wire] for item in self._headers if item.wire in request.headers
        }
        found[self._name] = model.model_copy(update=headers) if headers else model


_SINGLE = frozenset({Place.PATH, Place.QUERY, Place.HEADER})


def given_query(query: bytes) -> Mapping[str, str]:
    """The first of each name's values; empty ones count as absent."""
    found: dict[str, str] = {}
    if query:
        for name, value in parse_qsl(query.decode("latin-1"), encoding="utf-8", errors="replace"):
            found.setdefault(name, value)
    return found


def _unconfirmed(confirm: Confirm, query: Mapping[str, str], found: Mapping[str, Any]) -> Sequence[Problem]:
    if confirm is Confirm.PERMANENT and not found.get("permanent"):
        return []
    if "confirm" not in query:
        return [{"type": "missing", "loc": ("query", "confirm")}]
    try:
        CONFIRMED.validate_python(query["confirm"])
    except ValidationError as problem:
        return _placed(problem, Place.QUERY, "confirm")
    return []


def _read_body(
    parameter: Parameter, body: bytes, now: datetime, found: dict[str, Any], problems: list[Problem]
) -> None:
    given = _parsed(body)
    try:
        found[parameter.name] = parameter.model.model_validate(given, context={"now": now})
    except ValidationError as problem:
        problems += _placed(problem, Place.BODY) if problem.error_count() <= MAX_PROBLEMS else [_many(given)]


def _placed(problem: ValidationError, place: Place, *name: str) -> list[Problem]:
    return [{**item, "loc": (place.value, *name, *item["loc"])} for item in problem.errors(include_url=False)]


def _many(given: object) -> Problem:
    """One problem in place of more than anybody reads."""
    member = crowded_member(given)
    place = (Place.BODY.value,) if member is None else (Place.BODY.value, member)
    return {"type": "too_many", "loc": place, "msg": f"more than {MAX_PROBLEMS} values are invalid"}


def refused(problems: Sequence[Problem]) -> InvalidRequest:
    """What the description refuses: 422 with the place of each problem."""
    return InvalidRequest(
        "validation failed", fields=[(_location(item), _message(item)) for item in problems], status=422
    )


def _location(item: Problem) -> str:
    """`("body", "to", 0)` as `body.to[0]`; the object that lacks a member is the place of a missing one."""
    loc = [part for part in item["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    if item["type"] == "missing" and loc[0] == "body":
        loc = loc[:-1]
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _message(item: Problem) -> str:
    if item["type"] == "extra_forbidden":
        return "unexpected member"
    if item["type"] == "missing":
        return f"{item['loc'][-1]} is required"
    return str(item["msg"])


def _is_text(annotation: Any) -> bool:
    kind = bare(annotation)
    return kind is str or set(get_args(kind)) == {str, NoneType}


class _Number(float):
    """A number that is told as it was written: a template filled with 1.10 means a price."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> Self:
        """Raises `InvalidRequest` for a number larger than any double."""
        number = super().__new__(cls, text)
        if isinf(number):
            raise InvalidRequest("a number is too large", location="body")
        number._text = text
        return number

    def __str__(self) -> str:
        return self._text


def _refuse_constant(name: str) -> NoReturn:
    """Python reads NaN and Infinity, which are no JSON (RFC 8259 section 6)."""
    raise json.JSONDecodeError(f"{name} is no JSON", name, 0)


_JSON = json.JSONDecoder(parse_float=_Number, parse_constant=_refuse_constant)


def _parsed(body: bytes) -> Any:
    """Raises `InvalidRequest`, 400, for what is no JSON."""
    if holds_too_many_values(body):
        raise InvalidRequest(f"the body must hold at most {MAX_JSON_VALUES} values", location="body")
    try:
        return _JSON.decode(body.decode())
    except json.JSONDecodeError:
        raise InvalidRequest("validation failed", fields=[("body", "the body must be JSON")]) from None
    except (ValueError, RecursionError):
        raise InvalidRequest(
            "the body must be JSON in UTF-8, and not nested deeply", location="body"
        ) from None
