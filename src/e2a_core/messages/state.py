"""The allowed state transitions of messages, recipients and reviews.

They are checked when a row object changes, and guard the SQL that changes the stored row.
"""

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
    # Mail that waits to leave may be held, since its agent's protection may have changed meanwhile.
    Review.SENT: frozenset({Review.PENDING}),
    Review.PENDING: frozenset(Review) - {Review.PENDING},
    Review.APPROVED: frozenset(),
    Review.REJECTED: frozenset(),
    Review.EXPIRED_APPROVED: frozenset(),
    Review.EXPIRED_REJECTED: frozenset(),
}
"""Reviews. A message is held once, and its hold is decided once; it starts as sent, pending or rejected."""

DELIVERY: Transitions[Delivery] = {
    Delivery.ACCEPTED: frozenset({Delivery.SENDING, Delivery.FAILED}),
    # Another process takes over a submission whose process died.
    Delivery.SENDING: frozenset({Delivery.SENDING, Delivery.SENT, Delivery.FAILED}),
    Delivery.SENT: _BY_REPORT,
    Delivery.DEFERRED: _BY_REPORT - {Delivery.DEFERRED},
    Delivery.DELIVERED: _BAD_NEWS,
    Delivery.FAILED: _BAD_NEWS,
    Delivery.BOUNCED: frozenset({Delivery.COMPLAINED}),
    Delivery.COMPLAINED: frozenset(),
}
"""Messages. Reports change the status only after the submission has ended, and only forward: a later, lesser report
(such as delivered after bounced) has no effect."""

RECIPIENT: Transitions[Delivery] = {
    **DELIVERY,
    Delivery.ACCEPTED: _BY_SUBMISSION | _BY_REPORT,
    Delivery.SENDING: _BY_SUBMISSION | _BY_REPORT,
    Delivery.DEFERRED: _BY_SUBMISSION | _BY_REPORT,
}
"""Recipients. A report about one may arrive while others still wait for submission, and it stands."""

UNDER_WAY = frozenset({Delivery.ACCEPTED, Delivery.SENDING})
"""The submission of a message in one of these states has not ended."""

HIDDEN = frozenset({Review.PENDING, Review.REJECTED, Review.EXPIRED_REJECTED})
"""An agent cannot see an inbound message in one of these states."""


class ForbiddenTransition(Exception):
    """A transition that the tables do not allow: a bug in this program, not a client error."""


def may_become(transitions: Transitions[State], state: State, after: State) -> bool:
    return after in transitions[state]


def moved(transitions: Transitions[State], state: State, after: State) -> State:
    """Returns `after`. Raises `ForbiddenTransition` if it may not follow `state`."""
    if not may_become(transitions, state, after):
        raise ForbiddenTransition(f"{state} cannot become {after}")
    return after


def any_before(transitions: Transitions[State], after: State) -> str:
    """The states that may become `after`, in the form of `any_of`."""
    return any_of(state for state in transitions if after in transitions[state])


def any_of(states: Iterable[StrEnum]) -> str:
    """The states as an SQL list for IN, sorted so that each statement always has the same text."""
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"
