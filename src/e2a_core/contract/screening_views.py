"""What screening found in a message, and why it is held."""

from __future__ import annotations

from e2a_core.contract.base import View
from e2a_core.visible import one_line, sentence

__all__ = ["HoldReasonView", "ProtectionFindingView", "ThreatCategoryView"]


class ThreatCategoryView(View):
    name: str
    score: float | None = None


class ProtectionFindingView(View):
    source: str
    action: str | None = None
    detector: str | None = None
    score: float | None = None
    summary: str | None = None
    categories: list[ThreatCategoryView] | None = None


class HoldReasonView(View):
    type: str
    code: str
    summary: str
    category: str | None = None
    detail: str | None = None
    confidence: float | None = None

    @property
    def sentences(self) -> tuple[str, str]:
        """The summary and the finding behind it, or "" if that says no more; in each nothing hides."""
        detail = (self.detail or "").strip()
        return one_line(self.summary), "" if detail in self.summary else one_line(sentence(detail))
