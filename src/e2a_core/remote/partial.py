"""Views for answers that lack members: those of a deployment that is older than this version, or of another make."""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Union, cast, get_args, get_origin

from pydantic import Field, create_model, model_validator
from pydantic.fields import FieldInfo

from e2a_core.contract.base import View
from e2a_core.errors import InternalError

__all__ = ["MemberMissing", "partial"]


class MemberMissing(InternalError, AttributeError):
    """Something was to be told that the deployment's answer does not say."""


class _Partial(View):
    """A view without the required members that were not sent. Reading one of them raises `MemberMissing`."""

    required: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _forget_unsent(self) -> _Partial:
        for name in self.required:
            if self.__dict__[name] is None:
                del self.__dict__[name]
        return self

    if not TYPE_CHECKING:  # with it, every name would pass the type checker

        def __getattr__(self, name: str) -> Any:
            if name in self.required:
                raise MemberMissing(f"the deployment's answer has no {name}")
            return super().__getattr__(name)


@cache
def partial(model: type[View]) -> type[View]:
    """Returns a subclass of `model` of whose members, and theirs, none must be there."""
    members: dict[str, Any] = {name: _loosened(field) for name, field in model.model_fields.items()}
    made = cast(Any, create_model)(model.__name__, __base__=cast(Any, (_Partial, model)), **members)
    made.required = frozenset(name for name, field in model.model_fields.items() if field.is_required())
    return cast("type[View]", made)


def _loosened(field: FieldInfo) -> tuple[Any, Any]:
    kind = _with_partial_views(field.annotation)
    if field.metadata:
        kind = Annotated[(kind, *field.metadata)]
    if field.is_required():
        return kind | None, Field(None, alias=field.alias)
    return kind, field


def _with_partial_views(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, View):
        return partial(annotation)
    origin, inner = get_origin(annotation), tuple(map(_with_partial_views, get_args(annotation)))
    if origin is Annotated:
        return Annotated[(inner[0], *annotation.__metadata__)]
    if origin in {Union, UnionType}:
        return Union[inner]  # noqa: UP007 - the members are known at run time only
    return origin[inner] if origin in {list, dict, tuple} else annotation
