"""Following events of another deployment, whose API tells an account of its log and an agent of none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NoReturn

from e2a_core.contract.occurrences import Following, Occurrence, OccurrenceKind
from e2a_core.errors import NotImplementedHere

__all__ = ["RemoteOccurrences"]


class RemoteOccurrences:
    """`engine.Occurrences` where nothing can be followed from a position."""

    def kinds(self) -> Sequence[OccurrenceKind]:
        return ()

    @asynccontextmanager
    async def follow(
        self, name: object, arguments: object, *, cursor: str | None = None, max_age: timedelta | None = None
    ) -> AsyncIterator[Following]:
        _refuse()
        yield

    async def recent(
        self, name: str | None, arguments: object, *, limit: int, event_id: str | None = None
    ) -> Sequence[Occurrence]:
        _refuse()


def _refuse() -> NoReturn:
    raise NotImplementedHere(
        "this deployment's API has no events to follow; wait_for_message tells of new mail"
    )
