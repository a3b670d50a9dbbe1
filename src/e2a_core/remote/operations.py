"""The groups of the contract over HTTP: each method makes the request that its row describes."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from e2a_core.contract.operation import Confirm, EngineOnly, Operation, Parameter, Place
from e2a_core.contract.rows import operations_of
from e2a_core.remote.client import ApiClient
from e2a_core.remote.requests import path

__all__ = ["perform", "remote_group"]

CONFIRMED = "DELETE"

Group = TypeVar("Group")


def remote_group(protocol: type[Group], name: str, api: ApiClient, by_hand: object | None = None) -> Group:
    """The group `name` of a session; `by_hand` has the methods that are more than their row's request."""
    group = _RemoteGroup()
    for row in operations_of(protocol, name):
        setattr(group, row.name, getattr(by_hand, row.name, None) or _method(protocol, row, api))
    for method in _engine_only(protocol):
        setattr(group, method, getattr(by_hand, method))
    return cast(Group, group)


async def perform(
    api: ApiClient, row: Operation, arguments: Mapping[str, Any], *, repeatable: bool | None = None
) -> Any:
    """Asks the deployment for the operation; `arguments` by their names in the contract, absent ones by default."""
    segments: dict[str, Any] = {}
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    body: BaseModel | None = None
    for parameter, value in _carried(row, arguments):
        match parameter.place:
            case Place.PATH:
                segments[parameter.wire] = value
            case Place.QUERY:
                query[parameter.wire] = value
            case Place.HEADER:
                headers[parameter.wire] = value
            case Place.BODY:
                body = value
    if row.confirm is Confirm.ALWAYS or (row.confirm is Confirm.PERMANENT and query.get("permanent")):
        query["confirm"] = CONFIRMED
    return await api.call(
        row.result,
        row.method,
        path(row.template, **segments),
        query=query,
        body=body,
        headers=headers,
        repeatable=row.repeatable if repeatable is None else repeatable,
        tagged=row.tagged,
        deadline=row.seconds,
    )


class _RemoteGroup:
    """Holds the methods of one group."""


def _method(protocol: type, row: Operation, api: ApiClient) -> Callable[..., Awaitable[Any]]:
    signature = inspect.signature(getattr(protocol, row.name))

    async def call(*args: Any, **kwargs: Any) -> Any:
        return await perform(api, row, signature.bind(None, *args, **kwargs).arguments)

    call.__name__ = row.name
    return call


def _engine_only(protocol: type) -> Iterator[str]:
    for name, function in vars(protocol).items():
        if isinstance(getattr(function, "operation", None), EngineOnly):
            yield name


def _carried(row: Operation, arguments: Mapping[str, Any]) -> Iterator[tuple[Parameter, Any]]:
    """What a request says: not what is absent, nor a flag that is down as it is by default."""
    for parameter in row.parameters:
        value = arguments.get(parameter.name, parameter.default)
        given = [(parameter, value)]
        if parameter.place is Place.SPREAD:
            members = value.model_dump(mode="json", by_alias=True)
            given = [(inner, members.get(inner.wire, members.get(inner.name))) for inner in parameter.members]
        for found, told in given:
            if (
                found.place is not Place.UNSENT
                and told is not None
                and not (told is False and found.default is False)
            ):
                yield found, told
