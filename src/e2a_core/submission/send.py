"""The outbound pipeline: validate, suppress repeats, screen, hold or queue, tell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from e2a_core.accounts.idempotency import KEPT, Claim, claimed, complete, fingerprint_of, release
from e2a_core.accounts.limits import refuse_beyond_plan
from e2a_core.agents.queries import AgentRow
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.sending import (
    ForwardRequest,
    ReplyRequest,
    SendEmailRequest,
    SendOptions,
    SendResultView,
)
from e2a_core.core import Core
from e2a_core.errors import BlockedByPolicy, NotFound
from e2a_core.holds.hold import hold, hold_statements, protection_statement
from e2a_core.mail.attachments import attachment_content
from e2a_core.mail.parse import ParsedMessage, parse_message
from e2a_core.messages import lifecycle, payloads, queries
from e2a_core.messages.content import load_content
from e2a_core.messages.events import emit
from e2a_core.messages.rows import MessageRow
from e2a_core.protection.config import config_of
from e2a_core.screening.disposition import Disposition, Finding
from e2a_core.store.statement import StaleWrite, Statement
from e2a_core.submission.composition import (
    apply_composed,
    apply_draft,
    compose,
    is_self_send,
    queue_statements,
)
from e2a_core.submission.draft import Draft, carried_attachment, check_draft
from e2a_core.submission.guards import check_domain, guards, loop_counterparts, rate_exceeded, screen
from e2a_core.submission.prepare import forward_draft, reply_draft, send_draft, test_draft
from e2a_core.submission.routing import local_recipients, method_of
from e2a_core.submission.schedule import schedule
from e2a_core.submission.unsubscribe import sole_recipient
from e2a_core.submission.waiting import WAIT_SELF_SECONDS, WAIT_SENT_SECONDS, settled
from e2a_core.suppressions.check import refuse_suppressed
from e2a_core.templates.rendering import check_reference, refers_to_template, render_for_send

__all__ = ["Sender"]

REPEAT_WINDOW = timedelta(minutes=10)
"""Within it the same mail again is taken for a repeated call, not a second message."""

_Request = SendEmailRequest | ReplyRequest | ForwardRequest


class Sender:
    """Accepts mail from agents: what it accepts is stored, and held or queued in the same commit."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def send(self, agent: AgentRow, request: SendEmailRequest, options: SendOptions) -> SendResultView:
        check_reference(request)
        draft = send_draft(request)
        fingerprint = partial(fingerprint_of, f"/v1/agents/{agent.email}/messages", request)
        if refers_to_template(request):
            fill_in = partial(self._fill_in, agent, draft, request)
            return await self._once(agent, draft, None, options, fingerprint, fill_in)
        self._apply_options(agent, draft, request)
        return await self._once(agent, draft, None, options, fingerprint)

    async def reply(
        self, agent: AgentRow, parent: MessageRow, request: ReplyRequest, options: SendOptions
    ) -> SendResultView:
        _, parsed = await self._read(parent)
        draft = reply_draft(agent, parent, parsed, request)
        self._apply_options(agent, draft, request)
        return await self._once(
            agent, draft, parent, options, partial(fingerprint_of, f"/v1/reply/{parent.id}", request)
        )

    async def forward(
        self, agent: AgentRow, parent: MessageRow, request: ForwardRequest, options: SendOptions
    ) -> SendResultView:
        content, parsed = await self._read(parent)
        files = [attachment_content(content, item.index) for item in parsed.attachments]
        carried = [carried_attachment(meta, data) for meta, data in files]
        draft = forward_draft(parent, parsed, carried, request)
        self._apply_options(agent, draft, request)
        return await self._once(
            agent, draft, parent, options, partial(fingerprint_of, f"/v1/forward/{parent.id}", request)
        )

    async def test(self, agent: AgentRow) -> SendResultView:
        """A message from the deployment to the agent, which takes the way that mail from outside takes."""
        return await self._accept(agent, test_draft(agent), None, None)

    async def _fill_in(self, agent: AgentRow, draft: Draft, request: SendEmailRequest) -> None:
        """Gives the draft the content of its template, from where on it is as any other."""
        content = await render_for_send(self._core, agent.account_id, request)
        draft.subject, draft.text, draft.html = content
        check_draft(draft)
        self._apply_options(agent, draft, request)

    def _apply_options(self, agent: AgentRow, draft: Draft, request: _Request) -> None:
        """What accompanies the message without being part of its text: when it leaves, and the way to end more."""
        schedule(draft, request.send_at, self._core.clock.now(), self_send=is_self_send(agent, draft))
        draft.unsubscribe = request.unsubscribe is not None

    async def _read(self, parent: MessageRow) -> tuple[bytes, ParsedMessage]:
        content = await load_content(self._core, parent)
        if content is None:
            raise NotFound("no such message")
        return content, parse_message(content)

    async def _once(
        self,
        agent: AgentRow,
        draft: Draft,
        parent: MessageRow | None,
        options: SendOptions,
        fingerprint: Callable[[], str],
        fill_in: Callable[[], Awaitable[None]] | None = None,
    ) -> SendResultView:
        """One acceptance per idempotency key, the caller's or one minted from the mail itself.

        `fill_in` completes the draft; a repeat under the caller's key is answered without it, for the template may
        have changed or gone since.
        """
        minted = not options.idempotency_key and options.mint_key
        if fill_in is not None and not options.idempotency_key:
            await fill_in()
        if not options.idempotency_key and not minted:
            return await self._finish(agent, draft, await self._accept(agent, draft, parent, None), options)
        namespace = "repeat" if minted else "request"
        key = _repeat_key(agent, draft) if minted else options.idempotency_key or ""
        async with claimed(
            self._core,
            agent.account_id,
            namespace,
            key,
            key if minted else fingerprint(),
            kept=REPEAT_WINDOW if minted else KEPT,
        ) as claim:
            if claim.stored is None:
                if fill_in is not None and not minted:
                    await fill_in()
                result = await self._accept(agent, draft, parent, claim)
            else:
                result = SendResultView.model_validate_json(claim.stored.body)
        if minted and claim.stored is not None and await self._came_to_nothing(agent, result.message_id):
            await release(self._core, claim)
            return await self._once(agent, draft, parent, options, fingerprint)
        result = await self._finish(agent, draft, result, options)
        repeated = minted and claim.stored is not None
        return result.model_copy(update={"deduplicated": True}) if repeated else result

    async def _came_to_nothing(self, agent: AgentRow, message_id: str) -> bool:
        """Whether nobody will get that message: then the same mail again is no repeat, but meant."""
        found, outcomes = await self._core.db.read(
            [queries.by_id(agent.email, message_id), queries.recipients(message_id)]
        )
        if not found:
            return True
        row = found[0]
        refused = row["status"] in {"review_rejected", "review_expired_rejected"}
        failed = bool(outcomes) and all(item["outcome"] == "failed" for item in outcomes)
        # What was thrown away after it had left has left all the same.
        called_off = row["deleted_at"] is not None and not any(
            item["outcome"] in {"succeeded", "unknown"} for item in outcomes
        )
        return refused or failed or called_off

    async def _accept(
        self,
        agent: AgentRow,
        draft: Draft,
        parent: MessageRow | None,
        claim: Claim | None,
        loop: Finding | None = None,
    ) -> SendResultView:
        """`loop` is the hold that the message turned out to need when it was about to be queued."""
        core = self._core
        check_domain(agent)
        await refuse_beyond_plan(core, agent.account_id)
        if draft.unsubscribe:
            sole_recipient(draft, agent.email)
        await refuse_suppressed(core, agent.account_id, agent.email, draft.recipients)
        local = await local_recipients(core, draft.recipients)
        finding = loop or screen(agent, draft)
        row = self._row(agent, draft)
        if finding is not None and finding.action is Disposition.BLOCK:
            await self._refuse(row, draft, finding)
        held = finding is not None and finding.action is Disposition.REVIEW
        if finding is not None and held:
            result, statements = self._hold(agent, row, draft, finding)
        else:
            result, statements = self._queue(agent, row, draft, everyone_local=_all_in(draft, local))
        if finding is not None:
            statements.append(protection_statement(row, finding))
        if draft.thread_id:
            statements.append(
                queries.adopt_into_conversation(agent.email, row.thread_id, row.conversation_id)
            )
        if claim is not None:
            statements.append(complete(claim, 202, result.model_dump_json()))
        counted = [] if held else loop_counterparts(draft, parent, local)
        guard = guards(core, agent, draft.thread_id, counted)
        try:
            await core.db.write([*guard.statements, *statements])
        except StaleWrite as stale:
            if not guard.broken(stale):
                raise
            if (loop := guard.loop(stale)) is None:
                raise await rate_exceeded(core, agent) from None
            return await self._accept(agent, draft, parent, claim, loop)
        return result

    def _row(self, agent: AgentRow, draft: Draft) -> MessageRow:
        row = MessageRow(
            id=self._core.ids.message(),
            account_id=agent.account_id,
            agent_email=agent.email,
            direction="outbound",
            thread_id=draft.thread_id or self._core.ids.thread(),
            conversation_id=draft.conversation_id or self._core.ids.conversation(),
            header_from=agent.email,
            sender=agent.email,
            created_at=to_micros(self._core.clock.now()),
        )
        apply_draft(row, draft)
        return row

    def _hold(
        self, agent: AgentRow, row: MessageRow, draft: Draft, finding: Finding
    ) -> tuple[SendResultView, list[Statement]]:
        hold(row, finding, config_of(agent).holds.ttl_seconds)
        row.draft = draft.to_json()
        statements = [
            queries.insert(row),
            self._accepted(row),
            lifecycle.record(
                self._core.ids,
                row.id,
                "outbound",
                "review.hold_created",
                row.created_at,
                dedupe="review:hold",
                evidence={"review_resolution": "pending"},
            ),
            *hold_statements(self._core, row, finding),
        ]
        result = SendResultView(
            status="pending_review",
            message_id=row.id,
            conversation_id=row.conversation_id,
            approval_expires_at=from_micros(row.approval_expires_at or row.created_at),
            scheduled_at=None if draft.send_at is None else from_micros(draft.send_at),
        )
        return result, statements

    def _queue(
        self, agent: AgentRow, row: MessageRow, draft: Draft, *, everyone_local: bool
    ) -> tuple[SendResultView, list[Statement]]:
        core, now = self._core, row.created_at
        composed = compose(core, agent, draft, inside=everyone_local)
        apply_composed(row, composed, draft)
        row.method = method_of(core, draft, everyone_local=everyone_local)
        statements = [
            queries.insert_content(row.content_hash or "", composed.content, now),
            queries.insert(row),
            self._accepted(row),
            *queue_statements(core, row, composed, draft, now),
        ]
        result = SendResultView(
            status="accepted" if draft.send_at is None else "scheduled",
            message_id=row.id,
            conversation_id=row.conversation_id,
            method=row.method,
            sandbox=True if row.method == "sandbox" else None,
            scheduled_at=None if draft.send_at is None else from_micros(draft.send_at),
        )
        return result, statements

    def _accepted(self, row: MessageRow) -> Statement:
        return lifecycle.record(
            self._core.ids, row.id, "outbound", "acceptance.outbound_api", row.created_at, dedupe="acceptance"
        )

    async def _refuse(self, row: MessageRow, draft: Draft, finding: Finding) -> None:
        """Nothing is stored of a blocked send but the audit of it, under a reference that is no message's."""
        reference = _blocked_reference(row.agent_email, draft)
        recipients = {"to": draft.to, "cc": draft.cc, "bcc": draft.bcc}
        data = payloads.blocked_outbound(
            reference, row.agent_email, recipients, draft.subject, finding.detail, finding.reason
        )
        row.id = reference
        await self._core.db.write(
            [
                protection_statement(row, finding),
                *emit(self._core, "email.blocked", row, data, row.created_at),
            ]
        )
        raise BlockedByPolicy(f"the agent's protection blocks this message: {finding.detail}")

    async def _finish(
        self, agent: AgentRow, draft: Draft, result: SendResultView, options: SendOptions
    ) -> SendResultView:
        """Waits for the outcome when the caller asked to, or when it is a matter of milliseconds."""
        if result.status != "accepted":
            return result
        if options.wait_sent:
            return await settled(self._core, result, WAIT_SENT_SECONDS)
        if is_self_send(agent, draft):
            return await settled(self._core, result, WAIT_SELF_SECONDS)
        return result


def _all_in(draft: Draft, local: dict[str, str]) -> bool:
    return all(item in local for item in draft.recipients)


def _repeat_key(agent: AgentRow, draft: Draft) -> str:
    """The same for two sends that a person would call the same mail."""
    content = {
        "agent": agent.email,
        "thread": draft.parent_id or draft.conversation_id,
        "type": draft.type,
        "recipients": sorted(item.strip().lower() for item in draft.recipients),
        "subject": draft.subject,
        "text": draft.text,
        "html": draft.html,
        "send_at": draft.send_at,
        "attachments": [[item.filename, hashlib.sha256(item.data).hexdigest()] for item in draft.attachments],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _blocked_reference(agent_email: str, draft: Draft) -> str:
    parts = [agent_email, *(item.lower() for item in draft.recipients), draft.subject]
    digest = hashlib.sha256("".join(part + "\0" for part in parts).encode())
    digest.update((draft.text + (draft.html or "")).encode())
    return f"msgblk_{digest.hexdigest()[:24]}"
