"""A `MessageQuery` as SQL: its defaults, its checks, and the values that bind its cursors.

By default a list shows unread inbound mail, a full-text search all inbound mail, and the trash all mail.
"""

from __future__ import annotations

import re
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
from e2a_core.messages.filter import HAS_ATTACHMENT, compile_filter, needed, parse_filter
from e2a_core.messages.queries import CONVERSATION, SUMMARY
from e2a_core.messages.query_words import read_query
from e2a_core.messages.terms import (
    BUCKET,
    Wanted,
    all_of,
    inbox_term,
    label_term,
    part_of,
    part_of_author,
    term,
)
from e2a_core.messages.verdict import verdict_condition
from e2a_core.paging import Position, beyond
from e2a_core.store.statement import Statement, containing, like
from e2a_core.texts import is_storable

__all__ = ["MAX_HITS", "MessageSearch", "Span", "instant", "normalize_labels"]

MAX_TEXT_OCTETS = 200
MAX_LABEL = 64
MAX_LABELS = 50
MAX_QUERY = 500
MAX_HITS = 2000
"""Messages found by the text index that one page looks at, newest first; its cursor goes on behind them."""
MAX_BUCKETS = 64
"""Terms for a range; a longer range is not told to the index."""

_PERIOD = frozenset({"since", "until"})
_LABEL = re.compile(r"[a-z0-9:_-]{1,64}")
_SINCE, _UNTIL = "m.created_at >= :since", "m.created_at < :until"


