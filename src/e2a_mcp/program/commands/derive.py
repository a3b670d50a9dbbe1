"""Makes commands of rows of the contract: arguments, options, call and help come from the operation.

A command is a function whose signature cyclopts reads, as it reads one that is written by hand.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cyclopts import App, Parameter
from pydantic import BaseModel

from e2a_core.contract.base import Page, View
from e2a_core.contract.engine import GROUPS
from e2a_core.contract.operation import Confirm, Operation, Place, bare
from e2a_core.contract.operation import Parameter as Carried
from e2a_core.contract.rows import operations_of
from e2a_core.errors import SettingsError
from e2a_mcp.program.arguments import Address, Yes
from e2a_mcp.program.commands.acting import HERE, Acting, Agent, Where, act
from e2a_mcp.program.commands.asking import confirmed
from e2a_mcp.program.commands.requesting import requested
from e2a_mcp.program.commands.show import Lines
from e2a_mcp.words import WORDS

__all__ = ["Verb", "add"]

ROWS = 100
"""Rows of a list, unless more are asked for."""
PAGE = 100
_LEFT_OUT = frozenset({"cursor", "limit", "if_match"})
_MEANINGS = {
    "address": "the address it is about",
    "addresses": "several, separated by commas",
    "data": "JSON with the members of the made-up event",
    "deleted": "those in the trash",
    "description": "what it is for",
    "direction": "which way it went",
    "display_name": "the person's name",
    "domain": "the name of the domain",
    "enabled": "whether it is posted to",
    "events": "a type of event; may be given again",
    "event_id": "the id of the event",
    "filter": "a filter expression",
    "filters": "JSON with lists of agent_emails, conversation_ids, labels",
    "from_starter": "alias of a starter template to begin with",
    "html": "the HTML form",
    "id": "its id",
    "idempotency_key": "a repeat with this key gets the first answer",
    "labels": "labels it must have, separated by commas",
    "metadata": "a flat JSON object of your own data",
    "name": "what it is called",
    "next_action_at": "when something is to be done: time, date, or 2d",
    "ordered": "deliver one event after the other",
    "permanent": "delete it for good",
    "read_status": "read, unread, or both",
    "since": "not before: time, date, or 2d",
    "sort": "by time, oldest or newest first",
    "status": "only those that stand so",
    "subject": "the subject",
    "subject_contains": "part of the subject",
    "text": "the text form",
    "type": "a type of event",
    "until": "before: time, date, or 2d",
    "url": "where events are posted",
    "verdict": "what is known of the sender",
    "webhook_id": "to this webhook alone",
}
"""What options mean that neither the row nor the tools describe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One command. `operation` is the id of its row, and `shown` what a person sees of the answer.

    `arguments` are members of the request that are given without their name, besides those of the path. The inbox is an
    argument if `of_inbox` is False, for it is what the command is about, else the option `--agent`. `defaults` are
    those of the command line, where those of the API do not fit.
    """

    name: str
    operation: str
    arguments: tuple[str, ...] = ()
    shown: Lines | tuple[str, ...] | None = None
    of_inbox: bool = False
    help: str = ""
    empty: str = "none"
    defaults: tuple[tuple[str, Any], ...] = ()


def add(app: App, group: str, *verbs: Verb) -> None:
    """Adds commands made of rows of one group of the contract."""
    rows = {row.id: row for row in operations_of(GROUPS[group], group)}
    for verb in verbs:
        app.command(_command(verb, rows[verb.operation]), name=verb.name)


@dataclass(frozen=True, slots=True)
class _Option:
    """A value that the command line may give; `member` is its name in the request."""

    member: str
    name: str
    type: Any
    default: Any
    argument: bool
    help: str = ""


def _command(verb: Verb, row: Operation) -> Callable[..., int]:
    options = list(_options(verb, row))

    def run(*positional: Any, where: Where = HERE, **named: Any) -> int:
        given = {option.name: option.default for option in options if not option.argument}
        given |= zip((option.name for option in options if option.argument), positional, strict=True)
        given |= named
        yes, limit = bool(given.pop("yes", False)), given.pop("limit", ROWS)
        if limit < 0:
            raise SettingsError("--limit must be 0 or more")
        agent = given.pop("agent", None)
        values = {option.member: given.get(option.name) for option in options if option.name in given}
        if _wants_word(row, values):
            _ask(row, values, yes=yes)

        async def work(it: Acting) -> None:
            if verb.of_inbox:
                values["email"] = await it.inbox(agent)
            await _call(it, verb, row, values, limit)

        return act(where, work, agent=agent)

    run.__name__ = row.name
    run.__doc__ = verb.help or _as_options(row.summary, options)
    parameters = [_signed(option) for option in sorted(options, key=lambda option: not option.argument)]
    where = inspect.Parameter("where", inspect.Parameter.KEYWORD_ONLY, default=HERE, annotation=Where)
    run.__signature__ = inspect.Signature([*parameters, where], return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {
        **{item.name: item.annotation for item in parameters},
        "where": Where,
        "return": int,
    }
    return run


def _as_options(summary: str, options: Sequence[_Option]) -> str:
    """The summary of a row, whose arguments are options here."""
    for option in options:
        if not option.argument:
            summary = summary.replace(f"`{option.name}`", f"`--{option.name.replace('_', '-')}`")
    return summary


def _options(verb: Verb, row: Operation) -> Iterator[_Option]:
    for item in row.parameters:
        if item.name == "email" and verb.of_inbox:
            yield _Option("agent", "agent", Agent, None, argument=False)
        elif item.place in {Place.BODY, Place.SPREAD}:
            for name, field in item.model.model_fields.items():
                if name not in _LEFT_OUT:
                    default = inspect.Parameter.empty if field.is_required() else field.default
                    yield _option(name, field.annotation, default, field.description or "", verb)
        elif item.place is not Place.UNSENT and item.name not in _LEFT_OUT:
            yield _option(_named(item), item.type, item.default, "", verb, path=item.place is Place.PATH)
    if _is_list(row) and any(_takes_cursor(item) for item in row.parameters):
        yield _Option("limit", "limit", int, ROWS, argument=False, help="How many at most; 0 shows all.")
    if row.confirm is not Confirm.NEVER:
        yield _Option("yes", "yes", Yes, False, argument=False)


def _option(
    member: str, annotation: Any, default: Any, help: str, verb: Verb, *, path: bool = False
) -> _Option:
    argument = path or member in verb.arguments
    return _Option(
        member,
        member,
        Address if path and member == "email" else _plain(annotation),
        inspect.Parameter.empty if argument else dict(verb.defaults).get(member, default),
        argument,
        _MEANINGS.get(member) or help or WORDS.get(member, ""),
    )


def _signed(option: _Option) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_ONLY if option.argument else inspect.Parameter.KEYWORD_ONLY
    text = f"{option.help[0].upper()}{option.help[1:].removesuffix('.')}." if option.help else ""
    # A flag that may be left open can be denied: `--no-enabled`.
    about = Parameter(help=text or None, negative=None if option.type == bool | None else ())
    return inspect.Parameter(
        option.name, kind, default=option.default, annotation=Annotated[option.type, about]
    )


def _plain(annotation: Any) -> Any:
    """The type as the command line has it: times are text, which the contract reads, and objects are JSON."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        kind = _plain(next(item for item in get_args(annotation) if item is not type(None)))
        # A converter within a union would not be asked.
        return kind if get_origin(kind) is Annotated else kind | None
    if origin is Literal or annotation in (str, bool, int, float):
        return annotation
    if origin is list and not _is_model(bare(get_args(annotation)[0])):
        return list[_plain(get_args(annotation)[0])]  # type: ignore[misc]
    if origin in (list, dict) or _is_model(annotation):
        return Annotated[Any, Parameter(converter=_from_json, n_tokens=1, accepts_keys=False)]
    return str


