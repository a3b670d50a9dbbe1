"""A `MessageQuery` as SQL: its defaults, its checks, and the values that bind its cursors.

By default a list shows unread inbound mail, a full-text search all inbound mail, and the trash all mail.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from e2a_core.clock import to_micros
from e2a_core.contract.limits import MAX_CONVERSATION_ID
from e2a_core.contract.message_views import Verdict
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.states import Direction
from e2a_core.errors import InvalidFilter
from e2a_core.instants import read_instant
from e2a_core.messages.filter import compile_filter, parse_filter
from e2a_core.messages.queries import SUMMARY
from e2a_core.messages.verdict import verdict_condition
from e2a_core.paging import Position, beyond
from e2a_core.store.statement import Statement, containing, like
from e2a_core.texts import is_storable

__all__ = ["MessageSearch", "fold_text", "instant", "normalize_labels"]

MAX_TEXT_OCTETS = 200
MAX_LABEL = 64
MAX_LABELS = 50
MAX_QUERY = 500
MAX_WORDS = 20

_PERIOD = frozenset({"since", "until"})
_LABEL = re.compile(r"[a-z0-9:_-]{1,64}")
_NOT_WORD = re.compile(r"[\W_]+")
_ASCII_WORDS = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}


@dataclass(frozen=True, slots=True)
class MessageSearch:
    """A checked query of one inbox, with defaults filled in."""

    agent_email: str
    direction: str
    read_status: str
    ascending: bool
    deleted: bool
    conditions: tuple[str, ...]
    params: Mapping[str, Any]
    binding: Mapping[str, Any]
    words: tuple[str, ...] = ()
    by_index: bool = False
    """True if an index finds the rows and reads hardly any others."""

    @classmethod
    def of(cls, agent_email: str, query: MessageQuery, now: datetime) -> MessageSearch:
        """`now` is what spans such as `2d` count from. Raises `InvalidFilter` naming the parameter at fault."""
        direction = query.direction or ("all" if query.deleted else "inbound")
        unread_by_default = direction == "inbound" and not query.deleted
        read_status = query.read_status or ("unread" if unread_by_default and not query.query else "all")
        if direction == "outbound" and read_status != "all":
            raise InvalidFilter("outbound mail has no read status", location="query.read_status")
        builder = _Conditions(now)
        builder.text("sender", query.from_, "query.from")
        builder.text("subject", query.subject_contains, "query.subject_contains")
        builder.conversation(query.conversation_id)
        builder.period(query.since, query.until)
        builder.labels(query.labels)
        builder.expression(query.filter)
        builder.verdict(query.verdict)
        words = _words(query.query)
        # Effective values, so that equivalent queries share their cursors. A period may move with the clock.
        binding = {
            "agent": agent_email,
            "direction": direction,
            "read_status": read_status,
            "verdict": query.verdict,
            "sort": query.sort or "desc",
            "deleted": query.deleted,
            "values": {name: value for name, value in builder.params.items() if name not in _PERIOD},
            "filter": (query.filter or "").strip(),
            "query": list(words),
        }
        return cls(
            agent_email,
            direction,
            read_status,
            query.sort == "asc",
            query.deleted,
            tuple(builder.conditions),
            builder.params,
            binding,
            words,
            not (words or builder.tries_rows or query.deleted or read_status == "read")
            and (read_status == "all" or direction == "inbound"),
        )

    def statement(self, after: Position | None, limit: int) -> Statement:
        """Reads up to `limit` summary rows beyond `after`."""
        where = ["m.agent_email = :agent", *self._state(), *self.conditions]
        condition, place = beyond(after, "m.created_at", "m.id", ascending=self.ascending)
        params = {"agent": self.agent_email, "limit": limit, **self.params, **place}
        order = "ASC" if self.ascending else "DESC"
        chosen = f"{' AND '.join(where)}{condition}"
        tail = f" ORDER BY m.created_at {order}, m.id {order} LIMIT :limit"
        if not self.words:
            return Statement(
                f"SELECT {SUMMARY} FROM messages m{self._index()} WHERE {chosen}{tail}",
                params,
                f"SELECT {SUMMARY} FROM messages m WHERE {chosen}{tail}",
                by_key=self.by_index,
            )
        # Every word must occur; the last may be the prefix of a longer word.
        match = " ".join(f'"{word}"' for word in self.words) + "*"
        prefix = " & ".join([*(f"'{word}'" for word in self.words[:-1]), f"'{self.words[-1]}':*"])
        sqlite = (
            f"SELECT {SUMMARY} FROM messages m WHERE {chosen} AND m.seq IN "
            f"(SELECT rowid FROM message_search WHERE message_search MATCH :match){tail}"
        )
        postgresql = (
            f"SELECT {SUMMARY} FROM messages m JOIN message_search s ON s.message_id = m.id "
            f"WHERE {chosen} AND s.document @@ to_tsquery('simple', :tsquery){tail}"
        )
        return Statement(sqlite, {**params, "match": match, "tsquery": prefix}, postgresql)

    def _index(self) -> str:
        """The index that SQLite must use; without the hint it would read all mail of the inbox.

        It has no statistics and prefers the index with more bound columns to the one with fewer rows.
        """
        if self.deleted:
            return ""
        if "conversation" in self.params:
            return " INDEXED BY messages_conversation"
        unread = self.direction == Direction.INBOUND and self.read_status == "unread"
        return " INDEXED BY messages_unread" if unread else ""

    def _state(self) -> list[str]:
        """Literal conditions, written as in the partial indexes so that both planners use these."""
        state = ["m.deleted_at IS NOT NULL" if self.deleted else "m.deleted_at IS NULL", "m.hidden = 0"]
        if self.direction != "all":
            state.append(f"m.direction = '{self.direction}'")
        if self.read_status == "unread":
            state.append(
                "m.read_at IS NULL"
                if self.direction == Direction.INBOUND
                else f"(m.direction = '{Direction.OUTBOUND}' OR m.read_at IS NULL)"
            )
        elif self.read_status == "read":
            state.append(f"m.direction = '{Direction.INBOUND}' AND m.read_at IS NOT NULL")
        return state


class _Conditions:
    """Collects conditions and their parameters."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.conditions: list[str] = []
        self.params: dict[str, Any] = {}
        self.tries_rows = False
        """True if a condition can only be checked by reading the rows."""

    def text(self, column: str, value: str | None, location: str) -> None:
        if not value:
            return
        _require_storable(value, location)
        if len(value.encode()) > MAX_TEXT_OCTETS:
            raise InvalidFilter(f"must be at most {MAX_TEXT_OCTETS} bytes", location=location)
        self.tries_rows = True
        self.conditions.append(like(f"lower(m.{column})", f":{column}"))
        self.params[column] = containing(value.lower())

    def conversation(self, value: str | None) -> None:
        if not value:
            return
        _require_storable(value, "query.conversation_id")
        if len(value) > MAX_CONVERSATION_ID or "\r" in value or "\n" in value:
            raise InvalidFilter(
                f"must be at most {MAX_CONVERSATION_ID} characters on one line",
                location="query.conversation_id",
            )
        self.conditions.append("m.conversation_id = :conversation AND m.conversation_id <> ''")
        self.params["conversation"] = value

    def period(self, since: str | None, until: str | None) -> None:
        lower, upper = (
            instant(text, f"query.{name}", self._now) for name, text in (("since", since), ("until", until))
        )
        if lower is not None and upper is not None and lower >= upper:
            raise InvalidFilter("since must be before until", location="query.since")
        if lower is not None:
            self.conditions.append("m.created_at >= :since")
            self.params["since"] = lower
        if upper is not None:
            self.conditions.append("m.created_at < :until")
            self.params["until"] = upper

    def labels(self, labels: list[str] | None) -> None:
        normal = normalize_labels(labels or [], "query.labels", InvalidFilter)
        for index, label in enumerate(sorted(normal)):
            self.tries_rows = True
            self.conditions.append(
                f"EXISTS (SELECT 1 FROM message_labels l WHERE l.message_id = m.id AND l.label = :label{index})"
            )
            self.params[f"label{index}"] = label

    def verdict(self, wanted: Verdict | None) -> None:
        if wanted is not None:
            self.tries_rows = True
            self.conditions.append(verdict_condition(wanted))

    def expression(self, text: str | None) -> None:
        if not text or not text.strip():
            return
        fragment, params = compile_filter(parse_filter(text, self._now))
        self.tries_rows = True
        self.conditions.append(f"({fragment})")
        self.params |= params


