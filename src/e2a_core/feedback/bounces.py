"""Delivery status notifications (RFC 3464) and feedback reports (RFC 5965), matched to sent messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from e2a_core.agents import queries as agent_queries
from e2a_core.contract.states import Delivery, Direction
from e2a_core.core import Core
from e2a_core.feedback.reporter import Reporter
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.dsn import ComplaintReport, DeliveryReport, RecipientReport
from e2a_core.mail.parse import ParsedMessage
from e2a_core.messages import lifecycle, payloads
from e2a_core.messages import queries as message_queries
from e2a_core.messages.events import emit_unique
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.state import DELIVERY, RECIPIENT, may_become
from e2a_core.store.statement import Row, Statement, first
from e2a_core.submission import queries
from e2a_core.suppressions.check import blocks_of
from e2a_core.suppressions.entries import add_to_account

__all__ = ["report_statements"]

_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "opt-out"})
"""Types of feedback (RFC 5965 section 7.3) that suppress the recipient."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """The report's statement about one recipient. `suppress` is the source of the suppression entry, if any."""

    address: str
    status: Delivery
    reason: str
    detail: str | None = None
    enhanced: str | None = None
    bounce_type: str | None = None
    suppress: str | None = None


async def report_statements(
    core: Core, parsed: ParsedMessage, reporter: Reporter, agent_email: str, now: int
) -> list[Statement]:
    """Returns the statements that apply a report, received by this inbox, to the message it is about.

    A delivery status notification counts only if it has the null sender (RFC 3464 section 2) and is about mail of
    this inbox. A complaint counts for mail of the whole account, since feedback loops have one address per domain.
    Only actual recipients of the message count. Each of them can forge a report about the others, so a report about
    a message with several recipients suppresses one only if `reporter` answers for that recipient.
    """
    report = parsed.dsn or parsed.complaint
    if report is None or not report.original_message_id:
        return []
    if isinstance(report, DeliveryReport) and not reporter.null_sender:
        return []
    names = report.candidates if isinstance(report, DeliveryReport) else (report.original_message_id,)
    found = await _sent(core, agent_email, names)
    statements: list[Statement] = []
    for sent in (MessageRow.from_store(item) for item in found):
        if not await _concerns(core, report, sent, agent_email):
            continue
        rows = await core.db.read(message_queries.recipients(sent.id))
        known = {item["address"]: Delivery(item["status"]) for item in rows}
        for finding in _findings(report, known):
            state = known[finding.address]
            if finding.status is not state and may_become(RECIPIENT, state, finding.status):
                known[finding.address] = finding.status
                statements += _apply(core, sent, finding, now)
            if finding.suppress and (len(known) == 1 or reporter.answers_for(finding.address, core.settings)):
                statements += await _suppress(core, sent, finding, finding.suppress, now)
    return statements


async def _sent(core: Core, agent_email: str, names: Sequence[str]) -> Sequence[Row]:
    """The messages with the first of these ids that is known; the others may be those of earlier mail in the thread."""
    for name in names:
        found = await core.db.read(message_queries.sent_with_message_id(agent_email, [name]))
        if found:
            return found
    return ()


async def _concerns(
    core: Core, report: DeliveryReport | ComplaintReport, sent: MessageRow, agent_email: str
) -> bool:
    if isinstance(report, DeliveryReport):
        return sent.agent_email == agent_email
    agent = first(await core.db.read(agent_queries.agent(agent_email)))
    return agent is not None and agent["account_id"] == sent.account_id


def _findings(report: DeliveryReport | ComplaintReport, known: Mapping[str, Delivery]) -> list[_Finding]:
    """The report's findings about the recipients that the message had."""
    if isinstance(report, DeliveryReport):
        found = (_delivery_finding(item) for item in report.recipients)
        return [item for item in found if item is not None and item.address in known]
    if report.feedback_type not in _COMPLAINTS:
        return []
    named = {normalize_addr_spec(address) for address in report.original_recipients}
    if not named and len(known) == 1:
        # Many providers redact the complainant; with a single recipient it must be that one.
        named = set(known)
    return [
        _Finding(
            address,
            Delivery.COMPLAINED,
            "complaint.recipient_reported",
            detail=f"feedback type {report.feedback_type}",
            suppress="complaint",
        )
        for address in sorted(named & known.keys())
    ]


