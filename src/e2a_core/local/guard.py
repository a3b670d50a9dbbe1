"""The doors of a session: what a person may call of each group, by their role.

The rows of the contract say which role an operation needs. What has no row, and does not say that it only reads, is
the owner's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, NoReturn, TypeVar, cast

from e2a_core.contract.engine import GROUPS
from e2a_core.contract.operation import EngineOnly, Operation
from e2a_core.contract.principal import Principal, Role
from e2a_core.errors import Forbidden

__all__ = ["Guard"]

RANKS: Mapping[Role, int] = {"viewer": 0, "reviewer": 1, "owner": 2}

MAY: Mapping[Role, str] = {
    "viewer": "a viewer may only read",
    "reviewer": "a reviewer may only read, and decide held mail",
    "owner": "an owner may do everything",
}

Group = TypeVar("Group")


class Guard:
    """Guards the groups of one session.

    An owner gets each group itself, so that keys and agents pay nothing.
    """

    def __init__(self, principal: Principal) -> None:
        self._role = principal.role

    def __call__(self, name: str, group: Group) -> Group:
        """Returns the group `name` of a session as its caller may use it: what they may not raises `Forbidden`."""
        if self._role == "owner":
            return group
        return cast(Group, _Guarded(group, GROUPS.get(name), self._role))


class _Guarded:
    """Stands in front of a group. Without a protocol, everything of it is the owner's."""

    def __init__(self, group: object, protocol: type | None, role: Role) -> None:
        self._group = group
        self._protocol = protocol
        self._role: Role = role

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        needed = _needed(self._protocol, name)
        method = getattr(self._group, name)
        allowed = RANKS[self._role] >= RANKS[needed]
        return method if allowed else _refusing(method, self._role, needed)


@cache
def _needed(protocol: type | None, name: str) -> Role:
    row = getattr(getattr(protocol, name, None), "operation", None)
    if isinstance(row, Operation):
        return row.role
    return "viewer" if isinstance(row, EngineOnly) else "owner"


def _refusing(method: Callable[..., Any], role: Role, needed: Role) -> Callable[..., Any]:
    @wraps(method)
    async def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise Forbidden(f"{MAY[role]}; this needs the role {needed}")

    return refuse
