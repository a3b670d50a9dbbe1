"""The words of the wire stay as they are, and no message moves to where the tables do not lead."""

from __future__ import annotations

from itertools import product

import pytest

from e2a_core.contract.states import Delivery, Direction, Method, Review
from e2a_core.messages.rows import HoldRow, SubmissionRow
from e2a_core.messages.state import (
    DELIVERY,
    HIDDEN,
    RECIPIENT,
    REVIEW,
    UNDER_WAY,
    ForbiddenTransition,
    any_before,
    any_of,
)

MOVES = {
    "accepted": "sending failed",
    "sending": "sending sent failed",
    "sent": "deferred delivered bounced complained",
    "deferred": "delivered bounced complained",
    "delivered": "bounced complained",
    "failed": "bounced complained",
    "bounced": "complained",
    "complained": "",
}
DECISIONS = (
    "sent review_approved review_rejected review_expired_approved review_expired_rejected"  # of a hold
)


def test_the_words_are_those_of_the_wire() -> None:
    assert {*Direction} == {"inbound", "outbound"}
    assert {*Method} == {"loopback", "smtp", "sandbox"}
    assert {*Review} == {"pending_review", *DECISIONS.split()}
    assert {*Delivery} == set(MOVES)
    assert f"{Review.PENDING}" == "pending_review"


@pytest.mark.parametrize(("state", "after"), list(product(Delivery, Delivery)))
def test_a_submission_moves_as_the_table_says(state: Delivery, after: Delivery) -> None:
    row = SubmissionRow(delivery_status=state)
    if after in MOVES[state].split():
        row.move(after)
        assert row.delivery_status is after
    else:
        with pytest.raises(ForbiddenTransition):
            row.move(after)
        assert row.delivery_status is state


@pytest.mark.parametrize(("state", "after"), list(product(Review, Review)))
def test_only_a_hold_is_decided_and_only_what_was_to_leave_is_held_later(
    state: Review, after: Review
) -> None:
    row = HoldRow(status=state)
    decided = state is Review.PENDING and after in DECISIONS.split()
    held = state is Review.SENT and after is Review.PENDING
    if decided or held:
        row.decide(after)
        assert row.status is after
    else:
        with pytest.raises(ForbiddenTransition):
            row.decide(after)


def test_what_was_never_accepted_does_not_move() -> None:
    with pytest.raises(ForbiddenTransition):
        SubmissionRow().move(Delivery.SENT)


def test_a_recipient_whose_fate_was_reported_keeps_it() -> None:
    for reported in (Delivery.DELIVERED, Delivery.BOUNCED, Delivery.COMPLAINED):
        assert not RECIPIENT[reported] & {Delivery.SENDING, Delivery.SENT, Delivery.DEFERRED, Delivery.FAILED}
        assert all(reported in RECIPIENT[waiting] for waiting in (*UNDER_WAY, Delivery.DEFERRED))


def test_the_guards_of_the_sql_follow_the_tables() -> None:
    assert any_before(DELIVERY, Delivery.SENDING) == any_of(UNDER_WAY) == "('accepted', 'sending')"
    assert any_before(DELIVERY, Delivery.SENT) == "('sending')"
    assert any_before(REVIEW, Review.REJECTED) == "('pending_review')"
    assert any_of(HIDDEN) == "('pending_review', 'review_expired_rejected', 'review_rejected')"
