"""The outbound pipeline: validate, detect repeats, check suppressions, screen, then hold or queue."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from e2a_core.accounts.idempotency import Claim, complete
from e2a_core.agents.queries import AgentRow
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.sending import (
    ForwardRequest,
    ReplyRequest,
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.contract.states import Direction, Review
from e2a_core.core import Core
from e2a_core.errors import BlockedByPolicy, NotFound
from e2a_core.holds.hold import hold, hold_statements, protection_statement
from e2a_core.mail.body import Letter
from e2a_core.mail.forwarding import letter_to_carry
from e2a_core.mail.parse import ParsedMessage, parse_message
from e2a_core.messages import lifecycle, payloads, queries
from e2a_core.messages.content import load_content
from e2a_core.messages.events import emit
from e2a_core.messages.index_queries import index_text
from e2a_core.messages.rows import MessageRow, dump_json
from e2a_core.messages.terms import MAX_SEARCHED_CHARS, words_of
from e2a_core.protection.config import config_of
from e2a_core.screening.disposition import Disposition, Finding
from e2a_core.store.statement import StaleWrite, Statement
from e2a_core.submission.addressing import is_self_send
from e2a_core.submission.admission import (
    Admitted,
    admit,
    answers_elsewhere,
    guards,
    loop_counterparts,
    rate_exceeded,
    screen,
)
from e2a_core.submission.composition import apply_draft
from e2a_core.submission.draft import Draft, carried_attachments, check_draft, refuse_past, schedule
from e2a_core.submission.prepare import forward_draft, reply_draft, send_draft, test_draft
from e2a_core.submission.queue import pending_recipients, queue
from e2a_core.submission.repeats import callers_key, minted_key, once
from e2a_core.submission.waiting import WAIT_SELF_SECONDS, WAIT_SENT_SECONDS, Waiting
from e2a_core.templates.rendering import check_reference, refers_to_template, render_for_send

__all__ = ["Sender"]


Then = Callable[[SendResultView], Awaitable[None]] | None
"""What follows as soon as a message was accepted or held, and before its outcome is waited for."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One request to send; `route` distinguishes it from the same request to another endpoint."""

    agent: AgentRow
    draft: Draft
    parent: MessageRow | None
    request: SendEmailRequest | ReplyRequest | ForwardRequest
    route: str
    options: SendOptions
    credential: str
    then: Then

    @property
    def template(self) -> SendEmailRequest | None:
        """The request if it refers to a template, else None."""
        request = self.request
        return request if isinstance(request, SendEmailRequest) and refers_to_template(request) else None


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A message ready to be stored, and the result for the caller."""

    row: MessageRow
    statements: list[Statement]
    result: SendResultView


class Sender:
    """Accepts mail from agents. An accepted message is stored, and held or queued, in one commit."""

    def __init__(self, core: Core, waiting: Waiting) -> None:
        self._core = core
        self._waiting = waiting

    async def send(
        self,
        agent: AgentRow,
        request: SendEmailRequest,
        options: SendOptions,
        credential: str,
        then: Then = None,
    ) -> SendResultView:
        check_reference(request)
        route, draft = f"/v1/agents/{agent.email}/messages", send_draft(request)
        return await self._send(_Call(agent, draft, None, request, route, options, credential, then))

    async def reply(
        self,
        agent: AgentRow,
        parent: MessageRow,
        request: ReplyRequest,
        options: SendOptions,
        credential: str,
        then: Then = None,
    ) -> SendResultView:
        _, parsed, letter = await self._read(parent)
        draft = reply_draft(agent, parent, parsed, letter, request)
        route = f"/v1/reply/{parent.id}"
        result = await self._send(_Call(agent, draft, parent, request, route, options, credential, then))
        missed = parsed.unreadable if request.reply_all else parsed.unreadable_in("Reply-To")
        return result.model_copy(update={"not_addressed": missed}) if missed else result

    async def forward(
        self,
        agent: AgentRow,
        parent: MessageRow,
        request: ForwardRequest,
        options: SendOptions,
        credential: str,
    ) -> SendResultView:
        content, parsed, letter = await self._read(parent)
        carried = await self._core.offload.run(len(content), carried_attachments, content, letter)
        draft = forward_draft(parent, parsed, letter, carried, request)
        route = f"/v1/forward/{parent.id}"
        return await self._send(_Call(agent, draft, parent, request, route, options, credential, None))

    async def test(self, agent: AgentRow) -> SendResultView:
        """Sends a message from the deployment to the agent, over the same path as mail from outside."""
        return await self._accept(agent, test_draft(agent), None, None)

    async def _read(self, parent: MessageRow) -> tuple[bytes, ParsedMessage, Letter]:
        content = await load_content(self._core, parent)
        if content is None:
            raise NotFound("no such message")
        parsed = await self._core.offload.run(len(content), parse_message, content)
        return content, parsed, await self._core.offload.run(len(content), letter_to_carry, content, parsed)

    async def _send(self, call: _Call) -> SendResultView:
        """Accepts one message per key, the caller's or a minted one. Without a key each call is a new message."""
        options = call.options
        # The template may have been changed or deleted since; a repeat with the caller's key does not read it.
        rendered_late = bool(options.idempotency_key) and call.template is not None
        if not rendered_late:
            await self._complete(call)
        if options.idempotency_key:
            key = callers_key(options.idempotency_key, call.agent, call.route, call.request)
        elif options.mint_key:
            key = minted_key(call.agent, call.draft)
        else:
            return await self._finish(call, await self._accept_call(call, None))
        async with once(self._core, call.agent, key) as claim:
            if claim.stored is not None:
                result = SendResultView.model_validate_json(claim.stored.body)
            else:
                if rendered_late:
                    await self._complete(call)
                result = await self._accept_call(call, claim)
        result = await self._finish(call, result)
        repeated = key.minted and claim.stored is not None
        return result.model_copy(update={"deduplicated": True}) if repeated else result

    async def _complete(self, call: _Call) -> None:
        """Adds the template's content, the schedule and the unsubscribe option to the draft."""
        draft, request = call.draft, call.request
        if call.template is not None:
            content = await render_for_send(self._core, call.agent.account_id, call.template)
            draft.subject, draft.text, draft.html = content
            check_draft(draft)
        self_send = is_self_send(call.agent, draft)
        schedule(draft, request.send_at, self._core.clock.now(), self_send=self_send)
        draft.unsubscribe = request.unsubscribe is not None

    async def _accept_call(self, call: _Call, claim: Claim | None) -> SendResultView:
        refuse_past(call.draft, self._core.clock.now())
        return await self._accept(call.agent, call.draft, call.parent, claim, call.credential)

    async def _accept(
        self,
        agent: AgentRow,
        draft: Draft,
        parent: MessageRow | None,
        claim: Claim | None,
        credential: str | None = None,
    ) -> SendResultView:
        """Checks suppressions, screens, then holds or queues. A reply that exceeds the loop limit is held."""
        admitted = await admit(self._core, agent, draft)
        addressed = [*draft.recipients, *answers_elsewhere(agent, draft.reply_to)]
        finding = await screen(self._core, agent, addressed)
        if finding is not None and finding.action is Disposition.BLOCK:
            await self._block(agent, draft, finding)
        if finding is None or finding.action is not Disposition.REVIEW:
            queued = await self._queue(agent, admitted, finding, credential)
            finding = await self._store(
                agent, draft, queued, loop_counterparts(draft, parent, admitted.local), claim
            )
            if finding is None:
                return queued.result
        held = self._hold(agent, draft, finding, credential)
        await self._store(agent, draft, held, [], claim)
        return held.result

    async def _queue(
        self, agent: AgentRow, admitted: Admitted, finding: Finding | None, credential: str | None
    ) -> _Accepted:
        row = self._row(agent, admitted.draft, credential)
        row.hold.draft = None if admitted.draft.type == "test" else admitted.draft.outline()
        queued = await queue(self._core, agent, row, admitted, row.created_at)
        statements = [queued.content, queries.insert(row), self._accepted(row), *queued.statements]
        if finding is not None:
            statements.append(protection_statement(row, finding, row.created_at))
        return _Accepted(row, statements, queued.result)

    def _hold(self, agent: AgentRow, draft: Draft, finding: Finding, credential: str | None) -> _Accepted:
        row = self._row(agent, draft, credential)
        apply_draft(row, draft)
        hold(row, finding, config_of(agent).holds.ttl_seconds, row.created_at)
        row.hold.draft = draft.to_json()
        row.size_bytes = len(dump_json(row.hold.draft) or "")
        created = lifecycle.record(
            self._core.ids,
            row,
            "review.hold_created",
            row.created_at,
            dedupe="review:hold",
            evidence={
                "review_resolution": "pending",
                **lifecycle.schedule(draft.send_at, row.created_at),
            },
        )
        ledger = [self._accepted(row), created]
        statements = [
            queries.insert(row),
            *ledger,
            index_text(row, words_of(draft.text[:MAX_SEARCHED_CHARS])),
            *hold_statements(self._core, row, finding, row.created_at, ledger),
            protection_statement(row, finding, row.created_at),
        ]
        result = SendResultView(
            status=Review.PENDING,
            message_id=row.id,
            conversation_id=row.conversation_id,
            approval_expires_at=from_micros(row.hold.approval_expires_at or row.created_at),
            scheduled_at=None if draft.send_at is None else from_micros(draft.send_at),
            recipients=pending_recipients(draft.recipients),
        )
        return _Accepted(row, statements, result)

    async def _block(self, agent: AgentRow, draft: Draft, finding: Finding) -> NoReturn:
        """Stores only the audit row and the event of a blocked send. Their reference is not a message id."""
        row = self._row(agent, draft)
        apply_draft(row, draft)
        row.id = _blocked_reference(agent.email, draft)
        recipients = {"to": draft.to, "cc": draft.cc, "bcc": draft.bcc}
        data = payloads.blocked_outbound(
            row.id, agent.email, recipients, draft.subject, finding.detail, finding.reason
        )
        events = emit(self._core, "email.blocked", row, data, row.created_at)
        await self._core.db.write([protection_statement(row, finding, row.created_at), *events])
        raise BlockedByPolicy(f"the agent's protection blocks this message: {finding.detail}")

    def _row(self, agent: AgentRow, draft: Draft, credential: str | None = None) -> MessageRow:
        return MessageRow(
            id=self._core.ids.message(),
            account_id=agent.account_id,
            agent_email=agent.email,
            direction=Direction.OUTBOUND,
            thread_id=draft.thread_id or self._core.ids.thread(),
            conversation_id=draft.conversation_id or self._core.ids.conversation(),
            header_from=agent.email,
            sender=agent.email,
            created_at=to_micros(self._core.clock.now()),
            credential_id=credential,
        )

    def _accepted(self, row: MessageRow) -> Statement:
        return lifecycle.record(
            self._core.ids, row, "acceptance.outbound_api", row.created_at, dedupe="acceptance"
        )

    async def _store(
        self,
        agent: AgentRow,
        draft: Draft,
        accepted: _Accepted,
        counterparts: Sequence[str],
        claim: Claim | None,
    ) -> Finding | None:
        """Commits the message and returns None, or returns a finding if it would exceed the loop limit.

        `counterparts` are those of `loop_counterparts`. Raises `RateLimited` if the send rate is exceeded.
        """
        row, guard = accepted.row, guards(self._core, agent, draft.thread_id, counterparts)
        statements = [*guard.statements, *accepted.statements]
        if draft.thread_id:
            adopted = queries.adopt_into_conversation(agent.email, row.thread_id, row.conversation_id)
            statements.append(adopted)
        if claim is not None:
            statements.append(complete(claim, 202, accepted.result.model_dump_json()))
        try:
            await self._core.db.write(statements)
        except StaleWrite as stale:
            if not guard.broken(stale):
                raise
            if (loop := guard.loop(stale)) is not None:
                return loop
            raise await rate_exceeded(self._core, agent) from None
        return None

    async def _finish(self, call: _Call, result: SendResultView) -> SendResultView:
        """Does what follows, and waits for the outcome if the caller asked to, or if the agent writes to itself.

        That takes milliseconds.
        """
        if call.then is not None:
            await call.then(result)
        if result.status != "accepted":
            return result
        if call.options.wait_sent:
            return await self._waiting.settled(result, call.agent.email, WAIT_SENT_SECONDS)
        if is_self_send(call.agent, call.draft):
            return await self._waiting.settled(result, call.agent.email, WAIT_SELF_SECONDS)
        return result


def _blocked_reference(agent_email: str, draft: Draft) -> str:
    parts = [agent_email, *(item.lower() for item in draft.recipients), draft.subject]
    digest = hashlib.sha256("".join(part + "\0" for part in parts).encode())
    digest.update((draft.text + (draft.html or "")).encode())
    return f"msgblk_{digest.hexdigest()[:24]}"
