"""The doors of a session: what its caller may call of each group by their role, and what is logged of it.

The rows of the contract say which role an operation needs. What has no row, and does not say that it only reads, is
the owner's. Everything that an account credential or a person changes is in the audit log, and so is what their role
refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, NoReturn, TypeVar, cast

from e2a_core.audit.entry import by_principal, shown
from e2a_core.audit.log import AuditLog
from e2a_core.contract.engine import GROUPS
from e2a_core.contract.operation import EngineOnly, Operation, Place
from e2a_core.contract.principal import Principal, Role
from e2a_core.contract.rows import operations_of
from e2a_core.errors import Forbidden

__all__ = ["Guard"]

RANKS: Mapping[Role, int] = {"viewer": 0, "reviewer": 1, "owner": 2}

MAY: Mapping[Role, str] = {
    "viewer": "a viewer may only read",
    "reviewer": "a reviewer may only read, and decide held mail",
    "owner": "an owner may do everything",
}

IDS = ("id", "message_id", "delivery_id")
NAMES = ("email", "domain", "address", "batch_id")
"""Members of an answer that say what the operation made; names only where the path has none."""

Group = TypeVar("Group")
Method = Callable[..., Any]


class Guard:
    """Guards the groups of one session.

    An agent gets each group itself, and an account the methods that read themselves, so that neither pays for it.
    """

    def __init__(self, principal: Principal, audit: AuditLog) -> None:
        self._principal = principal
        self._audit = audit

    def __call__(self, name: str, group: Group) -> Group:
        """Returns the group `name` of a session as its caller may use it: what they may not raises `Forbidden`."""
        if self._principal.scope == "agent" and self._principal.role == "owner":
            return group
        return cast(Group, _Guarded(group, name, self._principal, self._audit))


class _Guarded:
    """Stands in front of a group. Without a protocol, everything of it is the owner's."""

    def __init__(self, group: object, name: str, principal: Principal, audit: AuditLog) -> None:
        self._group = group
        self._name = name
        self._principal = principal
        self._audit = audit

    def __getattr__(self, name: str) -> Any:
        """Makes the method at its first use."""
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self._group, name)
        row, needed = _row(self._name, name), _needed(self._name, name)
        if RANKS[self._principal.role] < RANKS[needed]:
            method = _refusing(method, row, needed, self._principal, self._audit)
        elif row is not None and not row.safe:
            method = _logging(method, row, self._principal, self._audit)
        self.__dict__[name] = method
        return method


@cache
def _row(group: str, name: str) -> Operation | None:
    rows = operations_of(GROUPS[group], group) if group in GROUPS else ()
    return next((row for row in rows if row.name == name), None)


@cache
def _needed(group: str, name: str) -> Role:
    """The least role that may call a method."""
    row = _row(group, name)
    if row is not None:
        return row.role
    mark = getattr(getattr(GROUPS.get(group), name, None), "operation", None)
    return "viewer" if isinstance(mark, EngineOnly) else "owner"


def _refusing(
    method: Method, row: Operation | None, needed: Role, principal: Principal, audit: AuditLog
) -> Method:
    refusal = f"{MAY[principal.role]}; this needs the role {needed}"

    @wraps(method)
    async def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        if row is None:
            raise Forbidden(refusal)
        async with audit.during(by_principal(principal, row.id, _subjects(row, method, args, kwargs))):
            raise Forbidden(refusal)

    return refuse


def _logging(method: Method, row: Operation, principal: Principal, audit: AuditLog) -> Method:
    @wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        entry = by_principal(principal, row.id, _subjects(row, method, args, kwargs))
        async with audit.during(entry) as subjects:
            result = await method(*args, **kwargs)
            subjects |= _made(result, subjects)
        return result

    return call


def _subjects(row: Operation, method: Method, args: Any, kwargs: Any) -> dict[str, str]:
    """The ids in the path of a call: no member of its body."""
    given = inspect.signature(method).bind(*args, **kwargs).arguments
    names = [item.name for item in row.parameters if item.place is Place.PATH and item.name in given]
    return {name: shown(str(given[name])) for name in names}


def _made(result: object, known: Mapping[str, str]) -> dict[str, str]:
    """The ids in an answer that the call did not name; `new_message_id` beside that of what a reply answers."""
    names = IDS if known else (*IDS, *NAMES)
    found = {name: getattr(result, name, None) for name in names}
    return {
        f"new_{name}" if name in known else name: shown(value)
        for name, value in found.items()
        if isinstance(value, str) and value not in known.values()
    }
