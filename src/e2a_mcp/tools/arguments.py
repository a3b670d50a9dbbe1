"""The arguments that several tools share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from e2a_mcp.schema import Arguments

__all__ = [
    "Confirmed",
    "Cursor",
    "Email",
    "InboxArguments",
    "InboxPageArguments",
    "Limit",
    "MessageArguments",
    "PageArguments",
]

Email = Annotated[str, Field(min_length=1, max_length=320)]
Cursor = str
Limit = Annotated[int, Field(ge=1, le=100)]
Confirmed = Literal[True]


class InboxArguments(Arguments):
    email: str | None = None


class MessageArguments(InboxArguments):
    message_id: str


class PageArguments(Arguments):
    cursor: Cursor | None = None
    limit: Limit = 100


class InboxPageArguments(InboxArguments, PageArguments):
    pass
