"""The interface for content detectors: their input, their results, and how results combine into a disposition.

No detector is included yet; detectors will use `combine` and the thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from e2a_core.screening.disposition import Disposition

__all__ = ["Detector", "DetectorResult", "ScanVerdict", "Segment", "Sensitivity", "Thresholds", "combine"]

Sensitivity = Literal["off", "low", "medium", "high"]
SegmentKind = Literal["display_name", "subject", "text", "html", "attachment"]
Status = Literal["ok", "timeout", "error", "unsupported"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The lowest scores at which a message is held for review and blocked."""

    review: float
    block: float


_THRESHOLDS: dict[Sensitivity, Thresholds] = {
    "low": Thresholds(0.70, 0.95),
    "medium": Thresholds(0.50, 0.90),
    "high": Thresholds(0.30, 0.80),
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a message as input for a detector; `truncated` if it is not complete."""

    kind: SegmentKind
    text: str
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class DetectorResult:
    """One detector's result. `score` and the scores of categories are in 0..1.

    `floor` is the least severe disposition that may apply whatever the score, for findings such as hidden or unreadable
    text.
    """

    detector: str
    status: Status = "ok"
    score: float = 0.0
    categories: Mapping[str, float] = field(default_factory=dict)
    floor: Disposition = Disposition.ALLOW


class Detector(Protocol):
    """Scores the text of a message, for example with rules or a model."""

    name: str

    async def detect(self, segments: Sequence[Segment]) -> DetectorResult:
        """Score `segments`. Failures are returned as a result with a status, not raised."""


@dataclass(frozen=True, slots=True)
class ScanVerdict:
    """The combined result; `detectors` had a usable result, `categories` are sorted by score, highest first."""

    action: Disposition
    score: float
    detectors: tuple[str, ...]
    categories: tuple[tuple[str, float], ...]


def combine(results: Sequence[DetectorResult], sensitivity: Sensitivity) -> ScanVerdict:
    """Combine the results for one message into one verdict.

    Scores combine as independent evidence (noisy or), so a detector that finds nothing never lowers the score of
    another. Without any usable result the disposition is review.
    """
    if sensitivity == "off":
        return ScanVerdict(Disposition.ALLOW, 0.0, (), ())
    usable = [result for result in results if result.status == "ok" and _is_score(result.score)]
    score = 1.0 - math.prod(1.0 - min(result.score, 1.0) for result in usable)
    action = max(
        [_action(score, _THRESHOLDS[sensitivity]), *(result.floor for result in usable)],
    )
    if not usable:
        action = Disposition.REVIEW
    return ScanVerdict(
        action, score, tuple(sorted(result.detector for result in usable)), _categories(usable)
    )


def _is_score(score: float) -> bool:
    return math.isfinite(score) and score >= 0.0


def _action(score: float, thresholds: Thresholds) -> Disposition:
    if score >= thresholds.block:
        return Disposition.BLOCK
    return Disposition.REVIEW if score >= thresholds.review else Disposition.ALLOW


def _categories(results: Sequence[DetectorResult]) -> tuple[tuple[str, float], ...]:
    strongest: dict[str, float] = {}
    for result in results:
        for name, score in result.categories.items():
            if _is_score(score):
                strongest[name] = max(strongest.get(name, 0.0), min(score, 1.0))
    return tuple(sorted(strongest.items(), key=lambda item: (-item[1], item[0])))
