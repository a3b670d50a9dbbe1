"""What commands print: JSON for programs, words for people.

What others wrote never reaches the terminal as it is: control characters and characters that hide or turn text are
written out, in JSON as escapes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from e2a_core.contract.base import View
from e2a_core.visible import one_line, visible_text

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Lines", "Output", "ago", "name_of", "said"]

Lines = Callable[[Any], Iterable[str]]
"""Turns a view into the lines that a person reads."""

_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_NEARLY = 0.95
"""Of a unit, that counts as one of what is to come: a minute after a hold of 7 days began, 7 days are left, not 6."""


class Output:
    """Results go to standard output, in REST names with `as_json`; notes go to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def one(self, view: View, lines: Lines | None = None) -> None:
        """Shows one object: as one line of JSON, or as `lines` says; else a line for each member."""
        if self.as_json:
            self.json(view.to_wire())
            return
        for line in lines(view) if lines else members(view.to_wire()):
            self.line(line)

    def many(self, views: Sequence[View], shown: Lines | Sequence[str], *, empty: str) -> None:
        """Shows a list: as lines of JSON, or as `shown` says: the lines of each, or the columns of a table."""
        if self.as_json:
            for view in views:
                self.json(view.to_wire())
        elif not views:
            self.line(empty)
        elif callable(shown):
            for view in views:
                for line in shown(view):
                    self.line(line)
        else:
            self._table([view.to_wire() for view in views], shown)

    def json(self, content: Any) -> None:
        """One line of ASCII: JSON's own escapes keep everything else from the terminal (RFC 8259 section 7)."""
        self._write(json.dumps(content).replace("\x7f", "\\u007f"))

    def line(self, text: str) -> None:
        self._write(one_line(text))

    def text(self, text: str) -> None:
        """Several lines that somebody wrote."""
        for line in visible_text(text).split("\n"):
            self._write(line)

    def octets(self, content: bytes) -> None:
        """What was asked for as it is: to a program byte by byte, on a terminal with nothing hidden."""
        if sys.stdout.isatty():
            self.text(content.decode("utf-8", "replace"))
        else:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """A line beside the result."""
        sys.stderr.write(f"e2a: {one_line(text)}\n")
        sys.stderr.flush()

    def _table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        from rich.console import Console

        console = Console(highlight=False, markup=False, emoji=False)
        console.print(_table(rows, columns))

    def _write(self, line: str) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()


def members(wire: Mapping[str, Any], indent: str = "") -> Iterable[str]:
    """A line for each member, names first."""
    width = max((len(name_of(name)) for name, value in wire.items() if not _is_nested(value)), default=0)
    for name, value in wire.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{name_of(name)}"
            yield from members(value, f"{indent}  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{indent}{name_of(name)}"
            for item in value:
                yield f"{indent}  {said(item)}"
        else:
            yield f"{indent}{name_of(name):{width}}  {said(value)}"


def name_of(member: str) -> str:
    return member.replace("_", " ")


def said(value: Any) -> str:
    """One value in words."""
    if value is None or value == "" or value in ([], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(said(item) for item in value)
    if isinstance(value, dict):
        return "  ".join(f"{name_of(name)} {said(item)}" for name, item in value.items())
    return str(value)


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How far a moment is, in its largest unit: `4 min ago`, `in 3 d`."""
    seconds = int(((now or datetime.now(UTC)) - moment).total_seconds())
    for length, unit in _SPANS:
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
        if -seconds >= length * _NEARLY:
            return f"in {int(-seconds / length + 1 - _NEARLY)} {unit}"
    return "now"


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        # The first column says which row it is: it is what the next command is given.
        table.add_column(name_of(column), overflow="fold", no_wrap=column == columns[0])
    for row in rows:
        cells = [one_line(_cell(column, row.get(column))) for column in columns]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _cell(column: str, value: Any) -> str:
    if column.endswith("_at") and isinstance(value, str):
        return ago(datetime.fromisoformat(value))
    return said(value)