@dataclass(frozen=True, slots=True)
class Span:
    """A range of `messages.seq`, ends included, in which the text index is asked.

    PostgreSQL's index has no order, so that only a range keeps it from reading every hit. The range is told to it as
    terms, of which each stands for the messages of one bucket.
    """

    low: int
    high: int

    def buckets(self) -> list[str]:
        """The terms of the range; none if it is so long that they would be too many."""
        numbers = range(self.low // BUCKET, self.high // BUCKET + 1)
        return [f"'_b{number}'" for number in numbers] if len(numbers) <= MAX_BUCKETS else []


@dataclass(frozen=True, slots=True)
class MessageSearch:
    """A checked query of one inbox, with defaults filled in. `listing` reads its pages."""

    agent_email: str
    direction: str
    read_status: str
    ascending: bool
    deleted: bool
    conditions: tuple[str, ...]
    params: Mapping[str, Any]
    binding: Mapping[str, Any]
    wanted: Wanted | None = None
    """What the text index is asked for, or None if it cannot help."""
    by_index: bool = False
    """True if an index finds the rows and reads hardly any others."""
    left_out: tuple[str, ...] = ()
    """Words of the full-text query that are not looked for."""

    @classmethod
    def of(cls, agent_email: str, query: MessageQuery, now: datetime) -> MessageSearch:
        """`now` is what spans such as `2d` count from. Raises `InvalidFilter` naming the parameter at fault."""
        direction = query.direction or ("all" if query.deleted else "inbound")
        unread_by_default = direction == "inbound" and not query.deleted
        read_status = query.read_status or ("unread" if unread_by_default and not query.query else "all")
        if direction == "outbound" and read_status != "all":
            raise InvalidFilter("outbound mail has no read status", location="query.read_status")
        builder = _Conditions(agent_email, now)
        builder.author(query.from_)
        builder.subject(query.subject_contains)
        builder.conversation(query.conversation_id)
        builder.period(query.since, query.until)
        builder.labels(query.labels)
        builder.expression(query.filter)
        builder.verdict(query.verdict)
        builder.words(query.query)
        wanted = all_of(builder.wanted)
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
            "query": wanted.match if wanted and query.query else "",
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
            all_of([term(inbox_term(agent_email)), wanted]) if wanted else None,
            not (builder.tries_rows or query.deleted or read_status == "read")
            and (read_status == "all" or direction == "inbound"),
            builder.left_out,
        )

    @property
    def order(self) -> str:
        return "ASC" if self.ascending else "DESC"

    @property
    def whole(self) -> bool:
        """True if the mail to look through is that of one conversation, and so little."""
        return "conversation" in self.params

    def walk(self, after: Position | None, limit: int, end: Position | None = None) -> Statement:
        """Reads up to `limit` summary rows beyond `after` and up to `end`, checking one message after the other."""
        sqlite, postgresql, condition = "", "", ""
        if self.wanted and self.wanted.check:
            sqlite = " CROSS JOIN message_search s ON s.rowid = m.seq"
            postgresql = " JOIN message_search s ON s.seq = m.seq AND s.terms @@ CAST(:tsquery AS tsquery)"
            condition = f" AND {self.wanted.check}"
        chosen, params = self._chosen(after, end)
        tail = f" ORDER BY m.created_at {self.order}, m.id {self.order} LIMIT :limit"
        return Statement(
            f"SELECT {SUMMARY} FROM messages m{self._index()}{sqlite} WHERE {chosen}{condition}{tail}",
            {**params, "limit": limit, "tsquery": self.wanted.tsquery if self.wanted else ""},
            f"SELECT {SUMMARY} FROM messages m{postgresql} WHERE {chosen}{tail}",
            by_key=self.by_index,
        )

    def end_of_walk(self, after: Position | None, depth: int) -> Statement:
        """The `depth`th message beyond `after`, whether it matches or not."""
        condition, place = beyond(after, "m.created_at", "m.id", ascending=self.ascending)
        where = " AND ".join(["m.agent_email = :agent", *self._stream(), *self._period()])
        tail = f"ORDER BY m.created_at {self.order}, m.id {self.order} LIMIT 1 OFFSET :skipped"
        text = f"SELECT m.created_at, m.id FROM messages m{{}} WHERE {where}{condition} {tail}"
        params = {"agent": self.agent_email, **self._bounds(), **place, "skipped": depth - 1}
        return Statement(text.format(self._index()), params, text.format(""))

    def hits(self, wanted: Wanted, span: Span, after: Position | None, limit: int) -> Statement:
        """Reads up to `limit` summary rows beyond `after` among the first `MAX_HITS` that the text index finds."""
        chosen, params = self._chosen(after, None)
        found, where = self._found(wanted, span)
        joined = f"SELECT {SUMMARY} FROM ({{}}) h CROSS JOIN messages m WHERE m.seq = h.seq AND {chosen}"
        ordered = f" ORDER BY m.created_at {self.order}, m.id {self.order}"
        return Statement(
            # In the order of the hits: sorting would first read them all.
            f"{joined.format(found.sqlite)} LIMIT :limit",
            {**params, **where, "limit": limit, "hits": MAX_HITS, "skipped": 0},
            f"{joined.format(found.postgresql)}{ordered} LIMIT :limit",
        )

    def end_of_hits(self, wanted: Wanted, span: Span) -> Statement:
        """The last message that `hits` looks at, if there are more."""
        found, where = self._found(wanted, span)
        text = "SELECT m.created_at, m.id FROM ({}) h CROSS JOIN messages m WHERE m.seq = h.seq"
        params = {**where, "hits": 1, "skipped": MAX_HITS - 1}
        return Statement(text.format(found.sqlite), params, text.format(found.postgresql))

    def _found(self, wanted: Wanted, span: Span) -> tuple[Statement, dict[str, Any]]:
        tail = f"ORDER BY seq {self.order} LIMIT :hits OFFSET :skipped"
        buckets = span.buckets()
        sqlite = (
            "SELECT s.rowid AS seq FROM message_search s WHERE s.message_search MATCH :match "
            f"AND s.rowid >= :low AND s.rowid <= :high ORDER BY s.rowid {self.order} LIMIT :hits OFFSET :skipped"
        )
        postgresql = (
            "SELECT seq FROM (SELECT s.seq FROM message_search s WHERE s.terms @@ CAST(:tsquery AS tsquery) "
            f"AND s.seq >= :low AND s.seq <= :high OFFSET 0) f {tail}"
        )
        tsquery = f"{wanted.tsquery} & ({' | '.join(buckets)})" if buckets else wanted.tsquery
        params = {"match": wanted.match, "tsquery": tsquery, "low": span.low, "high": span.high}
        return Statement(sqlite, {}, postgresql), params

    def _chosen(self, after: Position | None, end: Position | None) -> tuple[str, dict[str, Any]]:
        where = ["m.agent_email = :agent", *self._stream(), *self._state(), *self.conditions]
        condition, place = beyond(after, "m.created_at", "m.id", ascending=self.ascending)
        params = {"agent": self.agent_email, **self.params, **place}
        if end is not None:
            where.append(f"(m.created_at, m.id) {'<=' if self.ascending else '>='} (:end_at, :end_key)")
            params |= {"end_at": end.at, "end_key": end.key}
        return f"{' AND '.join(where)}{condition}", params

    def _period(self) -> list[str]:
        return [text for text in self.conditions if text in (_SINCE, _UNTIL)]

    def _bounds(self) -> dict[str, Any]:
        return {name: self.params[name] for name in ("since", "until") if name in self.params}

    def _index(self) -> str:
        """The index that SQLite must use; without the hint it would read all mail of the inbox.

        It has no statistics and prefers the index with more bound columns to the one with fewer rows.
        """
        if self.whole:
            return " INDEXED BY messages_conversation"
        if self.deleted:
            return ""
        unread = self.direction == Direction.INBOUND and self.read_status == "unread"
        return " INDEXED BY messages_unread" if unread else ""

    def _stream(self) -> list[str]:
        """Literal conditions, written as in the partial indexes so that both planners use these."""
        if self.deleted:
            return ["m.deleted_at IS NOT NULL"]
        stream = ["m.deleted_at IS NULL", "m.hidden = 0"]
        if self.direction != "all":
            stream.append(f"m.direction = '{self.direction}'")
        if self.read_status == "unread" and self.direction == Direction.INBOUND:
            stream.append("m.read_at IS NULL")
        return stream

    def _state(self) -> list[str]:
        """What is left to check of each row that the stream has."""
        state = ["m.hidden = 0"] if self.deleted else []
        if self.deleted and self.direction != "all":
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

    def __init__(self, agent_email: str, now: datetime) -> None:
        self._agent_email = agent_email
        self._now = now
        self.conditions: list[str] = []
        self.params: dict[str, Any] = {}
        self.wanted: list[Wanted | None] = []
        self.tries_rows = False
        """True if a condition can only be checked by reading the rows."""
        self.left_out: tuple[str, ...] = ()

    def author(self, value: str | None) -> None:
        """`value` occurs in the author's address or name, in any case."""
        if value:
            self._contains(value, "query.from", "sender", "from_name")
            self.wanted.append(part_of_author(value, self._agent_email))

    def subject(self, value: str | None) -> None:
        """`value` occurs in the subject, in any case."""
        if value:
            self._contains(value, "query.subject_contains", "subject")
            self.wanted.append(part_of(value))

    def _contains(self, value: str, location: str, *columns: str) -> None:
        _require_storable(value, location)
        if len(value.encode()) > MAX_TEXT_OCTETS:
            raise InvalidFilter(f"must be at most {MAX_TEXT_OCTETS} bytes", location=location)
        self.tries_rows = True
        found = [like(f"lower(m.{name})", f":{columns[0]}") for name in columns]
        self.conditions.append(f"({' OR '.join(found)})")
        self.params[columns[0]] = containing(value.lower())

    def conversation(self, value: str | None) -> None:
        if not value:
            return
        _require_storable(value, "query.conversation_id")
        if len(value) > MAX_CONVERSATION_ID or "\r" in value or "\n" in value:
            raise InvalidFilter(
                f"must be at most {MAX_CONVERSATION_ID} characters on one line",
                location="query.conversation_id",
            )
        self.conditions.append(f"{CONVERSATION} = :conversation")
        self.params["conversation"] = value

    def period(self, since: str | None, until: str | None) -> None:
        lower, upper = (
            instant(text, f"query.{name}", self._now) for name, text in (("since", since), ("until", until))
        )
        if lower is not None and upper is not None and lower >= upper:
            raise InvalidFilter("since must be before until", location="query.since")
        if lower is not None:
            self.conditions.append(_SINCE)
            self.params["since"] = lower
        if upper is not None:
            self.conditions.append(_UNTIL)
            self.params["until"] = upper

    def labels(self, labels: list[str] | None) -> None:
        normal = normalize_labels(labels or [], "query.labels", InvalidFilter)
        for index, label in enumerate(sorted(normal)):
            self.tries_rows = True
            self.conditions.append(
                f"EXISTS (SELECT 1 FROM message_labels l WHERE l.message_id = m.id AND l.label = :label{index})"
            )
            self.params[f"label{index}"] = label
            self.wanted.append(term(label_term(label)))

    def verdict(self, wanted: Verdict | None) -> None:
        if wanted is not None:
            self.tries_rows = True
            self.conditions.append(verdict_condition(wanted))

    def expression(self, text: str | None) -> None:
        if not text or not text.strip():
            return
        tree = parse_filter(text, self._now)
        fragment, params = compile_filter(tree)
        self.tries_rows = True
        self.conditions.append(f"({fragment})")
        self.params |= params
        self.wanted.append(needed(tree, self._agent_email))

    def words(self, text: str | None) -> None:
        if text is None or not text.strip():
            return
        if len(text) > MAX_QUERY:
            raise InvalidFilter(f"must be at most {MAX_QUERY} characters", location="query.query")
        read = read_query(text)
        if read.attachment:
            self.conditions.append(HAS_ATTACHMENT)
        if read.wanted is None:
            raise InvalidFilter("must contain a word to look for", location="query.query")
        self.tries_rows = True
        self.wanted.append(read.wanted)
        self.left_out = read.left_out


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
