"""Which state may follow which: checked where a row changes, and the guard of the SQL that changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from e2a_core.contract.states import Delivery, Review

__all__ = [
    "DELIVERY",
    "HIDDEN",
    "RECIPIENT",
    "REVIEW",
    "UNDER_WAY",
    "ForbiddenTransition",
    "any_before",
    "any_of",
    "may_become",
    "moved",
]

State = TypeVar("State", bound=StrEnum)
Transitions = Mapping[State, frozenset[State]]

_BY_REPORT = frozenset({Delivery.DEFERRED, Delivery.DELIVERED, Delivery.BOUNCED, Delivery.COMPLAINED})
_BY_SUBMISSION = frozenset({Delivery.SENDING, Delivery.SENT, Delivery.DEFERRED, Delivery.FAILED})
_BAD_NEWS = frozenset({Delivery.BOUNCED, Delivery.COMPLAINED})

REVIEW: Transitions[Review] = {
    Review.SENT: frozenset(),
    Review.PENDING: frozenset(Review) - {Review.PENDING},
    Review.APPROVED: frozenset(),
    Review.REJECTED: frozenset(),
    Review.EXPIRED_APPROVED: frozenset(),
    Review.EXPIRED_REJECTED: frozenset(),
}
"""A hold is decided once. A message is made sent, pending or rejected."""

DELIVERY: Transitions[Delivery] = {
    Delivery.ACCEPTED: frozenset({Delivery.SENDING, Delivery.FAILED}),
    # A submission that was taken over from a process that died begins again.
    Delivery.SENDING: frozenset({Delivery.SENDING, Delivery.SENT, Delivery.FAILED}),
    Delivery.SENT: _BY_REPORT,
    Delivery.DEFERRED: _BY_REPORT - {Delivery.DEFERRED},
    Delivery.DELIVERED: _BAD_NEWS,
    Delivery.FAILED: _BAD_NEWS,
    Delivery.BOUNCED: frozenset({Delivery.COMPLAINED}),
    Delivery.COMPLAINED: frozenset(),
}
"""A message: its submission ends before reports can move it, and they move it only forward (mail-pipeline 10.10)."""

RECIPIENT: Transitions[Delivery] = {
    **DELIVERY,
    Delivery.ACCEPTED: _BY_SUBMISSION | _BY_REPORT,
    Delivery.SENDING: _BY_SUBMISSION | _BY_REPORT,
    Delivery.DEFERRED: _BY_SUBMISSION | _BY_REPORT,
}
"""One recipient: reports about it may come while the others still wait, and then they stand."""

UNDER_WAY = frozenset({Delivery.ACCEPTED, Delivery.SENDING})
"""A message in one of these has a submission that has not ended."""

HIDDEN = frozenset({Review.PENDING, Review.REJECTED, Review.EXPIRED_REJECTED})
"""An inbound message in one of these does not exist for its agent."""


class ForbiddenTransition(Exception):
    """A move that no table has: a bug of the caller, not of a client."""


def may_become(transitions: Transitions[State], state: State, after: State) -> bool:
    return after in transitions[state]


def moved(transitions: Transitions[State], state: State, after: State) -> State:
    """`after`, if it may follow `state`. Raises `ForbiddenTransition`."""
    if not may_become(transitions, state, after):
        raise ForbiddenTransition(f"{state} cannot become {after}")
    return after


def any_before(transitions: Transitions[State], after: State) -> str:
    """The states that may become `after`, as `any_of`."""
    return any_of(state for state in transitions if after in transitions[state])


def any_of(states: Iterable[StrEnum]) -> str:
    """The states as an SQL list for IN, in one order so that each statement has one text."""
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"
