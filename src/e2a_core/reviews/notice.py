"""Mail to the account's owner about a held draft, with links to approve or reject it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from email.utils import format_datetime

from e2a_core.accounts import queries as account_queries
from e2a_core.agents import queries as agent_queries
from e2a_core.agents.queries import agent_from
from e2a_core.clock import from_micros, to_micros
from e2a_core.core import Core
from e2a_core.domains.dkim import SigningKeys
from e2a_core.errors import InvalidRecipient
from e2a_core.mail.addresses import Address, parse_address
from e2a_core.mail.automatic import LOOP_HEADER
from e2a_core.mail.generate import OutgoingMessage, generate_message
from e2a_core.mail.roles import NOTICE_LOCAL
from e2a_core.markup import render
from e2a_core.messages.rows import MessageRow
from e2a_core.protection.config import config_of
from e2a_core.reviews import queries
from e2a_core.signing.tokens import ApprovalAction, sign_approval
from e2a_core.store.jobs import Job
from e2a_core.store.statement import first
from e2a_core.submission.addressing import local_recipients
from e2a_core.submission.outcome import Outcome
from e2a_core.submission.retry import RetryAt, next_step
from e2a_core.submission.transports.base import Transport

__all__ = ["HoldNotice"]

MAX_SUBJECT_CHARS = 60
_LINK_GRACE = timedelta(minutes=10)
"""Links outlive the hold by this, so that they show that the hold has ended instead of an invalid link."""

_log = logging.getLogger(__name__)


class HoldNotice:
    """Handles notice jobs. The mail has the draft's recipients and subject, but not its text, since others may read
    the owner's mailbox."""

    def __init__(self, core: Core, upstream: Transport, keys: SigningKeys) -> None:
        self._core = core
        self._upstream = upstream
        self._keys = keys

    async def __call__(self, job: Job) -> None:
        found = first(await self._core.db.read(queries.held(str(job.payload["message_id"]))))
        row = MessageRow.from_store(found) if found else None
        now = self._core.clock.now()
        if row is None or (row.hold.approval_expires_at or 0) <= to_micros(now):
            return
        owner = await self._reader(row)
        if owner is None:
            return
        sender = f"{NOTICE_LOCAL}@{self._core.settings.from_domain}"
        result = await self._upstream.submit(sender, [owner.addr_spec], await self._content(row, owner, now))
        step = next_step(job.attempts, result, from_micros(row.created_at), now)
        detail = "; ".join(item.detail for item in result.outcomes)
        if isinstance(step, RetryAt):
            again = job.retry(step.at, detail, count_attempt=step.attempt > job.attempts)
            await self._core.db.write([again])
        elif result.of(Outcome.FAILED):
            _log.warning("the notice of hold %s could not be sent to the owner: %s", row.id, detail)

    async def _reader(self, row: MessageRow) -> Address | None:
        """The owner's address, or None if no notice is sent.

        Notices never go to an inbox of this deployment, because its agent would get the links.
        """
        agent = agent_from(first(await self._core.db.read(agent_queries.agent(row.agent_email))) or {})
        if config_of(agent).holds.suppress_notifications:
            return None
        account = first(await self._core.db.read(account_queries.account_by_id(row.account_id)))
        try:
            owner = parse_address(str(account["email"])) if account else None
        except InvalidRecipient:
            return None
        if owner is None or owner.domain == "localhost":
            return None
        if await local_recipients(self._core, [owner.addr_spec]):
            _log.warning("no notice of hold %s is sent: the account's address is an inbox here", row.id)
            return None
        return owner

    async def _content(self, row: MessageRow, owner: Address, now: datetime) -> bytes:
        domain = self._core.settings.from_domain
        facts, links = _facts(row), self._links(row, owner.normalized)
        subject = (
            row.subject if len(row.subject) <= MAX_SUBJECT_CHARS else row.subject[:MAX_SUBJECT_CHARS] + "…"
        )
        content = generate_message(
            OutgoingMessage(
                sender=Address("e2a", NOTICE_LOCAL, domain),
                to=[owner],
                subject=f"[e2a] approve outbound from {row.agent_email}: {subject}",
                text=_text(facts, links),
                html=render("hold_notice.html", facts=facts, links=links),
                # If the owner's mail is forwarded to an inbox here, its agent must not get the links.
                extra_headers=[(LOOP_HEADER, self._core.settings.hostname)],
            ),
            message_id=f"<hitl-approve-{row.id}@{domain}>",
            date=now,
            boundary=lambda: self._core.ids.new(""),
        )
        return await self._keys.signature(domain, content) + content

    def _links(self, row: MessageRow, reader: str) -> dict[str, str]:
        expires = from_micros(row.hold.approval_expires_at or row.created_at) + _LINK_GRACE
        actions: tuple[ApprovalAction, ...] = ("approve", "reject")
        secret = self._core.secrets.signing
        return {
            action: f"{self._core.links.base_url}/v1/{action}"
            f"?t={sign_approval(row.id, action, expires, secret, reader)}"
            for action in actions
        }


def _facts(row: MessageRow) -> dict[str, str]:
    expires = format_datetime(from_micros(row.hold.approval_expires_at or row.created_at), usegmt=True)
    facts = {
        "Agent": row.agent_email,
        "To": ", ".join(row.to_addresses),
        "Cc": ", ".join(row.cc),
        "Bcc": ", ".join(row.bcc),
        "Subject": row.subject,
        "Expires": expires,
    }
    return {name: value for name, value in facts.items() if value}


def _text(facts: dict[str, str], links: dict[str, str]) -> str:
    lines = ["An agent wants to send a message that needs your approval.", ""]
    lines += [f"{name}: {value}" for name, value in facts.items()]
    lines += ["", *(f"{action.capitalize()}: {link}" for action, link in links.items())]
    lines += [
        "",
        "Each link shows the whole message and asks for confirmation. Without a decision the hold expires.",
    ]
    return "\n".join(lines) + "\n"
