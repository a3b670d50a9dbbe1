"""A `MessageQuery` as SQL: its defaults, its checks, and the values that bind its cursors.

By default a list shows unread inbound mail, a full-text search all inbound mail, and the trash all mail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.states import Direction
from e2a_core.errors import InvalidFilter
from e2a_core.messages.conditions import SINCE, UNTIL, Conditions
from e2a_core.messages.queries import SUMMARY
from e2a_core.messages.terms import BUCKET, Wanted, all_of, inbox_term, term
from e2a_core.paging import Position, beyond
from e2a_core.store.statement import Statement, sql

__all__ = ["MAX_HITS", "MessageSearch", "Span"]

MAX_HITS = 1000
"""Messages found by the text index that one page looks at, newest first; its cursor goes on behind them."""
MAX_BUCKETS = 64
"""Terms for a range; a longer range is not told to the index."""

SAMPLE = 500
COMMON = 10
"""A word that so many of `SAMPLE` messages have is common."""

_PERIOD = frozenset({"since", "until"})


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
        builder = _conditions(agent_email, query, now)
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
        params = {"agent": self.agent_email, **self._bounds(after), **place, "skipped": depth - 1}
        return Statement(text.format(self._index()), params, text.format(""))

    def edges(self, after: Position | None) -> Statement:
        """The `seq` of the messages between which all lie that there are beyond `after` and in the period."""
        chosen = "SELECT m.seq FROM messages m WHERE m.agent_email = :agent AND m.deleted_at IS NULL AND m.hidden = 0"
        kept = not self.deleted
        since = f"({chosen} AND {SINCE} ORDER BY m.created_at, m.id LIMIT 1)"
        until = f"({chosen} AND {UNTIL} ORDER BY m.created_at DESC, m.id DESC LIMIT 1)"
        return sql(
            "SELECT (SELECT min(seq) FROM messages) AS low, (SELECT max(seq) FROM messages) AS high, "
            "(SELECT seq FROM messages WHERE id = :after) AS after, "
            f"{since if kept and 'since' in self.params else 'NULL'} AS since, "
            f"{until if kept and 'until' in self.params else 'NULL'} AS until",
            by_key=True,
            agent=self.agent_email,
            after=after.key if after else "",
            **self._bounds(None),
        )

    def hits(self, wanted: Wanted, span: Span, after: Position | None, limit: int) -> Statement:
        """Reads up to `limit` summary rows beyond `after` among the first `MAX_HITS` that the text index finds."""
        chosen, params = self._chosen(after, None)
        found, where = self._found(wanted, span)
        whole = self.wanted.tsquery if self.wanted else ""
        joined = f"SELECT {SUMMARY} FROM ({{}}) h CROSS JOIN messages m{{}} WHERE m.seq = h.seq AND {chosen}"
        search, check, terms = "", "", ""
        if self.wanted and self.wanted.check:
            terms = " JOIN message_search s ON s.seq = m.seq AND s.terms @@ CAST(:whole AS tsquery)"
            search = " CROSS JOIN message_search s ON s.rowid = m.seq"
            check = f" AND {self.wanted.check}"
        ordered = f" ORDER BY m.created_at {self.order}, m.id {self.order}"
        return Statement(
            # In the order of the hits: sorting would first read them all.
            f"{joined.format(found.sqlite, search)}{check} LIMIT :limit",
            {**params, **where, "limit": limit, "hits": MAX_HITS, "skipped": 0, "whole": whole},
            f"{joined.format(found.postgresql, terms)}{ordered} LIMIT :limit",
        )

    def end_of_hits(self, wanted: Wanted, span: Span) -> Statement:
        """The last message that `hits` looks at, if there are more."""
        found, where = self._found(wanted, span)
        text = "SELECT m.created_at, m.id FROM ({}) h CROSS JOIN messages m WHERE m.seq = h.seq"
        params = {**where, "hits": 1, "skipped": MAX_HITS - 1}
        return Statement(text.format(found.sqlite), params, text.format(found.postgresql))

    def reach(self, wanted: Wanted, span: Span) -> Statement:
        """The `seq` of the last of the first `MAX_HITS` hits, if there are so many. SQLite only."""
        found, where = self._found(wanted, span)
        return Statement(found.sqlite, {**where, "hits": 1, "skipped": MAX_HITS - 1})

    def shares(self, items: Sequence[Wanted]) -> Statement:
        """What part of all messages has each term, if it is a common one. PostgreSQL only."""
        params: dict[str, str] = {}
        rows = []
        for place, item in enumerate(items):
            params |= {f"query{place}": item.tsquery, f"term{place}": item.bare}
            given = f"CAST(:query{place} AS text), CAST(:term{place} AS text)"
            rows.append(f"({given}, {'true' if item.prefix else 'false'})")
        return Statement(
            f"SELECT w.tsquery, max(u.share) AS share FROM (VALUES {', '.join(rows)}) w (tsquery, term, opens), "
            "pg_stats p, LATERAL unnest(p.most_common_elems::text::text[], p.most_common_elem_freqs) u (term, share) "
            "WHERE p.schemaname = current_schema() AND p.tablename = 'message_search' AND p.attname = 'terms' "
            "AND (u.term = w.term OR w.opens AND starts_with(u.term, w.term)) GROUP BY w.tsquery",
            params,
        )

    def end_of_part(self, span: Span) -> Statement:
        """The last message of the inbox in the span, in the order of the search."""
        turned = "DESC" if self.ascending else "ASC"
        return sql(
            "SELECT m.created_at, m.id FROM messages m WHERE m.seq >= :low AND m.seq <= :high "
            f"AND m.agent_email = :agent ORDER BY m.seq {turned} LIMIT 1",
            low=span.low,
            high=span.high,
            agent=self.agent_email,
        )

    def end_of_reach(self, span: Span) -> Statement:
        """The last message of the inbox in the span. SQLite only."""
        turned = "DESC" if self.ascending else "ASC"
        return Statement(
            "SELECT m.created_at, m.id FROM (SELECT s.rowid AS seq FROM message_search s "
            "WHERE s.message_search MATCH :match AND s.rowid >= :low AND s.rowid <= :high "
            f"ORDER BY s.rowid {turned} LIMIT 1) h CROSS JOIN messages m WHERE m.seq = h.seq",
            {"match": term(inbox_term(self.agent_email)).match, "low": span.low, "high": span.high},
        )

    def sample(self, wanted: Wanted, after: Position | None) -> Statement | None:
        """Finds a row if `COMMON` of the next `SAMPLE` messages have the term; None if that cannot be seen."""
        if wanted.check is None:
            return None
        condition, place = beyond(after, "m.created_at", "m.id", ascending=self.ascending)
        where = " AND ".join(["m.agent_email = :agent", *self._stream(), *self._period()])
        return Statement(
            f"SELECT 1 AS common FROM (SELECT m.seq FROM messages m{self._index()} WHERE {where}{condition} "
            f"ORDER BY m.created_at {self.order}, m.id {self.order} LIMIT {SAMPLE}) m "
            f"CROSS JOIN message_search s WHERE s.rowid = m.seq AND {wanted.check} LIMIT 1 OFFSET {COMMON - 1}",
            {"agent": self.agent_email, **self._bounds(after), **place},
        )

    def _found(self, wanted: Wanted, span: Span) -> tuple[Statement, dict[str, Any]]:
        tail = f"ORDER BY seq {self.order} LIMIT :hits OFFSET :skipped"
        buckets = span.buckets()
        sqlite = (
            "SELECT s.rowid AS seq FROM message_search s WHERE s.message_search MATCH :match "
            f"AND s.rowid >= :low AND s.rowid <= :high ORDER BY s.rowid {self.order} LIMIT :hits OFFSET :skipped"
        )
        # The sum keeps PostgreSQL from reading the whole range instead of the index of terms.
        postgresql = (
            "SELECT seq FROM (SELECT s.seq FROM message_search s WHERE s.terms @@ CAST(:tsquery AS tsquery) "
            f"AND s.seq + 0 >= :low AND s.seq + 0 <= :high OFFSET 0) f {tail}"
        )
        tsquery = f"{wanted.tsquery} & ({' | '.join(buckets)})" if buckets else wanted.tsquery
        params = {"match": wanted.match, "tsquery": tsquery, "low": span.low, "high": span.high}
        return Statement(sqlite, {}, postgresql), params

    def _chosen(self, after: Position | None, end: Position | None) -> tuple[str, dict[str, Any]]:
        where = ["m.agent_email = :agent", *self._stream(), *self._state(), *self.conditions]
        condition, place = beyond(after, "m.created_at", "m.id", ascending=self.ascending)
        params = {"agent": self.agent_email, **self.params, **self._bounds(after, end), **place}
        if end is not None:
            where.append(f"(m.created_at, m.id) {'<=' if self.ascending else '>='} (:end_at, :end_key)")
            params |= {"end_at": end.at, "end_key": end.key}
        return f"{' AND '.join(where)}{condition}", params

    def _period(self) -> list[str]:
        return [text for text in self.conditions if text in (SINCE, UNTIL)]

    def _bounds(self, after: Position | None, end: Position | None = None) -> dict[str, Any]:
        """The period, as far as it lies between the positions: SQLite takes either for the range of the index."""
        first, last = (after, end) if self.ascending else (end, after)
        bounds: dict[str, Any] = {}
        if "since" in self.params:
            bounds["since"] = max(self.params["since"], first.at if first else 0)
        if "until" in self.params:
            until = self.params["until"]
            bounds["until"] = min(until, last.at + 1) if last else until
        return bounds

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


def _conditions(agent_email: str, query: MessageQuery, now: datetime) -> Conditions:
    builder = Conditions(agent_email, now)
    builder.author(query.from_)
    builder.subject(query.subject_contains)
    builder.conversation(query.conversation_id)
    builder.period(query.since, query.until)
    builder.labels(query.labels)
    builder.expression(query.filter)
    builder.verdict(query.verdict)
    builder.words(query.query)
    return builder
