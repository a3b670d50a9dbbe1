"""The groups of the contract over HTTP: each method makes the request that its row describes."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from e2a_core.contract.base import LIMITATIONS
from e2a_core.contract.operation import Confirm, Operation, Parameter, Place
from e2a_core.contract.rows import operations_of
from e2a_core.remote.client import ApiClient
from e2a_core.remote.fitting import Fitted, fitted
from e2a_core.remote.requests import path

__all__ = ["ApiGroup", "perform", "remote_group"]

CONFIRMED = "DELETE"

Group = TypeVar("Group")


class ApiGroup:
    """The methods of one group with one credential; what a subclass writes by hand comes before what its row says."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api


def remote_group(
    protocol: type[Group], name: str, *arguments: Any, by_hand: type[ApiGroup] = ApiGroup
) -> Group:
    """The group `name` of a session; `arguments` are those of `by_hand`, the API client first."""
    return cast(Group, _group_class(cast(Hashable, protocol), name, cast(Hashable, by_hand))(*arguments))


async def perform(
    api: ApiClient, row: Operation, arguments: Mapping[str, Any], *, repeatable: bool | None = None
) -> Any:
    """Asks the deployment for the operation; `arguments` by their names in the contract, absent ones by default.

    The request carries only what the deployment takes, and the answer's `limitations` say what it lost by that.
    """
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
    taken = await api.taken(row.method, row.template) if query or body is not None else None
    request = fitted(row, taken, query, body) if taken else Fitted(query, body)
    answer = await api.call(
        row.result,
        row.method,
        path(row.template, **segments),
        query=request.query,
        body=request.body,
        headers=headers,
        repeatable=row.repeatable if repeatable is None else repeatable,
        tagged=row.tagged,
        deadline=row.seconds,
    )
    return answer.model_copy(update={LIMITATIONS: request.losses}) if request.losses else answer


@cache
def _group_class(protocol: Any, name: str, by_hand: Any) -> Callable[..., object]:
    members = {
        row.name: _method(protocol, row)
        for row in operations_of(protocol, name)
        if not hasattr(by_hand, row.name)
    }
    return type(f"Remote{protocol.__name__}", (by_hand,), members)


def _method(protocol: type, row: Operation) -> Callable[..., Awaitable[Any]]:
    signature = inspect.signature(getattr(protocol, row.name))

    async def call(self: ApiGroup, *args: Any, **kwargs: Any) -> Any:
        return await perform(self._api, row, signature.bind(self, *args, **kwargs).arguments)

    call.__name__ = row.name
    return call


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
