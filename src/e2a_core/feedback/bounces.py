"""Delivery status notifications (RFC 3464) and feedback reports (RFC 5965), matched to sent messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e2a_core.agents import queries as agent_queries
from e2a_core.contract.states import Delivery
from e2a_core.core import Core
from e2a_core.feedback.findings import Finding, finding_about, findings
from e2a_core.feedback.reporter import Reporter
from e2a_core.mail.dsn import ComplaintReport, DeliveryReport
from e2a_core.mail.parse import ParsedMessage
from e2a_core.messages import lifecycle, payloads
from e2a_core.messages import queries as message_queries
from e2a_core.messages.events import emit_unique
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.state import DELIVERY, RECIPIENT, may_become
from e2a_core.store.statement import Row, Statement, first
from e2a_core.submission import queries
from e2a_core.submission.return_path import Returned
from e2a_core.suppressions.check import blocks_of
from e2a_core.suppressions.entries import add_to_account

__all__ = ["report_statements"]


async def report_statements(
    core: Core,
    parsed: ParsedMessage,
    reporter: Reporter,
    agent_email: str,
    about: Sequence[Returned],
    now: int,
) -> list[Statement]:
    """Returns the statements that apply a report, received by this inbox, to the message it is about.

    `about` is what the return paths it came to prove it to be about: from the null sender (RFC 3464 section 2) it then
    counts for exactly these messages, and for exactly the recipient if the path is for one. Any other report counts for
    the message it names, with these limits:

    A delivery status notification counts only if it has the null sender and is about mail of this inbox. A complaint
    counts for mail of the whole account, since feedback loops have one address per domain. Only actual recipients of
    the message count. A notification that could have come to a return path does not, unless `reporter` answers for the
    recipient.

    Each recipient of a message can forge a report about the others. So one of several is suppressed only if the path
    is for that recipient, or `reporter` answers for that recipient.
    """
    report = parsed.dsn or parsed.complaint
    if report is None:
        return []
    if about and reporter.null_sender:
        return [
            item for it in dict.fromkeys(about) for item in await _returned(core, report, reporter, it, now)
        ]
    if not report.original_message_id or (isinstance(report, DeliveryReport) and not reporter.null_sender):
        return []
    return await _claimed(core, report, reporter, agent_email, now)


async def _returned(
    core: Core, report: DeliveryReport | ComplaintReport, reporter: Reporter, returned: Returned, now: int
) -> list[Statement]:
    """Applies a report to the message whose return path it came to."""
    stored = first(await core.db.read(message_queries.by_message_id(returned.message_id)))
    if stored is None:
        return []
    sent, known = MessageRow.from_store(stored), await _recipients(core, returned.message_id)
    if returned.recipient is not None:
        own = finding_about(report, returned.recipient, known)
        return await _apply(core, sent, own, known, True, now) if own and own.address in known else []
    statements: list[Statement] = []
    for finding in findings(report, known):
        trusted = reporter.answers_for(finding.address, core.settings)
        statements += await _apply(core, sent, finding, known, trusted, now)
    return statements


async def _claimed(
    core: Core, report: DeliveryReport | ComplaintReport, reporter: Reporter, agent_email: str, now: int
) -> list[Statement]:
    """Applies a report to the message that it names, which proves nothing."""
    notification = isinstance(report, DeliveryReport)
    names = report.candidates if isinstance(report, DeliveryReport) else (report.original_message_id or "",)
    statements: list[Statement] = []
    for sent in map(MessageRow.from_store, await _sent(core, agent_email, names)):
        if not await _concerns(core, report, sent, agent_email):
            continue
        known = await _recipients(core, sent.id)
        for finding in findings(report, known):
            trusted = len(known) == 1 or reporter.answers_for(finding.address, core.settings)
            if trusted or not (notification and sent.submission.return_paths):
                statements += await _apply(core, sent, finding, known, trusted, now)
    return statements


async def _recipients(core: Core, message_id: str) -> dict[str, Delivery]:
    rows = await core.db.read(message_queries.recipients(message_id))
    return {item["address"]: Delivery(item["status"]) for item in rows}


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


async def _apply(
    core: Core, sent: MessageRow, finding: Finding, known: dict[str, Delivery], trusted: bool, now: int
) -> list[Statement]:
    """Applies a finding. If it is `trusted`, it may suppress the recipient; `known` are the recipients' states."""
    statements: list[Statement] = []
    state = known[finding.address]
    if finding.status is not state and may_become(RECIPIENT, state, finding.status):
        known[finding.address] = finding.status
        statements += _mark(core, sent, finding, now)
    if finding.suppress and trusted:
        statements += await _suppress(core, sent, finding, finding.suppress, now)
    return statements


def _mark(core: Core, sent: MessageRow, finding: Finding, now: int) -> list[Statement]:
    ledger = _ledger(core, sent, finding.reason, finding, now, _evidence(finding))
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
        ledger,
    ]
    state = sent.submission.delivery_status
    if state is not None and may_become(DELIVERY, state, finding.status):
        sent.submission.move(finding.status)
        statements.append(queries.move_delivery(sent.id, finding.status, delivery_detail=finding.detail))
    return statements + _event(core, sent, finding, [ledger], now)


async def _suppress(core: Core, sent: MessageRow, finding: Finding, source: str, now: int) -> list[Statement]:
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
    ledger = _ledger(core, sent, reason, finding, now, evidence)
    return [
        ledger,
        *add_to_account(
            core, sent.account_id, finding.address, source, finding.detail, sent.id, [ledger], now
        ),
    ]


def _event(
    core: Core, sent: MessageRow, finding: Finding, ledger: Sequence[Statement], now: int
) -> list[Statement]:
    """The event of a finding. A delay emits none, because its outcome is not known yet."""
    if finding.bounce_type:
        data = payloads.bounced(sent, finding.address, finding.bounce_type, finding.detail, ledger)
        return emit_unique(core, "email.bounced", sent, data, now)
    if finding.status in {Delivery.DELIVERED, Delivery.COMPLAINED}:
        data = _outcome_data(sent, finding, ledger)
        return emit_unique(core, f"email.{finding.status}", sent, data, now)
    return []


def _outcome_data(sent: MessageRow, finding: Finding, ledger: Sequence[Statement] = ()) -> dict[str, Any]:
    data: dict[str, Any] = {
        "message_id": sent.id,
        "agent_email": sent.agent_email,
        "direction": sent.direction,
        "delivered_to": finding.address,
        "subject": sent.subject,
    }
    if finding.detail:
        data["smtp_detail"] = finding.detail
    return payloads.with_ledger(data, ledger)


def _ledger(
    core: Core, sent: MessageRow, reason: str, finding: Finding, now: int, evidence: Mapping[str, str]
) -> Statement:
    return lifecycle.record(
        core.ids,
        sent,
        reason,
        now,
        dedupe=f"{reason}:{finding.address}",
        recipient=finding.address,
        evidence=evidence,
    )


def _evidence(finding: Finding) -> dict[str, str]:
    evidence = {"smtp_detail": finding.detail, "bounce_type": finding.bounce_type}
    return {key: value for key, value in evidence.items() if value}
