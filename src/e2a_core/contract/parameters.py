"""Arguments that several operations share."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from e2a_core.contract.operation import Header, Segment, Unsent

__all__ = [
    "ConversationPath",
    "Cursor",
    "DelegationId",
    "EventId",
    "IdempotencyKey",
    "IfMatch",
    "Index",
    "KeyId",
    "Limit",
    "MaxChars",
    "MessageId",
    "Offset",
    "TemplateId",
    "Peek",
    "WebhookId",
    "Whole",
    "digits",
]

_DIGITS = re.compile(r"-?[0-9]+")


def digits(text: object) -> object:
    """Returns `text`. Raises ValueError for a number that is not written in base 10."""
    if isinstance(text, str) and not _DIGITS.fullmatch(text):
        raise ValueError("must be a whole number in base 10")
    return text


Cursor = Annotated[str | None, Field(description="`next_cursor` of the previous page.")]
# The bounds come first: after a validator they would be missing from the schema.
Limit = Annotated[int, Field(ge=1, le=100), BeforeValidator(digits)]
MaxChars = Annotated[
    int, Field(ge=1, le=100_000, description="Characters of text in one answer."), BeforeValidator(digits)
]
Offset = Annotated[
    int, Field(ge=0, description="`next_offset` of the previous page."), BeforeValidator(digits)
]
Index = Annotated[int, Field(ge=0), BeforeValidator(digits)]

MessageId = Annotated[str, Segment("id")]
ConversationPath = Annotated[str, Segment("id")]
DelegationId = Annotated[str, Segment("id")]
KeyId = Annotated[str, Segment("id")]
TemplateId = Annotated[str, Segment("id")]
WebhookId = Annotated[str, Segment("id")]
EventId = Annotated[str, Segment("id")]

IdempotencyKey = Annotated[
    str | None,
    Header("Idempotency-Key"),
    Field(description="A repeat with this key gets the first answer."),
]
IfMatch = Annotated[str | None, Header("If-Match"), Field(description="The ETag of the state to change.")]
Peek = Annotated[bool, Field(description="Do not mark the message read.")]
Whole = Annotated[bool, Unsent]
