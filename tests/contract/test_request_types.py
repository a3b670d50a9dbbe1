"""Requests take the types that the document states, and no others that could be read as them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter, ValidationError

import e2a_core.contract.engine  # noqa: F401  (defines every request)
from e2a_core.contract.base import Query, Request

LOOSE = {"boolean": (0, 1, "true", "yes"), "integer": ("1", True, 1.0), "number": ("1", True)}
"""By the type that is stated: what pydantic would read as one."""


def _bodies(base: type[Request] = Request) -> Iterator[type[Request]]:
    for model in base.__subclasses__():
        if model is not Query:
            yield model
            yield from _bodies(model)


def _loose() -> Iterator[tuple[type[Request], str, object]]:
    for model in _bodies():
        for name, schema in model.model_json_schema()["properties"].items():
            types = {part.get("type") for part in (schema, *schema.get("anyOf", ()))}
            for kind in types & LOOSE.keys():
                yield from ((model, name, value) for value in LOOSE[kind])


@pytest.mark.parametrize(("model", "name", "value"), list(_loose()))
def test_a_value_of_another_type_is_refused(model: type[Request], name: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(model).validate_python({name: value})
    assert (name,) in {error["loc"] for error in refused.value.errors()}
