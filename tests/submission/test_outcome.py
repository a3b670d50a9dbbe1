"""Reading an SMTP reply: its kind, its enhanced code, its text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.submission.outcome import (
    FailureKind,
    Outcome,
    RecipientOutcome,
    SubmissionResult,
    classify_reply,
    failed,
    relay_lost,
    split_enhanced_code,
    succeeded,
    unknown,
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (550, FailureKind.PERMANENT),
        (554, FailureKind.PERMANENT),
        (450, FailureKind.TRANSIENT),
        (452, FailureKind.TRANSIENT),
        (421, FailureKind.OUTAGE),
        # A refused login is about our configuration, never about the message.
        (535, FailureKind.OUTAGE),
        (530, FailureKind.OUTAGE),
        (454, FailureKind.OUTAGE),
        (299, FailureKind.TRANSIENT),
    ],
)
def test_kind_of_a_refusal(code: int, kind: FailureKind) -> None:
    assert classify_reply(code) is kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.1.1 No such user", ("5.1.1", "No such user")),
        ("5.1.1", ("5.1.1", "")),
        ("5.7.1 first\n5.7.1 second", ("5.7.1", "first second")),
        ("No such user", (None, "No such user")),
        ("9.1.1 strange", (None, "9.1.1 strange")),
        ("", (None, "")),
        ("5.1.10.2 no", (None, "5.1.10.2 no")),
    ],
)
def test_enhanced_code(text: str, expected: tuple[str | None, str]) -> None:
    assert split_enhanced_code(text) == expected


def test_results_are_grouped_by_what_they_call_for() -> None:
    outcomes = (
        *succeeded(["a@x"], 250, "2.0.0 ok"),
        *failed(["b@x"], FailureKind.PERMANENT, "5.1.1 no", 550),
        *failed(["c@x"], FailureKind.TRANSIENT, "later", 450),
        *unknown(["d@x"], "reply lost"),
    )
    result = SubmissionResult(outcomes, "upstream")
    assert [item.address for item in result.to_retry] == ["c@x"]
    assert result.of(Outcome.UNKNOWN) == [RecipientOutcome("d@x", Outcome.UNKNOWN, detail="reply lost")]
    assert result.of(Outcome.FAILED)[0] == RecipientOutcome(
        "b@x", Outcome.FAILED, 550, "5.1.1", "no", FailureKind.PERMANENT
    )


@pytest.mark.parametrize(
    ("outcomes", "lost"),
    [
        (succeeded(["a@x"], 250, "2.0.0 ok"), False),
        (failed(["a@x"], FailureKind.PERMANENT, "5.1.1 no", 550), False),
        (failed(["a@x"], FailureKind.PERMANENT, "5.1.3 not valid"), False),
        (failed(["a@x"], FailureKind.TRANSIENT, "4.7.1 greylisted", 451), False),
        (failed(["a@x"], FailureKind.TRANSIENT, "the connection broke within the message"), True),
        (failed(["a@x"], FailureKind.OUTAGE, "closing", 421), True),
        (failed(["a@x"], FailureKind.OUTAGE, "connection refused"), True),
        (unknown(["a@x"], "reply lost"), True),
    ],
)
def test_when_the_relay_is_lost_for_the_other_recipients(
    outcomes: list[RecipientOutcome], lost: bool
) -> None:
    assert bool(relay_lost(SubmissionResult(tuple(outcomes), "upstream"))) is lost


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=2000), st.integers())
def test_any_reply_is_read(text: str, code: int) -> None:
    _, detail = split_enhanced_code(text)
    assert len(detail) <= 500
    detail.encode()
    assert "\n" not in detail
    classify_reply(code)
