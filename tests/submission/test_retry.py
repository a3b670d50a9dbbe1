"""The retry table, walked from acceptance to the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from e2a_core.submission.outcome import FailureKind, SubmissionResult, failed, succeeded, unknown
from e2a_core.submission.retry import MAX_ATTEMPTS, Done, GiveUp, RetryAt, next_step

ACCEPTED = datetime(2026, 1, 1, tzinfo=UTC)
TRANSIENT = SubmissionResult(tuple(failed(["a@x"], FailureKind.TRANSIENT, "later", 450)), "upstream")
OUTAGE = SubmissionResult(tuple(failed(["a@x"], FailureKind.OUTAGE, "refused")), "upstream")


def test_the_whole_table_is_used_from_its_first_row() -> None:
    now, waits = ACCEPTED, []
    attempt = 1
    while isinstance(step := next_step(attempt, TRANSIENT, ACCEPTED, now), RetryAt):
        waits.append((step.at - now).total_seconds())
        assert step.attempt == attempt + 1
        now, attempt = step.at, step.attempt
    assert waits == [30, 120, 600, 3600, 14400]
    assert attempt == MAX_ATTEMPTS == 6
    assert step == GiveUp(("a@x",), "not accepted in 6 attempts")


def test_an_outage_consumes_no_attempt_and_ends_after_three_days() -> None:
    now, retries = ACCEPTED, 0
    while isinstance(step := next_step(3, OUTAGE, ACCEPTED, now), RetryAt):
        assert step.attempt == 3
        assert step.at - now == timedelta(minutes=5)
        now, retries = step.at, retries + 1
    assert now - ACCEPTED == timedelta(hours=72)
    assert retries == 72 * 12
    assert step == GiveUp(("a@x",), "not accepted within 72 hours")


def test_an_outage_at_the_last_attempt_still_waits() -> None:
    assert next_step(6, OUTAGE, ACCEPTED, ACCEPTED) == RetryAt(ACCEPTED + timedelta(minutes=5), ("a@x",), 6)


def test_only_who_can_still_be_reached_is_tried_again() -> None:
    result = SubmissionResult(
        (
            *succeeded(["done@x"]),
            *failed(["gone@x"], FailureKind.PERMANENT, "no", 550),
            *failed(["later@x"], FailureKind.TRANSIENT, "later", 450),
            *unknown(["lost@x"], "reply lost"),
        ),
        "upstream",
    )
    assert next_step(1, result, ACCEPTED, ACCEPTED) == RetryAt(
        ACCEPTED + timedelta(seconds=30), ("later@x",), 2
    )


@pytest.mark.parametrize(
    "outcomes",
    [
        succeeded(["a@x"]),
        unknown(["a@x"], "reply lost"),
        failed(["a@x"], FailureKind.PERMANENT, "no", 550),
        [*succeeded(["a@x"]), *unknown(["b@x"], "")],
    ],
)
def test_final_outcomes_are_done(outcomes: list[object]) -> None:
    assert next_step(1, SubmissionResult(tuple(outcomes), "upstream"), ACCEPTED, ACCEPTED) == Done()  # type: ignore[arg-type]


def test_a_late_transient_failure_gives_up_rather_than_send_old_mail() -> None:
    late = ACCEPTED + timedelta(hours=70)
    assert isinstance(next_step(5, TRANSIENT, ACCEPTED, late), GiveUp)
    assert isinstance(next_step(1, TRANSIENT, ACCEPTED, late), RetryAt)


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        next_step(0, TRANSIENT, ACCEPTED, ACCEPTED)
