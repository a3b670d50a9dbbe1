"""Parses the arguments of MAIL and RCPT (RFC 5321 section 4.1.2, RFC 6531 section 3.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MalformedArgument", "MalformedPath", "PathArgument", "parse_path_argument"]

_ADDRESS_OCTETS = 64 + 1 + 255
"""Limits of local part and domain (RFC 5321 section 4.5.3.1). Only the sum is enforced: VERP exceeds the first."""

_LOCAL_PART = r"""(?:[A-Za-z0-9!\#$%&'*+\-/=?^_`{|}~.\u0080-\U0010ffff]+|"(?:[^"\\]|\\.)*")"""
_LABEL = r"[A-Za-z0-9_\-\u0080-\U0010ffff]+"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[A-Za-z0-9.:\-]+\])"
_PATH = re.compile(
    # A source route is accepted and ignored (RFC 5321 section 4.1.1.3).
    rf"< *(?:(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?(?P<address>{_LOCAL_PART}@{_DOMAIN})\.?|(?P<postmaster>postmaster))? *>"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.ASCII,
)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e]+))?")


class MalformedArgument(ValueError):
    """The argument does not have the form `FROM:<path> [parameters]` (or `TO:`)."""


class MalformedPath(MalformedArgument):
    """The path in angle brackets is not an address."""


@dataclass(frozen=True, slots=True)
class PathArgument:
    """The parsed argument. `address` has no brackets and no source route; it is "" for the null path.

    Parameter names are in upper case; a parameter without `=` has the value None.
    """

    address: str
    parameters: Mapping[str, str | None]


def parse_path_argument(keyword: str, argument: str) -> PathArgument:
    """Parse the argument of MAIL (`keyword` is `FROM`) or RCPT (`TO`), which must not contain control characters.

    What devices write is allowed where it has one meaning: spaces around the colon and inside the brackets, a name
    before them, and no brackets at all. Raises MalformedPath if the address is malformed, and MalformedArgument for any
    other error.
    """
    head, colon, rest = argument.partition(":")
    if not colon or head.rstrip(" ").upper() != keyword:
        raise MalformedArgument(f"expected {keyword}:<address>")
    name, bracket, enclosed = rest.partition("<")
    if bracket and "@" not in name:
        rest = bracket + enclosed
    elif "@" in rest:
        address, space, parameters = rest.lstrip(" ").partition(" ")
        rest = f"<{address}>{space}{parameters}"
    else:
        raise MalformedArgument(f"expected {keyword}:<address>")
    path = _PATH.fullmatch(rest)
    if path is None:
        raise MalformedPath("not an address")
    address = path["address"] or path["postmaster"] or ""
    if len(address) > _ADDRESS_OCTETS or len(address.encode()) > _ADDRESS_OCTETS:
        raise MalformedPath("address too long")
    return PathArgument(address, _parse_parameters(path["rest"]))


def _parse_parameters(text: str) -> dict[str, str | None]:
    if text and not text.startswith(" "):
        raise MalformedArgument("expected a space after the path")
    parameters: dict[str, str | None] = {}
    for word in text.split(" "):
        if not word:
            continue
        match = _PARAMETER.fullmatch(word)
        if match is None or match[1].upper() in parameters:
            raise MalformedArgument("malformed or repeated parameter")
        parameters[match[1].upper()] = match[2]
    return parameters
