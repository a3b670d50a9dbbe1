"""How detectors' answers become one verdict."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.screening.detectors import DetectorResult, Sensitivity, combine
from e2a_core.screening.disposition import Disposition


@pytest.mark.parametrize(
    ("sensitivity", "review", "block"), [("low", 0.70, 0.95), ("medium", 0.50, 0.90), ("high", 0.30, 0.80)]
)
def test_thresholds_are_reached_inclusively(sensitivity: Sensitivity, review: float, block: float) -> None:
    def action(score: float) -> Disposition:
        return combine([DetectorResult("d", score=score)], sensitivity).action

    assert action(math.nextafter(review, 0) - 1e-9) is Disposition.ALLOW
    assert action(review + 1e-9) is Disposition.REVIEW
    assert action(block + 1e-9) is Disposition.BLOCK


def test_off_never_acts() -> None:
    assert combine([DetectorResult("d", score=1.0)], "off").action is Disposition.ALLOW


def test_evidence_adds_up_and_silence_does_not_dilute() -> None:
    half = DetectorResult("a", score=0.5)
    assert combine([half, DetectorResult("b", score=0.5)], "low").score == pytest.approx(0.75)
    assert combine([half, DetectorResult("b", score=0.0)], "low").score == pytest.approx(0.5)


@pytest.mark.parametrize(
    "results",
    [
        [],
        [DetectorResult("d", "timeout")],
        [DetectorResult("d", score=math.nan)],
        [DetectorResult("d", score=-1.0)],
        [DetectorResult("d", score=math.inf)],
    ],
)
def test_without_a_usable_answer_a_person_looks(results: list[DetectorResult]) -> None:
    assert combine(results, "low").action is Disposition.REVIEW


def test_a_floor_holds_whatever_the_score() -> None:
    verdict = combine([DetectorResult("d", score=0.0, floor=Disposition.REVIEW)], "low")
    assert verdict.action is Disposition.REVIEW


def test_categories_and_names() -> None:
    verdict = combine(
        [
            DetectorResult("z", score=0.1, categories={"phishing": 0.4, "injection": 0.2}),
            DetectorResult("a", score=0.1, categories={"injection": 0.9}),
            DetectorResult("broken", "error", categories={"spam": 1.0}),
        ],
        "high",
    )
    assert verdict.detectors == ("a", "z")
    assert verdict.categories == (("injection", 0.9), ("phishing", 0.4))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.builds(DetectorResult, st.text(max_size=3), st.sampled_from(["ok", "error"]), st.floats()))
)
def test_any_results_combine_to_a_score(results: list[DetectorResult]) -> None:
    assert 0.0 <= combine(results, "medium").score <= 1.0
