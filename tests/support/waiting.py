"""Waiting for what nothing announces: what another process did, or what lies behind a contract."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

__all__ = ["PATIENCE_SECONDS", "until"]

PATIENCE_SECONDS = 30.0
"""Far more than anything takes: who waits this long waits in vain, on a loaded machine too."""

_LOOK_SECONDS = 0.01

Value = TypeVar("Value")


@overload
async def until(look: Callable[[], Awaitable[Value | None]], seconds: float = ...) -> Value: ...


@overload
async def until(look: Callable[[], Value | None], seconds: float = ...) -> Value: ...


async def until(look: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """What `look` returns as soon as that is true. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            found = look()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(_LOOK_SECONDS)
