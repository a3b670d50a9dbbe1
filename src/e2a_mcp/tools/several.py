"""Doing one thing to several messages in one call, so that an agent need not call once for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import anyio
from pydantic import Field, model_validator

from e2a_core.errors import E2AError
from e2a_mcp.results import error_members
from e2a_mcp.schema import Schema, object_schema
from e2a_mcp.tool import Call, Reply
from e2a_mcp.tools.arguments import InboxArguments

__all__ = ["SeveralArguments", "each", "one_or_several"]

MAX_MESSAGES = 100
"""One page of a list."""
AT_ONCE = 8
"""Calls to the engine under way at a time: a remote one is faster for it, and none is flooded."""

_SEVERAL: Schema = {
    "done": {"type": "integer"},
    "failed": {"type": "integer"},
    "results": {"type": "array", "items": {"type": "object"}},
}


def one_or_several(properties: Schema, needed: str) -> Schema:
    """Returns the schema of a result about one message, which has `needed`, or about several."""
    either = [{"required": [needed]}, {"required": list(_SEVERAL)}]
    return {**object_schema({**properties, **_SEVERAL}), "anyOf": either}


class SeveralArguments(InboxArguments):
    message_id: str | None = None
    message_ids: (
        Annotated[list[str], Field(min_length=1, max_length=MAX_MESSAGES, description="up to 100 instead")]
        | None
    ) = None

    @model_validator(mode="after")
    def _named(self) -> SeveralArguments:
        if (self.message_id is None) == (self.message_ids is None):
            raise ValueError("give message_id or message_ids")
        return self


async def each(
    call: Call, arguments: SeveralArguments, act: Callable[[str], Awaitable[Reply]], done: str
) -> Reply:
    """Returns the reply of `act` for one message, or a summary for several; `done` is its word for success.

    With several messages a failure is told beside the others, and the rest is done.
    """
    if arguments.message_id is not None:
        return await act(arguments.message_id)
    ids = list(dict.fromkeys(arguments.message_ids or ()))
    outcomes = await _outcomes(ids, act)
    rows, lines = [], []
    for message_id, outcome in zip(ids, outcomes, strict=True):
        if isinstance(outcome, E2AError):
            problem = error_members(outcome)
            rows.append({"message_id": message_id, "error": problem})
            lines.append(f"{message_id}: e2a error [{outcome.code}]: {problem['message']}")
        else:
            rows.append({"message_id": message_id, **outcome.structured})
    count = len(ids) - len(lines)
    head = f"{count} {done}" if not lines else f"{count} of {len(ids)} {done}"
    return Reply({"done": count, "failed": len(lines), "results": rows}, "\n".join([head, *lines]))


async def _outcomes(ids: Sequence[str], act: Callable[[str], Awaitable[Reply]]) -> list[Reply | E2AError]:
    found: dict[str, Reply | E2AError] = {}
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def one(message_id: str) -> None:
        async with limit:
            try:
                found[message_id] = await act(message_id)
            except E2AError as problem:
                found[message_id] = problem

    async with anyio.create_task_group() as tasks:
        for message_id in ids:
            tasks.start_soon(one, message_id)
    return [found[message_id] for message_id in ids]
