"""Requests cut down to what a deployment takes, which may be less than this version can ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from e2a_core.contract.operation import Operation, Place
from e2a_core.errors import NotImplementedHere
from e2a_core.remote.description import Taken

__all__ = ["Fitted", "fitted"]

DISPENSABLE: Mapping[str, str] = MappingProxyType(
    {
        "confirm": "",
        "content_hash": "content_hash was not checked: the deployment cannot tell whether the draft has changed "
        "since it was read",
        "quote_history": "quote_history was left out: the deployment decides what an answer quotes",
        "wait": "wait was left out: the result does not tell whether the relay has taken the message",
    }
)
"""What a request is made without where it is not taken, and what is lost by that; without anything else, something
other than what was asked would be done."""

SWITCHES = frozenset({"ordered"})
"""Members of which false asks for what a deployment that has not heard of them does."""


class Fitted:
    """Query and body of a request that the deployment takes, and `losses`: sentences on what it cannot do."""

    def __init__(
        self, query: Mapping[str, Any], body: BaseModel | None, losses: Collection[str] = ()
    ) -> None:
        self.query = query
        self.body = body
        self.losses = list(losses)


def fitted(row: Operation, taken: Taken, query: Mapping[str, Any], body: BaseModel | None) -> Fitted:
    """Returns the request without what `taken` lacks.

    Raises `NotImplementedHere` when something is lacking that the request cannot do without.
    """
    members = set() if body is None or taken.members is None else body.model_fields_set - taken.members
    lacking = members if taken.query is None else members | (query.keys() - taken.query)
    defaults = _defaults(row)
    asked = {
        name
        for name in lacking
        if (_asks(name, getattr(body, name)) if name in members else query[name] != defaults.get(name))
    }
    if needed := sorted(asked - DISPENSABLE.keys()):
        raise NotImplementedHere(
            f"this deployment does not take {' or '.join(needed)} here; nothing was done, so ask without"
        )
    return Fitted(
        {name: value for name, value in query.items() if name not in lacking},
        _without(body, members) if body is not None and members else body,
        [loss for name in sorted(asked) if (loss := DISPENSABLE[name])],
    )


def _asks(name: str, value: object) -> bool:
    """Whether a member of a body asks for something that a deployment without it does not do anyway."""
    return value is not None and not (name in SWITCHES and value is False)


def _defaults(row: Operation) -> dict[str, Any]:
    """The defaults of the query parameters, which are sent too and say nothing that was asked."""
    parameters = [inner for item in row.parameters for inner in (item.members or (item,))]
    return {item.wire: item.default for item in parameters if item.place is Place.QUERY}


def _without(body: BaseModel, names: Collection[str]) -> BaseModel:
    kept = body.model_fields_set.difference(names)
    return type(body).model_construct(kept, **{name: getattr(body, name) for name in kept})