def _delivery_finding(report: RecipientReport) -> _Finding | None:
    """Interprets the action of RFC 3464 section 2.3.3; returns None for an unknown action."""
    address = normalize_addr_spec(report.address)
    detail = " ".join(filter(None, (report.status, report.diagnostic))) or None
    enhanced = report.status or None
    if report.action == "failed":
        return _Finding(
            address,
            Delivery.BOUNCED,
            f"delivery.{report.bounce_type}_bounce",
            detail,
            enhanced,
            report.bounce_type,
            suppress="bounce" if report.bounce_type == "permanent" else None,
        )
    if report.action == "delayed":
        return _Finding(address, Delivery.DEFERRED, "delivery.temporary_delay", detail, enhanced)
    if report.action in {"delivered", "relayed", "expanded"}:
        return _Finding(address, Delivery.DELIVERED, "delivery.recipient_server_accepted", detail, enhanced)
    return None


def _apply(core: Core, sent: MessageRow, finding: _Finding, now: int) -> list[Statement]:
    statements = [
        queries.set_recipient(
            sent.id,
            finding.address,
            outcome="failed" if finding.status is Delivery.BOUNCED else "succeeded",
            status=finding.status,
            enhanced=finding.enhanced,
            detail=finding.detail,
            now=now,
        ),
        _ledger(core, sent, finding.reason, finding, now, _evidence(finding)),
    ]
    state = sent.submission.delivery_status
    if state is not None and may_become(DELIVERY, state, finding.status):
        sent.submission.move(finding.status)
        statements.append(queries.move_delivery(sent.id, finding.status, delivery_detail=finding.detail))
    return statements + _event(core, sent, finding, now)


async def _suppress(
    core: Core, sent: MessageRow, finding: _Finding, source: str, now: int
) -> list[Statement]:
    """Adds the recipient to the account's suppression list.

    Returns nothing if it is on the list, or if the owner removed an entry that this message had caused.
    """
    reason = "suppression.hard_bounce_applied" if source == "bounce" else "suppression.complaint_applied"
    if first(await core.db.read(lifecycle.recorded(sent.id, f"{reason}:{finding.address}"))):
        return []
    blocks = await blocks_of(core, sent.account_id, sent.agent_email, [finding.address])
    block = blocks.get(finding.address)
    if block is not None and block.scope == "account":
        return []
    evidence = {"suppression_scope": "account", "suppression_source": source}
    return [
        _ledger(core, sent, reason, finding, now, evidence),
        *add_to_account(core, sent.account_id, finding.address, source, finding.detail, sent.id, now),
    ]


def _event(core: Core, sent: MessageRow, finding: _Finding, now: int) -> list[Statement]:
    """The event of a finding. A delay emits none, because its outcome is not known yet."""
    if finding.bounce_type:
        data = payloads.bounced(sent, finding.address, finding.bounce_type, finding.detail)
        return emit_unique(core, "email.bounced", sent, data, now)
    if finding.status in {Delivery.DELIVERED, Delivery.COMPLAINED}:
        return emit_unique(core, f"email.{finding.status}", sent, _outcome_data(sent, finding), now)
    return []


def _outcome_data(sent: MessageRow, finding: _Finding) -> dict[str, Any]:
    data: dict[str, Any] = {
        "message_id": sent.id,
        "agent_email": sent.agent_email,
        "direction": sent.direction,
        "delivered_to": finding.address,
        "subject": sent.subject,
    }
    if finding.detail:
        data["smtp_detail"] = finding.detail
    return data


def _ledger(
    core: Core, sent: MessageRow, reason: str, finding: _Finding, now: int, evidence: Mapping[str, str]
) -> Statement:
    return lifecycle.record(
        core.ids,
        sent.id,
        Direction.OUTBOUND,
        reason,
        now,
        dedupe=f"{reason}:{finding.address}",
        recipient=finding.address,
        evidence=evidence,
    )


def _evidence(finding: _Finding) -> dict[str, str]:
    evidence = {"smtp_detail": finding.detail, "bounce_type": finding.bounce_type}
    return {key: value for key, value in evidence.items() if value}
