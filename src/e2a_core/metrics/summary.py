"""The figures and rates of the API, computed from counts of reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from e2a_core.contract.metrics import MetricsCounterView, MetricsRatesView, MetricsSummaryView
from e2a_core.messages.lifecycle import REASONS

__all__ = ["Counts", "counters", "rates", "summary"]

_SUMMARY: Mapping[str, tuple[str, ...]] = {
    "accepted": ("acceptance.outbound_api",),
    "received": ("acceptance.inbound_smtp", "acceptance.local_loopback"),
    "suppressed": ("suppression.recipient_blocked",),
    "delivered": ("delivery.recipient_server_accepted",),
    "bounced_hard": ("delivery.permanent_bounce",),
    "bounced_soft": ("delivery.transient_bounce",),
    "bounced_undetermined": ("delivery.undetermined_bounce",),
    "complained": ("complaint.recipient_reported",),
    "dmarc_pass": ("authentication.dmarc_pass",),
    "dmarc_fail": ("authentication.dmarc_fail",),
    "dmarc_none": ("authentication.dmarc_none",),
    "dmarc_error": ("authentication.dmarc_temporary_error", "authentication.dmarc_permanent_error"),
    "review_held": ("review.hold_created",),
    "review_approved": ("review.approved",),
    "review_rejected": ("review.rejected",),
    "review_expired_approved": ("review.expired_approved",),
    "review_expired_rejected": ("review.expired_rejected",),
}
"""The reasons whose messages each figure counts; a message has at most one of a figure's reasons."""


@dataclass(slots=True)
class Counts:
    """The counts of one group: by reason (messages, observations), and of messages.

    `loopback` counts submitted messages that had only recipients in this deployment.
    """

    reasons: dict[str, tuple[int, int]] = field(default_factory=dict)
    messages: int = 0
    with_lifecycle: int = 0
    submitted: int = 0
    loopback: int = 0
    send_failed: int = 0


def counters(counts: Counts) -> list[MetricsCounterView]:
    """One counter for each observed reason, sorted by code."""
    views = []
    for reason, (messages, observations) in sorted(counts.reasons.items()):
        stage, outcome, retryable = REASONS[reason]
        views.append(
            MetricsCounterView(
                reason_code=reason,
                stage=stage,
                outcome=outcome,
                retryable=retryable,
                messages=messages,
                observations=observations,
            )
        )
    return views


def summary(counts: Counts) -> MetricsSummaryView:
    return MetricsSummaryView(
        submitted=counts.submitted,
        loopback=counts.loopback,
        send_failed=counts.send_failed,
        **{
            name: sum(counts.reasons.get(reason, (0, 0))[0] for reason in reasons)
            for name, reasons in _SUMMARY.items()
        },
    )


def rates(view: MetricsSummaryView) -> MetricsRatesView:
    """Rates over mail to recipients outside the deployment; None if the denominator is zero."""
    outward = view.accepted - view.loopback
    bounced = view.bounced_hard + view.bounced_soft + view.bounced_undetermined
    return MetricsRatesView(
        delivered_rate=_share(view.delivered, outward),
        suppression_block_rate=_share(view.suppressed, outward),
        bounce_rate=_share(bounced, view.submitted - view.loopback),
        complaint_rate=_share(view.complained, view.delivered),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None
