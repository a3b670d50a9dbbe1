"""What a report says about the recipients of a message."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from e2a_core.contract.states import Delivery
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.dsn import ComplaintReport, DeliveryReport, RecipientReport

__all__ = ["Finding", "finding_about", "findings"]

_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "opt-out"})
"""Types of feedback (RFC 5965 section 7.3) that suppress the recipient."""
_MILDEST_FIRST = (Delivery.DELIVERED, Delivery.DEFERRED, Delivery.BOUNCED)
_TYPES_MILDEST_FIRST = (None, "transient", "undetermined", "permanent")


@dataclass(frozen=True, slots=True)
class Finding:
    """The report's statement about one recipient. `suppress` is the source of the suppression entry, if any."""

    address: str
    status: Delivery
    reason: str
    detail: str | None = None
    enhanced: str | None = None
    bounce_type: str | None = None
    suppress: str | None = None


def findings(report: DeliveryReport | ComplaintReport, known: Collection[str]) -> list[Finding]:
    """The report's findings about the recipients `known` to have been those of the message."""
    if isinstance(report, DeliveryReport):
        return [item for item in _deliveries(report) if item.address in known]
    if report.feedback_type not in _COMPLAINTS:
        return []
    named = {normalize_addr_spec(address) for address in report.original_recipients}
    if not named and len(known) == 1:
        # Many providers redact the complainant; with a single recipient it must be that one.
        named = set(known)
    return [_complaint(address, report) for address in sorted(named.intersection(known))]


def finding_about(
    report: DeliveryReport | ComplaintReport, recipient: str, known: Collection[str]
) -> Finding | None:
    """The finding of a report that is known to be about `recipient`, or None.

    It may name an address that the recipient forwards to instead. What it says about another of the recipients `known`
    is not about this one. Of several results the mildest counts: the mail for a list that reached one member was no
    bounce.
    """
    if isinstance(report, ComplaintReport):
        return _complaint(recipient, report) if report.feedback_type in _COMPLAINTS else None
    everything = _deliveries(report)
    own = [item for item in everything if item.address == recipient]
    elsewhere = [replace(item, address=recipient) for item in everything if item.address not in known]
    return min(own or elsewhere, key=_severity, default=None)


def _deliveries(report: DeliveryReport) -> list[Finding]:
    found = (_delivery(item) for item in report.recipients)
    return [item for item in found if item is not None]


def _delivery(report: RecipientReport) -> Finding | None:
    """Interprets the action of RFC 3464 section 2.3.3; returns None for an unknown action."""
    address = normalize_addr_spec(report.address)
    detail = " ".join(filter(None, (report.status, report.diagnostic))) or None
    enhanced = report.status or None
    if report.action == "failed":
        return Finding(
            address,
            Delivery.BOUNCED,
            f"delivery.{report.bounce_type}_bounce",
            detail,
            enhanced,
            report.bounce_type,
            suppress="bounce" if report.bounce_type == "permanent" else None,
        )
    if report.action == "delayed":
        return Finding(address, Delivery.DEFERRED, "delivery.temporary_delay", detail, enhanced)
    if report.action in {"delivered", "relayed", "expanded"}:
        return Finding(address, Delivery.DELIVERED, "delivery.recipient_server_accepted", detail, enhanced)
    return None


def _complaint(address: str, report: ComplaintReport) -> Finding:
    return Finding(
        address,
        Delivery.COMPLAINED,
        "complaint.recipient_reported",
        detail=f"feedback type {report.feedback_type}",
        suppress="complaint",
    )


def _severity(finding: Finding) -> tuple[int, int]:
    return _MILDEST_FIRST.index(finding.status), _TYPES_MILDEST_FIRST.index(finding.bounce_type)
