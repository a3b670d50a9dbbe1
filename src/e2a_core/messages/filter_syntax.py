"""The `filter` language of message lists, based on AIP-160: text to syntax tree.

    label:urgent (from:@example.org OR from:@example.net) -subject:"out of office" created >= 2026-01-31

Adjacent terms are joined with AND. OR binds tighter than AND; NOT (or a leading minus) binds tightest.

| field   | operators          | meaning                                                                        |
|---------|--------------------|--------------------------------------------------------------------------------|
| label   | `:` `=` `!=`       | the message has the label                                                      |
| from    | `:` `=` `!=`       | `:` part of the author's address, `=` the whole address; ignores case          |
| subject | `:` `=` `!=`       | `:` part of the subject, `=` the whole subject; ignores case                   |
| has     | `:` `=` `!=`       | has:attachment: files came with the message                                    |
| created | `=` `!=` `<` `<=` `>` `>=` | what `read_instant` takes, or a date that stands for that whole day in UTC |

Values are bare words or are quoted with `"` or `'`; inside quotes a backslash makes the next character literal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NoReturn, cast

from e2a_core.clock import to_micros
from e2a_core.errors import InvalidFilter
from e2a_core.instants import read_instant

__all__ = [
    "MAX_FILTER_CHARS",
    "And",
    "Comparison",
    "Field",
    "Interval",
    "Node",
    "Not",
    "Operator",
    "Or",
    "parse_filter",
]

MAX_FILTER_CHARS = 500
_MAX_DEPTH = 20
"""Limits the recursion of the parser and of the database; people nest two or three deep."""

Field = Literal["label", "from", "subject", "has", "created"]
Operator = Literal[":", "=", "!=", "<", "<=", ">", ">="]

_OPERATORS_OF: dict[Field, tuple[Operator, ...]] = {
    "label": (":", "=", "!="),
    "from": (":", "=", "!="),
    "subject": (":", "=", "!="),
    "has": (":", "=", "!="),
    "created": ("=", "!=", "<", "<=", ">", ">="),
}
_KEYWORDS = ("AND", "OR", "NOT")

_SPACE = re.compile(r"[ \t\r\n]*")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_OPERATOR = re.compile(r"!=|<=|>=|[:=<>]")
_BARE_VALUE = re.compile(r"[^\s()\"'<>!*,]+")
_QUOTED_VALUE = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LABEL = re.compile(r"[a-z0-9:_-]{1,64}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY_MICROS = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """The half-open interval `start <= t < end` of a date or timestamp, in microseconds since the Unix epoch."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`; labels and addresses are in lower case, as in the store."""

    field: Field
    operator: Operator
    value: str | Interval


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node


@dataclass(frozen=True, slots=True)
class And:
    """All operands match; true if there are none."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of two or more operands matches."""

    operands: tuple[Node, ...]


Node = Comparison | Not | And | Or


def parse_filter(text: str, now: datetime | None = None) -> Node:
    """Returns the syntax tree of `text`; an empty filter matches every message. Spans such as `2d` need `now`.

    Raises `InvalidFilter`, whose `position` is the character offset of the error.
    """
    if len(text) > MAX_FILTER_CHARS:
        _refuse(f"a filter may have {MAX_FILTER_CHARS} characters, this has {len(text)}", MAX_FILTER_CHARS)
    if forbidden := _FORBIDDEN.search(text):
        _refuse("a filter must not contain control characters or lone surrogates", forbidden.start())
    parser = _Parser(text, now)
    if parser.at_end():
        return And(())
    tree = parser.expression()
    if not parser.at_end():
        _refuse("this closing parenthesis was never opened", parser.position)
    return tree


