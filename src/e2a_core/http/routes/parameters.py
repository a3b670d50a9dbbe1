"""Parameters that several operations share."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, cast

from fastapi import APIRouter, Header, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from e2a_core.contract.errors import ErrorEnvelope
from e2a_core.http.routing import ApiRoute

__all__ = [
    "Confirm",
    "Cursor",
    "IdempotencyKey",
    "IfMatch",
    "Limit",
    "api_router",
    "described",
    "digits",
    "query_of",
]

Parameters = TypeVar("Parameters", bound=BaseModel)

_DIGITS = re.compile(r"-?[0-9]+")


def digits(text: object) -> object:
    """`text` itself. Raises ValueError for a number in another spelling than base 10 (http-api section 3.3)."""
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise ValueError("must be a whole number in base 10")
    return text


Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
Limit = Annotated[int, BeforeValidator(digits), Query(ge=1, le=100)]
Confirm = Annotated[Literal["DELETE"], Query(description="Must be DELETE.")]
IdempotencyKey = Annotated[str | None, Header(description="Repeats with this key are answered as the first.")]
IfMatch = Annotated[str | None, Header(description="The ETag of the state that is to be changed.")]

ERROR_STATUSES = (400, 401, 402, 403, 404, 408, 409, 412, 413, 415, 422, 429, 500, 503)


def query_of(request: Request, model: type[Parameters]) -> Parameters:
    """The whole query as `model`, which the caller must not change, for operations that are asked often.

    Parameter by parameter, as the framework does it, many of them take longer than the operation; and whoever polls
    asks with the same query. The description of them is `described(model)`. Raises `RequestValidationError`.
    """
    try:
        return cast(Parameters, _read(request.scope["query_string"], model))
    except ValidationError as problem:
        places = [{**item, "loc": ("query", *item["loc"])} for item in problem.errors(include_url=False)]
        raise RequestValidationError(places) from None


@lru_cache(maxsize=256)
def _read(query: bytes, model: type[BaseModel]) -> BaseModel:
    return model.model_validate(dict(QueryParams(query)))


def described(model: type[BaseModel]) -> dict[str, list[dict[str, Any]]]:
    """The members of `model` as query parameters of an OpenAPI operation."""
    members = model.model_json_schema()["properties"]
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in members.items()
        ]
    }


def api_router(tag: str) -> APIRouter:
    """A router whose operations need a session and answer errors in the envelope."""
    return APIRouter(
        prefix="/v1",
        tags=[tag],
        route_class=ApiRoute,
        responses={status: {"model": ErrorEnvelope} for status in ERROR_STATUSES},
    )
