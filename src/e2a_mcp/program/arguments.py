"""Kinds of arguments that several commands take. What is wrong with one is usage, and told by the framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from cyclopts import Parameter, Token

__all__ = ["Address", "Url", "Yes"]


def _address(_: Any, tokens: Sequence[Token]) -> str:
    from e2a_core.errors import InvalidRecipient
    from e2a_core.mail.addresses import parse_address

    try:
        return parse_address(tokens[0].value).normalized
    except InvalidRecipient as problem:
        raise ValueError(problem.message) from None


def _url(_: Any, tokens: Sequence[Token]) -> str:
    text = tokens[0].value
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be an http:// or https:// URL")
    return text


Address = Annotated[str, Parameter(converter=_address)]
"""An address, in the form that accounts and inboxes have."""
Url = Annotated[str, Parameter(converter=_url)]
Yes = Annotated[bool, Parameter(help="Do not ask.")]
