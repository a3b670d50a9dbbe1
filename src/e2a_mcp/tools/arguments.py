"""Arguments that several tools share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from e2a_mcp.schema import Arguments

__all__ = [
    "Confirmed",
    "Email",
    "IfUnchanged",
    "InboxArguments",
    "Limit",
    "MessageArguments",
    "NamedInbox",
    "PageArguments",
]

Email = Annotated[str, Field(min_length=1, max_length=320)]
Limit = Annotated[int, Field(ge=1, le=100)]
Confirmed = Literal[True]


class InboxArguments(Arguments):
    email: str | None = None


class NamedInbox(Arguments):
    """The address of an inbox, required even if the session has an inbox of its own."""

    email: Email


class MessageArguments(InboxArguments):
    message_id: str


class PageArguments(Arguments):
    cursor: str | None = None
    limit: Limit = 100


class IfUnchanged(Arguments):
    if_match: (
        Annotated[str, Field(max_length=200, description="etag read before: write only if unchanged")] | None
    ) = None
