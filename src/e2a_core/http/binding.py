"""The arguments of an operation, read from its request as its signature describes them.

FastAPI reads that description once, for the document and for this. Its own reading of a request looks at every
annotation again each time, which takes longer than many operations do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isinf
from typing import Any, NoReturn, Self, cast

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from e2a_core.errors import InvalidRequest

__all__ = ["Binding"]


class Binding:
    """Of operations whose parameters are single values, and whose body, if they have one, is a single model."""

    def __init__(self, described: Dependant) -> None:
        self._path = [_Parameter("path", field) for field in described.path_params]
        self._query = [_Parameter("query", field) for field in described.query_params]
        self._header = [_Parameter("header", field) for field in described.header_params]
        body = described.body_params[0] if described.body_params else None
        self._body_name = body.name if body else ""
        self._body = cast("type[BaseModel]", body.field_info.annotation) if body else None
        self._request = described.request_param_name

    def arguments(self, request: Request, body: bytes | None) -> dict[str, Any]:
        """By name. Raises `RequestValidationError` with all that is wrong, `InvalidRequest` for what is no text."""
        problems: list[Any] = []
        found: dict[str, Any] = {}
        _read(self._path, request.path_params, found, problems)
        if self._query:
            _read(self._query, request.query_params, found, problems)
        if self._header:
            _read(self._header, request.headers, found, problems)
        if self._body is not None:
            # FastAPI would take any object for the model whose attributes it could be made of, a number too.
            try:
                found[self._body_name] = self._body.model_validate(_parsed(body or b""))
            except ValidationError as problem:
                wrong = problem.errors(include_url=False)
                problems += [{**item, "loc": ("body", *item["loc"])} for item in wrong]
        if problems:
            raise RequestValidationError(problems)
        if self._request is not None:
            found[self._request] = request
        return found


class _Parameter:
    """One value of the path, the query or the header."""

    def __init__(self, place: str, field: Any) -> None:
        self.name: str = field.name
        self.alias: str = field.alias
        self.required: bool = field.field_info.is_required()
        self.default = None if self.required else field.default
        self.loc = (place, self.alias)
        self.validate = field.validate


def _read(
    parameters: Sequence[_Parameter], given: Mapping[str, Any], found: dict[str, Any], problems: list[Any]
) -> None:
    for parameter in parameters:
        value = given.get(parameter.alias)
        if value is not None:
            found[parameter.name], wrong = parameter.validate(value, loc=parameter.loc)
            problems += wrong
        elif parameter.required:
            problems.append({"type": "missing", "loc": parameter.loc, "msg": "is required"})
        else:
            found[parameter.name] = parameter.default


class _Number(float):
    """A number that is told as it was written: whoever fills a template with 1.10 means a price."""

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
    try:
        return _JSON.decode(body.decode())
    except json.JSONDecodeError as problem:
        wrong = {"type": "json_invalid", "loc": ("body", problem.pos), "msg": problem.msg}
        raise RequestValidationError([wrong]) from None
    except (ValueError, RecursionError):
        raise InvalidRequest(
            "the body must be JSON in UTF-8, and not nested deeply", location="body"
        ) from None