def instant(text: str | None, location: str, now: datetime) -> int | None:
    """Returns the microseconds of what `read_instant` takes, or None if `text` is blank. Raises `InvalidFilter`."""
    if text is None or not text.strip():
        return None
    try:
        return to_micros(read_instant(text, now))
    except ValueError as problem:
        raise InvalidFilter(str(problem), location=location) from None


def normalize_labels(labels: list[str], location: str, error: type[InvalidFilter] | Any) -> list[str]:
    """Returns the labels trimmed, in lower case and without repeats. Raises `error` naming the invalid label."""
    if len(labels) > MAX_LABELS:
        raise error(f"at most {MAX_LABELS} labels", location=location)
    normal: list[str] = []
    for index, label in enumerate(labels):
        text = label.strip().lower()
        if not _LABEL.fullmatch(text):
            raise error(
                f"a label is 1 to {MAX_LABEL} characters of a-z 0-9 : _ -", location=f"{location}[{index}]"
            )
        normal.append(text)
    return list(dict.fromkeys(normal))


def _require_storable(value: str, location: str) -> None:
    if not is_storable(value):
        raise InvalidFilter("must not contain NUL or lone surrogates", location=location)


def _words(text: str | None) -> tuple[str, ...]:
    """The words of a full-text query, without anything a search engine would read as syntax."""
    if text is None or not text.strip():
        return ()
    if len(text) > MAX_QUERY:
        raise InvalidFilter(f"must be at most {MAX_QUERY} characters", location="query.query")
    words = fold_text(text).split()
    if not words:
        raise InvalidFilter("must contain a word to look for", location="query.query")
    return tuple(words[:MAX_WORDS])


def fold_text(text: str) -> str:
    """Returns the words of `text` without case and accents, separated by blanks.

    Indexed texts and queries are folded here and not by the database, so that both databases agree on what a word is.
    """
    if text.isascii():  # The common case; this path is several times faster.
        return " ".join(text.translate(_ASCII_WORDS).split())
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return _NOT_WORD.sub(" ", bare.casefold()).strip()
