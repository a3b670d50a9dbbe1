"""The parameters of a list of messages as SQL conditions, and as what the text index must hold."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from e2a_core.clock import to_micros
from e2a_core.contract.limits import MAX_CONVERSATION_ID
from e2a_core.contract.message_views import Verdict
from e2a_core.errors import InvalidFilter, InvalidRequest
from e2a_core.instants import read_instant
from e2a_core.messages.filter import HAS_ATTACHMENT, compile_filter, needed, parse_filter
from e2a_core.messages.queries import CONVERSATION
from e2a_core.messages.query_words import read_query
from e2a_core.messages.terms import Wanted, label_term, part_of, part_of_author, term
from e2a_core.messages.verdict import verdict_condition
from e2a_core.store.statement import containing, like
from e2a_core.texts import is_storable

__all__ = ["SINCE", "UNTIL", "Conditions", "instant", "normalize_labels", "own_labels"]

MAX_TEXT_OCTETS = 200
MAX_LABEL = 64
MAX_LABELS = 50
MAX_QUERY = 500

_LABEL = re.compile(r"[a-z0-9:_-]{1,64}")
SINCE, UNTIL = "m.created_at >= :since", "m.created_at < :until"


class Conditions:
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
            self.conditions.append(SINCE)
            self.params["since"] = lower
        if upper is not None:
            self.conditions.append(UNTIL)
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


def own_labels(labels: list[str] | None, location: str) -> list[str]:
    """The labels that a caller sets or removes. Raises `InvalidRequest` for one that is not theirs to change."""
    normal = normalize_labels(labels or [], location, InvalidRequest)
    for index, label in enumerate(normal):
        if label.startswith("e2a:"):
            raise InvalidRequest(
                "labels beginning with e2a: are the server's", location=f"{location}[{index}]"
            )
    return normal
