"""The `filter` expression of a message list: `parse_filter` reads it, `compile_filter` turns it into SQL.

The condition covers `messages m` and `message_labels` and is the same for both databases. `filter_syntax` describes
the language.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from e2a_core.messages.filter_syntax import And, Comparison, Interval, Node, Not, Or, parse_filter
from e2a_core.messages.terms import (
    ATTACHMENT,
    Wanted,
    all_of,
    any_of,
    label_term,
    part_of,
    part_of_author,
    term,
)
from e2a_core.store.statement import containing, like

__all__ = ["HAS_ATTACHMENT", "FilterRow", "compile_filter", "evaluate", "needed", "parse_filter"]

HAS_ATTACHMENT = "m.attachments <> '[]'"

_COMPARE_SQL = {
    "=": "({column} >= {start} AND {column} < {end})",
    "!=": "({column} < {start} OR {column} >= {end})",
    "<": "{column} < {start}",
    "<=": "{column} < {end}",
    ">": "{column} >= {end}",
    ">=": "{column} >= {start}",
}


@dataclass(frozen=True, slots=True)
class FilterRow:
    """The parts of a message that a filter compares; `created` is in microseconds since the Unix epoch."""

    sender: str
    subject: str
    created: int
    labels: Collection[str]
    has_attachment: bool = False
    sender_name: str = ""


def compile_filter(tree: Node) -> tuple[str, dict[str, Any]]:
    """Returns a boolean SQL expression and its named parameters `:f0`, `:f1`, ...

    Values are always parameters, never part of the SQL text. Subjects are compared with the database's `lower`:
    SQLite's own folds ASCII only, unless the connection registers a better one.
    """
    compiler = _Compiler()
    return compiler.condition(tree), compiler.params


def evaluate(tree: Node, row: FilterRow) -> bool:
    """Returns True if `row` matches. Needs no database; the SQL must give the same answer."""
    match tree:
        case And(operands):
            return all(evaluate(operand, row) for operand in operands)
        case Or(operands):
            return any(evaluate(operand, row) for operand in operands)
        case Not(operand):
            return not evaluate(operand, row)
        case Comparison(_, operator, Interval(start, end)):
            return {
                "=": start <= row.created < end,
                "!=": not start <= row.created < end,
                "<": row.created < start,
                "<=": row.created < end,
                ">": row.created >= end,
                ">=": row.created >= start,
            }[operator]
        case Comparison(field, operator, str(value)):
            return _text_matches(field, operator, value, row)
    raise AssertionError(tree)


def needed(tree: Node, inbox: str) -> Wanted | None:
    """What the text index must hold of every message of the inbox that matches; None if it cannot tell."""
    match tree:
        case And(operands):
            return all_of(needed(operand, inbox) for operand in operands)
        case Or(operands):
            return any_of(needed(operand, inbox) for operand in operands)
        case Comparison(field, operator, str(value)) if operator != "!=":
            if field == "label":
                return term(label_term(value))
            if field == "has":
                return term(ATTACHMENT)
            return part_of_author(value, inbox) if field == "from" else part_of(value)
    return None


def _text_matches(field: str, operator: str, value: str, row: FilterRow) -> bool:
    if field == "label":
        found = value in row.labels
    elif field == "has":
        found = row.has_attachment
    else:
        value = value.lower()
        texts = (row.sender, row.sender_name) if field == "from" else (row.subject,)
        found = any(value in text.lower() if operator == ":" else value == text.lower() for text in texts)
    return found != (operator == "!=")


class _Compiler:
    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def condition(self, node: Node) -> str:
        match node:
            case And(operands):
                return self._joined(" AND ", operands) if operands else "1 = 1"
            case Or(operands):
                return self._joined(" OR ", operands)
            case Not(operand):
                return f"NOT ({self.condition(operand)})"
            case Comparison(_, operator, Interval(start, end)):
                return self._created(operator, start, end)
            case Comparison(field, operator, str(value)):
                found = self._found(field, operator, value)
                return f"NOT {found}" if operator == "!=" else found
        raise AssertionError(node)

    def _found(self, field: str, operator: str, value: str) -> str:
        if field == "has":
            return f"({HAS_ATTACHMENT})"
        return self._label(value) if field == "label" else self._text(field, operator, value)

    def _joined(self, word: str, operands: tuple[Node, ...]) -> str:
        return f"({word.join(self.condition(operand) for operand in operands)})"

    def _created(self, operator: str, start: int, end: int) -> str:
        template = _COMPARE_SQL[operator]
        return template.format(
            column="m.created_at",
            start=self._bind(start) if "{start}" in template else "",
            end=self._bind(end) if "{end}" in template else "",
        )

    def _label(self, value: str) -> str:
        label = self._bind(value)
        return f"EXISTS (SELECT 1 FROM message_labels fl WHERE fl.message_id = m.id AND fl.label = {label})"

    def _text(self, field: str, operator: str, value: str) -> str:
        contains = operator == ":"
        if field == "from":
            value = value.lower()
        bound = self._bind(containing(value) if contains else value)
        if field == "from":
            columns = ["m.sender", "lower(m.from_name)"]
        else:
            columns, bound = ["lower(m.subject)"], f"lower({bound})"
        found = (like(column, bound) if contains else f"{column} = {bound}" for column in columns)
        return f"({' OR '.join(found)})"

    def _bind(self, value: object) -> str:
        name = f"f{len(self.params)}"
        self.params[name] = value
        return f":{name}"