class _Parser:
    """Recursive descent over the grammar of AIP-160, without a separate tokenizer.

    Tokens depend on their position: in `2026-01-31T00:00:00Z` and `e2a:spam` the `:` belongs to the value, elsewhere
    it is an operator.
    """

    def __init__(self, text: str, now: datetime | None) -> None:
        self._text = text
        self._now = now
        self._depth = 0
        self.position = 0

    def at_end(self) -> bool:
        self._skip_space()
        return self.position == len(self._text)

    def expression(self) -> Node:
        """factor { ["AND"] factor }, up to the end of the text or a closing parenthesis."""
        operands = [self._factor()]
        while not self.at_end() and not self._next_is(")"):
            self._take_keyword("AND")
            operands.append(self._factor())
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _factor(self) -> Node:
        """term { "OR" term }"""
        operands = [self._term()]
        while self._take_keyword("OR"):
            operands.append(self._term())
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def _term(self) -> Node:
        """[ "NOT" | "-" ] ( "(" expression ")" | restriction )"""
        negated = False
        while self._take_keyword("NOT") or self._take("-"):
            negated = not negated
        node = self._group() if self._next_is("(") else self._restriction()
        return Not(node) if negated else node

    def _group(self) -> Node:
        opened = self.position
        if self._depth == _MAX_DEPTH:
            _refuse(f"parentheses nest at most {_MAX_DEPTH} deep", opened)
        self._depth += 1
        self.position += 1
        node = self.expression()
        if not self._take(")"):
            _refuse("this parenthesis is never closed", opened)
        self._depth -= 1
        return node

    def _restriction(self) -> Comparison:
        field = self._field()
        operator = self._operator(field)
        self._skip_space()
        start = self.position
        value = self._value()
        return Comparison(field, operator, _interpret(field, value, start, self._now))

    def _field(self) -> Field:
        self._skip_space()
        start = self.position
        word = _WORD.match(self._text, start)
        if word is None:
            if start == len(self._text):
                _refuse("the filter ends where a term such as label:urgent is expected", start)
            _refuse("expected a term such as label:urgent; to search for text write subject:text", start)
        name = word.group()
        if name in _OPERATORS_OF:
            self.position = word.end()
            return name
        if name.upper() in _KEYWORDS:
            if name not in _KEYWORDS:
                _refuse("AND, OR and NOT must be in capitals", start)
            _refuse("AND and OR must be between two terms", start)
        _refuse("unknown field; the fields are label, from, subject, has and created", start)

    def _operator(self, field: Field) -> Operator:
        self._skip_space()
        allowed = _OPERATORS_OF[field]
        found = _OPERATOR.match(self._text, self.position)
        if found is None or found.group() not in allowed:
            _refuse(f"expected one of {' '.join(allowed)} after {field}", self.position)
        self.position = found.end()
        return cast("Operator", found.group())

    def _value(self) -> str:
        start = self.position
        if self._next_is('"') or self._next_is("'"):
            quoted = _QUOTED_VALUE.match(self._text, start)
            if quoted is None:
                _refuse("this quote is never closed", start)
            self.position = quoted.end()
            return _ESCAPE.sub(r"\1", quoted.group()[1:-1])
        bare = _BARE_VALUE.match(self._text, start)
        if bare is None:
            _refuse("expected a value; put one with spaces or punctuation in quotes", start)
        if self._text.startswith("*", bare.end()) or bare.group() in _KEYWORDS:
            _refuse("put a value with * or a keyword in quotes; : finds parts, there is no wildcard", start)
        self.position = bare.end()
        return bare.group()

    def _take_keyword(self, keyword: str) -> bool:
        self._skip_space()
        word = _WORD.match(self._text, self.position)
        if word is None or word.group() != keyword:
            return False
        self.position = word.end()
        return True

    def _take(self, character: str) -> bool:
        if not self._next_is(character):
            return False
        self.position += 1
        return True

    def _next_is(self, character: str) -> bool:
        self._skip_space()
        return self._text.startswith(character, self.position)

    def _skip_space(self) -> None:
        self.position = cast("re.Match[str]", _SPACE.match(self._text, self.position)).end()


def _interpret(field: Field, text: str, position: int, now: datetime | None) -> str | Interval:
    if field == "created":
        return _interval(text, position, now)
    if not text:
        _refuse(f"the value of {field} must not be empty", position)
    if field == "subject":
        return text
    value = text.lower()
    if field == "label" and not _LABEL.fullmatch(value):
        _refuse("a label has 1 to 64 characters of a-z 0-9 : _ -", position)
    if field == "has":
        if value not in ("attachment", "attachments"):
            _refuse("has: knows attachment only", position)
        return "attachment"
    return value


def _interval(text: str, position: int, now: datetime | None) -> Interval:
    try:
        if _DATE.fullmatch(text):
            start = to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))
            return Interval(start, start + _DAY_MICROS)
        start = to_micros(read_instant(text, now))
        return Interval(start, start + 1)
    except ValueError:
        pass
    _refuse("created needs a date (2026-01-31), a timestamp (2026-01-31T12:00:00Z) or a span (2d)", position)


def _refuse(reason: str, position: int) -> NoReturn:
    raise InvalidFilter(f"{reason} (at character {position})", position=position)