def _from_json(_: Any, tokens: Sequence[Any]) -> Any:
    try:
        return json.loads(tokens[0].value)
    except ValueError:
        raise ValueError("must be JSON") from None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_list(row: Operation) -> bool:
    return isinstance(row.result, type) and issubclass(row.result, Page)


def _takes_cursor(item: Carried) -> bool:
    return any(single.name == "cursor" for single in item.members or (item,))


def _named(item: Carried) -> str:
    """The name in the path, except for the inbox."""
    return item.wire if item.place is Place.PATH else item.name


async def _call(it: Acting, verb: Verb, row: Operation, given: Mapping[str, Any], limit: int) -> None:
    method = getattr(getattr(it.session, row.group), row.name)
    if not _is_list(row):
        view = await method(**_values(row, given))
        it.output.one(view, verb.shown if callable(verb.shown) else None)
        return
    found: list[View] = []
    cursor: str | None = None
    pages = any(_takes_cursor(item) for item in row.parameters)
    while True:
        size = min(PAGE, limit - len(found)) if limit else PAGE
        turn = {**given, "cursor": cursor, "limit": size} if pages else given
        page = await method(**_values(row, turn))
        found += page.items
        cursor = page.next_cursor
        if not cursor or (limit and len(found) >= limit):
            break
    it.output.many(found, verb.shown or _columns(found), empty=verb.empty)
    if cursor:
        it.output.note(f"these are the first {len(found)}; --limit 0 shows all")


def _columns(found: Sequence[View]) -> Sequence[str]:
    return list(found[0].to_wire()) if found else ()


def _values(row: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the engine's method. What was not given stays unset, so it is not changed."""
    values: dict[str, Any] = {}
    for item in row.parameters:
        if item.place in {Place.BODY, Place.SPREAD}:
            members = {name: given[name] for name in item.model.model_fields if given.get(name) is not None}
            values[item.name] = requested(item.model, members)
        elif given.get(_named(item)) is not None:
            values[item.name] = given[_named(item)]
    return values


def _wants_word(row: Operation, given: Mapping[str, Any]) -> bool:
    return row.confirm is Confirm.ALWAYS or (
        row.confirm is Confirm.PERMANENT and bool(given.get("permanent"))
    )


def _ask(row: Operation, given: Mapping[str, Any], *, yes: bool) -> None:
    """Deleting for good asks for the name, other things for a yes."""
    what = next((str(value) for value in given.values() if isinstance(value, str)), row.name)
    confirmed(row.summary, yes=yes, word=what if given.get("permanent") else "yes")
