"""Reads arguments as hosts really send them: lists, numbers and objects as text, null for what is not given.

A value is only changed where it has one meaning for its argument; anything else is left for validation to refuse.

| argument | taken |
|---|---|
| a list | a JSON string, `[a, b]`, a text with commas, semicolons or line ends, one value, mailboxes as objects |
| an object | a JSON string |
| a boolean, a number, one of several words | the same as text, in any case |
| one text | a list of one text |
| any optional one | null; empty text, unless the argument is text |
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from e2a_core.json_bounds import holds_too_many_values

__all__ = ["as_declared"]

MAX_LIST_CHARS = 50_000
"""A longer text is not separated: no list of a tool needs more, and this takes 50 ms."""
MAX_ITEMS = 1_000
MAX_ITEM_CHARS = 1_000
"""Longer lists and items are left as they are, for validation to refuse."""

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_ABSENT = frozenset({"", "null", "none", "undefined"})
_SEPARATED = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*+"?)|(?P<angle><[^<>]*+>)|(?P<comment>\([^()]*+\))|(?P<mark>[,;\r\n])|"""
    r"""(?P<other>[^",;<(\r\n]++|.)""",
    re.DOTALL,
)
_ADDRESS_NAMES = ("email", "address", "addr", "mail")


class _Kind(Enum):
    TEXT = auto()
    BOOLEAN = auto()
    WORD = auto()
    OBJECT = auto()
    TEXTS = auto()
    OBJECTS = auto()
    OTHER = auto()


class _Member(NamedTuple):
    name: str
    kind: _Kind
    words: tuple[Any, ...]
    nullable: bool
    required: bool


def as_declared(model: type[BaseModel], given: object) -> object:
    """Returns `given` with the types that `model` declares, as far as the values allow."""
    given = _decoded(given, dict)
    if not isinstance(given, Mapping):
        return given
    members = _members(model)
    read: dict[Any, Any] = {}
    for name, value in given.items():
        member = members.get(name)
        if member is None:
            read[name] = value
        elif not _is_absent(member, value):
            read[name] = _value(member, value)
    return read


def _is_absent(member: _Member, value: object) -> bool:
    """Returns True for what hosts send in place of an optional argument that was not given."""
    if member.required:
        return False
    if value is None:
        return not member.nullable
    return isinstance(value, str) and member.kind is not _Kind.TEXT and value.strip().lower() in _ABSENT


def _value(member: _Member, value: Any) -> Any:
    match member.kind:
        case _Kind.TEXTS:
            return list(_texts(value)) if isinstance(value, str | list | Mapping) else value
        case _Kind.OBJECTS:
            found = _decoded(value, list, dict)
            return [found] if isinstance(found, Mapping) else found
        case _Kind.OBJECT:
            return _decoded(value, dict)
        case _Kind.BOOLEAN if isinstance(value, str):
            return _BOOLEANS.get(value.strip().lower(), value)
        case _Kind.WORD if isinstance(value, str):
            return _word(member.words, value)
        case _Kind.TEXT if isinstance(value, list) and len(value) == 1:
            return value[0]
    return value


def _word(words: tuple[Any, ...], value: str) -> Any:
    """Returns the one of `words` that `value` spells; those may be True too."""
    folded = value.strip().lower()
    return next((word for word in words if str(word).lower() == folded), value)


def _texts(value: Any) -> Iterator[Any]:
    found = _decoded(value, list, dict, str)
    if isinstance(found, str):
        yield from separated(found) if len(found) <= MAX_LIST_CHARS else [found]
        return
    items = found if isinstance(found, list) else [found]
    for item in items:
        if isinstance(item, str) and len(item) <= MAX_ITEM_CHARS and len(items) <= MAX_ITEMS:
            yield from separated(item)
        else:
            yield _mailbox(item) if isinstance(item, Mapping) else item


def _decoded(value: Any, *kinds: type) -> Any:
    """Returns the JSON in a text if it is of one of `kinds`, else the value itself."""
    if not isinstance(value, str) or value.lstrip()[:1] not in {"[", "{", '"'}:
        return value
    if holds_too_many_values(value.encode(errors="surrogatepass")):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, kinds) else value


def separated(text: str) -> list[str]:
    """Returns the items of a list in a text.

    Quotes, angle brackets and comments keep their commas. A comma inside a name without quotes, as in
    `Doe, Bob <bob@example.org>`, separates nothing.
    """
    text = text.strip()
    if text[:1] == "[" and text[-1:] == "]":  # A list as some languages print it; JSON was read before.
        text = text[1:-1]
    if '"' not in text and "<" not in text and all("@" in word for word in text.split()):
        text = ",".join(text.split())
    items: list[list[str]] = [[]]
    named, addressed = "<" in text, False
    for token in _SEPARATED.finditer(text):
        within_name = named and not addressed and token[0] == ","
        if token.lastgroup != "mark" or within_name:
            items[-1].append(token[0])
            addressed = addressed or "@" in token[0]
        else:
            items.append([])
            addressed = False
    return [bare for pieces in items if (bare := _unquoted("".join(pieces).strip()))]


def _unquoted(text: str) -> str:
    """Returns the text without the quotes around all of it."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text[0] not in text[1:-1]
    return text[1:-1].strip() if quoted else text


def _mailbox(item: Mapping[str, Any]) -> Any:
    """Returns `Name <address>` for a mailbox given as an object, as the APIs of mail hosts take it."""
    inner = item.get("emailAddress")
    item = inner if isinstance(inner, Mapping) else item
    address = next((item[name] for name in _ADDRESS_NAMES if isinstance(item.get(name), str)), None)
    name = next((item[key] for key in ("name", "display_name") if isinstance(item.get(key), str)), "")
    if address is None:
        return item
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>' if name.strip() else address


@cache
def _members(model: type[BaseModel]) -> Mapping[str, _Member]:
    return {field.alias or name: _member(name, field) for name, field in model.model_fields.items()}


def _member(name: str, field: FieldInfo) -> _Member:
    kinds = list(_bare(field.annotation))
    first = kinds[0] if kinds else Any
    words = get_args(first) if get_origin(first) is Literal else ()
    return _Member(name, _kind(first), words, type(None) in kinds, field.is_required())


def _kind(annotation: Any) -> _Kind:
    origin = get_origin(annotation) or annotation
    if origin is list:
        (item,) = get_args(annotation)
        return _Kind.TEXTS if next(_bare(item)) is str else _Kind.OBJECTS
    if origin is dict or (isinstance(origin, type) and issubclass(origin, BaseModel)):
        return _Kind.OBJECT
    return {str: _Kind.TEXT, bool: _Kind.BOOLEAN, Literal: _Kind.WORD}.get(origin, _Kind.OTHER)


def _bare(annotation: Any) -> Iterator[Any]:
    """Yields the alternatives of a type without what annotates them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _bare(get_args(annotation)[0])
    elif origin in {Union, types.UnionType}:
        for choice in get_args(annotation):
            yield from _bare(choice)
    else:
        yield annotation
