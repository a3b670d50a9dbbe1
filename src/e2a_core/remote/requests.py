"""What goes out: paths, queries and bodies, or the refusal of what cannot be spelled in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from e2a_core.errors import InvalidRequest, NotFound

__all__ = ["header_value", "matches", "parameters", "path"]


def path(template: str, **segments: str | int) -> str:
    """`/v1/agents/{email}` with its segments percent-encoded.

    Raises `NotFound` for what can name nothing: an empty or dotted segment would lead to another path.
    """
    spelled = {}
    for name, value in segments.items():
        try:
            spelled[name] = quote(str(value), safe="")
        except UnicodeEncodeError:
            spelled[name] = ""
        if spelled[name] in {"", ".", ".."}:
            raise NotFound(f"nothing has this {name}")
    return template.format(**spelled)


def matches(template: str, url: str) -> bool:
    """Whether `url`, percent-encoded, is one of the template's, whatever that calls its segments."""
    parts, given = template.split("/"), url.split("/")
    return len(parts) == len(given) and all(
        part.startswith("{") or part == segment for part, segment in zip(parts, given, strict=True)
    )


def parameters(query: Mapping[str, Any] | None) -> dict[str, str]:
    """The query's values as text, those that are None left out."""
    given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
    for name, value in given.items():
        _require_unicode(value, f"query.{name}")
    return given


def header_value(name: str, value: str) -> str:
    """`value`, if a header can carry it (RFC 9110 section 5.5). Raises `InvalidRequest`."""
    if not value.strip() or not value.isascii() or not value.isprintable():
        raise InvalidRequest("must be printable ASCII, and some", location=f"header.{name}")
    return value


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _require_unicode(text: str, location: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(
            "the text holds characters that are none of Unicode's", location=location
        ) from None
