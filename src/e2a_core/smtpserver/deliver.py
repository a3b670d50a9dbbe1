"""Delivers an authenticated message to inboxes: threading, screening, storage, events.

All copies of a message are committed together, so the reply `250` holds for all recipients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from e2a_core.agents import queries as agent_queries
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.agents.roles import NOTICE_MAILBOX
from e2a_core.clock import rfc3339, to_micros
from e2a_core.contract.states import Direction, Review
from e2a_core.core import Core
from e2a_core.errors import StoreUnavailable
from e2a_core.extraction.job import extraction_job
from e2a_core.feedback.bounces import report_statements
from e2a_core.feedback.reporter import Reporter
from e2a_core.holds.hold import hold, hold_statements, protection_statement
from e2a_core.mail.parse import shown_name
from e2a_core.messages import lifecycle, payloads, queries
from e2a_core.messages.content import attachments_json, preview
from e2a_core.messages.events import emit
from e2a_core.messages.index_queries import index_text
from e2a_core.messages.rows import HoldRow, MessageRow
from e2a_core.messages.terms import words_of
from e2a_core.protection.config import config_of, gate_of
from e2a_core.screening.disposition import Disposition, Finding
from e2a_core.screening.gates import sender_gate
from e2a_core.signing.auth_headers import AuthClaim, body_hash, sign_headers
from e2a_core.smtpserver.arrival import Arrival
from e2a_core.smtpserver.session import IntakeRefusal, Recipient, RecipientDisabled, RecipientUnknown
from e2a_core.store.errors import ForeignKeyViolation, UniqueViolation
from e2a_core.store.statement import Statement
from e2a_core.submission.return_path import Returned

__all__ = ["Delivered", "Delivery"]

ATTEMPTS = 3
"""Attempts to store a message while its inboxes change concurrently."""

_DMARC_REASONS = {
    "pass": "authentication.dmarc_pass",
    "fail": "authentication.dmarc_fail",
    "none": "authentication.dmarc_none",
    "temperror": "authentication.dmarc_temporary_error",
    "permerror": "authentication.dmarc_permanent_error",
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outcome of one delivery. `ids` are those of the stored copies, in the order of the recipients.

    `refused` holds the agents that no longer accept mail. Agents in neither already had the message.
    """

    ids: Sequence[str] = ()
    refused: Mapping[str, IntakeRefusal] = field(default_factory=dict)


class Delivery:
    """Delivers messages to the inboxes of their recipients."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def deliver(self, arrival: Arrival, recipients: Sequence[Recipient]) -> Delivered:
        """Store a copy in each inbox that accepts mail and does not have the message yet.

        An inbox may have been deleted since RCPT. Raises `StoreUnavailable` if nothing was stored.
        """
        wanted = arrival.first_per_agent(recipients)
        about = [item.returned for item in recipients if item.returned]
        agents, holders = arrival.inboxes.agents, arrival.inboxes.holders
        for _ in range(ATTEMPTS):
            missing = [item for item in wanted if item.agent not in holders]
            refused = {
                item.agent: refusal for item in missing if (refusal := _refusal(agents.get(item.agent)))
            }
            waiting = [item for item in missing if item.agent not in refused]
            try:
                return Delivered(
                    await self._store(arrival, waiting, agents, about) if waiting else (), refused
                )
            except (UniqueViolation, ForeignKeyViolation):
                # Another process stored the same message, or an inbox was deleted: read the inboxes again.
                agents, holders = await self._look_again(arrival, wanted)
        raise StoreUnavailable("the message is being delivered by another process")

    async def _look_again(
        self, arrival: Arrival, recipients: Sequence[Recipient]
    ) -> tuple[Mapping[str, AgentRow], frozenset[str]]:
        names = [item.agent for item in recipients]
        agents, holders = await self._core.db.read(
            [agent_queries.agents_named(names), queries.by_dedupe_key(arrival.dedupe_key or "", names)]
        )
        return {row["email"]: agent_from(row) for row in agents}, frozenset(
            row["agent_email"] for row in holders
        )

    async def _store(
        self,
        arrival: Arrival,
        recipients: Sequence[Recipient],
        agents: Mapping[str, AgentRow],
        about: Sequence[Returned],
    ) -> list[str]:
        now = to_micros(self._core.clock.now())
        run = self._core.offload.run
        size = len(arrival.content)
        signed_hash = await run(size, body_hash, arrival.trace.encode("utf-8"), arrival.content)
        words = await run(size, words_of, arrival.parsed.search_text)
        author = arrival.parsed.author if arrival.identity.verified else None
        reporter = Reporter(arrival.envelope_from is None, author.domain if author else "")
        statements = [queries.insert_content(arrival.content_hash, arrival.content, now)]
        ids = []
        for recipient in recipients:
            agent = agents[recipient.agent]
            row = self._row(arrival, recipient, agent, now)
            await self._thread(row, arrival)
            self._sign(row, arrival, signed_hash)
            finding = self._screen(arrival, agent)
            statements += self._outcome(row, agent, arrival, finding, words)
            own = [item for item in about if item.agent_email == agent.email]
            statements += await report_statements(self._core, arrival.parsed, reporter, agent.email, own, now)
            ids.append(row.id)
        await self._core.db.write(statements)
        return ids

    def _row(self, arrival: Arrival, recipient: Recipient, agent: AgentRow, now: int) -> MessageRow:
        parsed = arrival.parsed
        author = parsed.shown_author
        return MessageRow(
            id=self._core.ids.message(),
            account_id=agent.account_id,
            agent_email=agent.email,
            direction=Direction.INBOUND,
            type=arrival.message_type,
            thread_id="",
            header_from=parsed.header_from,
            from_name=shown_name(author) if author else "",
            author_agent=arrival.identity.agent,
            sender=(author.normalized if author else arrival.identity.sender).lower(),
            envelope_from=arrival.envelope_from,
            delivered_to=recipient.address,
            tag=recipient.tag,
            to_addresses=parsed.to,
            cc=parsed.cc,
            reply_to=parsed.reply_to,
            names=parsed.names,
            subject=parsed.subject,
            preview=preview(parsed.text),
            attachments=attachments_json(parsed.attachments),
            email_message_id=parsed.message_id,
            content_hash=arrival.content_hash,
            trace=arrival.trace,
            size_bytes=len(arrival.trace.encode("utf-8")) + len(arrival.content),
            dedupe_key=arrival.dedupe_key,
            authentication=arrival.authentication,
            auto_submitted=_plain(parsed.auto_submitted),
            created_at=now,
            # This mailbox is not readable, so retention of its mail starts at once.
            deleted_at=now if agent.email == NOTICE_MAILBOX else None,
        )

    async def _thread(self, row: MessageRow, arrival: Arrival) -> None:
        """Thread the copy by its RFC 5322 ancestors in this inbox; a conversation id set by an agent wins."""
        ancestors = arrival.inboxes.ancestors.get(row.agent_email, ())
        row.thread_id = ancestors[0]["thread_id"] if ancestors else self._core.ids.thread()
        inherited = (item["conversation_id"] for item in ancestors if item["conversation_id"])
        given = arrival.conversation_id or ""
        if not given or not await self._may_join(row, given, arrival):
            given = next(inherited, "")
        row.conversation_id = given

    async def _may_join(self, row: MessageRow, conversation_id: str, arrival: Arrival) -> bool:
        """Returns True if the author may file the message under this id.

        An agent of another account may name only a conversation that it alone has with this inbox: ids can be guessed,
        and mail filed under one is read as part of it. Its replies join by their thread.
        """
        agent = arrival.identity.agent
        author = arrival.inboxes.agents.get(agent) if agent else None
        if author is None or author.account_id == row.account_id:
            return True
        others = queries.conversation_beside(row.agent_email, conversation_id, author.email)
        return not await self._core.db.read(others)

    def _sign(self, row: MessageRow, arrival: Arrival, signed_hash: str) -> None:
        identity, now = arrival.identity, self._core.clock.now()
        bound = arrival.inboxes.delegations.get(row.agent_email)
        delegation = f"agent={row.agent_email};human={bound.human}" if bound else ""
        claim = AuthClaim(
            verified=identity.verified,
            sender=identity.sender,
            entity_type=identity.entity_type,
            domain_check=identity.domain_check,
            delegation=delegation,
            timestamp=rfc3339(now.replace(microsecond=0)),
            message_id=row.id,
            body_hash=signed_hash,
        )
        row.auth_headers = sign_headers(claim, self._core.secrets.signing)

    def _screen(self, arrival: Arrival, agent: AgentRow) -> Finding | None:
        return sender_gate(
            gate_of(config_of(agent).inbound.gate),
            author=arrival.parsed.author.addr_spec if arrival.parsed.author else None,
            dmarc_pass=arrival.identity.dmarc_pass,
            relay_domains=self._core.settings.relay_domains,
        )

    def _outcome(
        self,
        row: MessageRow,
        agent: AgentRow,
        arrival: Arrival,
        finding: Finding | None,
        words: Sequence[str],
    ) -> list[Statement]:
        """The statements that store the message in the state that screening decided, and emit its events."""
        core, now = self._core, row.created_at
        ledger = self._ledger(row, arrival)
        received = emit(core, "email.received", row, payloads.received(row, ledger), now)
        if finding is None:
            return [*self._insert(row, words), *ledger, *received]
        row.flagged, row.flag_reason = 1, finding.detail
        if finding.action is Disposition.REVIEW:
            hold(row, finding, config_of(agent).holds.ttl_seconds, now)
            told = hold_statements(core, row, finding, now)
        elif finding.action is Disposition.BLOCK:
            row.hold = HoldRow(status=Review.REJECTED, hidden=1, rejection_reason=finding.detail)
            data = payloads.blocked_inbound(row, finding.detail, finding.reason)
            told = emit(core, "email.blocked", row, data, now)
        else:
            policy = config_of(agent).inbound.gate.policy
            told = [*received, *emit(core, "email.flagged", row, payloads.flagged(row, policy), now)]
        return [*self._insert(row, words), *ledger, protection_statement(row, finding, now), *told]

    def _insert(self, row: MessageRow, words: Sequence[str]) -> list[Statement]:
        return [
            queries.insert(row),
            *queries.insert_refs(row.agent_email, row.id, [row.email_message_id or ""]),
            index_text(row, words),
            *extraction_job(self._core, row),
        ]

    def _ledger(self, row: MessageRow, arrival: Arrival) -> list[Statement]:
        ids, now = self._core.ids, row.created_at
        statements = [lifecycle.record(ids, row, arrival.accepted_as, now, dedupe="acceptance")]
        if row.authentication:
            reason = _DMARC_REASONS[row.authentication["dmarc"]["status"]]
            evidence = {"authentication": row.authentication}
            statements.append(
                lifecycle.record(ids, row, reason, now, dedupe="authentication", evidence=evidence)
            )
        return statements


def _refusal(agent: AgentRow | None) -> IntakeRefusal | None:
    """The reason for refusing mail to this agent; None if the agent accepts mail."""
    if agent is None:
        return RecipientUnknown()
    return RecipientDisabled() if agent.trashed else None


def _plain(automatic: object) -> dict[str, str] | None:
    return None if automatic is None else asdict(automatic)  # type: ignore[call-overload]
