"""Mail of the system to the owner of an account, from an address that no inbox has."""

from __future__ import annotations

import logging
from datetime import datetime

from e2a_core.accounts import queries as account_queries
from e2a_core.core import Core
from e2a_core.domains.dkim import SigningKeys
from e2a_core.errors import InvalidRecipient
from e2a_core.mail.addresses import Address, parse_address
from e2a_core.mail.automatic import LOOP_HEADER
from e2a_core.mail.generate import OutgoingMessage, generate_message
from e2a_core.mail.roles import NOTICE_LOCAL
from e2a_core.markup import render
from e2a_core.store.jobs import Job
from e2a_core.store.statement import Statement, first
from e2a_core.submission.addressing import local_recipients
from e2a_core.submission.outcome import Outcome
from e2a_core.submission.retry import RetryAt, next_step
from e2a_core.submission.transports.base import Transport

__all__ = ["OwnerMail"]

_log = logging.getLogger(__name__)


class OwnerMail:
    """Makes such mail and sends it from a job."""

    def __init__(self, core: Core, upstream: Transport, keys: SigningKeys) -> None:
        self._core = core
        self._upstream = upstream
        self._keys = keys

    async def owner(self, account_id: str) -> Address | None:
        """The owner's address, or None if no mail is sent.

        It never goes to an inbox of this deployment, because its agent would get links that are for the owner.
        """
        account = first(await self._core.db.read(account_queries.account_by_id(account_id)))
        try:
            owner = parse_address(str(account["email"])) if account else None
        except InvalidRecipient:
            return None
        if owner is None or owner.domain == "localhost":
            return None
        if await local_recipients(self._core, [owner.addr_spec]):
            _log.warning("the owner is not written to: the account's address is an inbox here")
            return None
        return owner

    async def content(
        self, owner: Address, *, subject: str, text: str, html: str, message_id: str, now: datetime
    ) -> bytes:
        """The signed message; `message_id` is the part before the `@`."""
        domain = self._core.settings.from_domain
        content = generate_message(
            OutgoingMessage(
                sender=Address("e2a", NOTICE_LOCAL, domain),
                to=[owner],
                subject=subject,
                text=text,
                html=html,
                # If the owner's mail is forwarded to an inbox here, its agent must not get the links.
                extra_headers=[(LOOP_HEADER, self._core.settings.hostname)],
            ),
            message_id=f"<{message_id}@{domain}>",
            date=now,
            boundary=lambda: self._core.ids.new(""),
        )
        return await self._keys.signature(domain, content) + content

    async def send_link(
        self, job: Job, to: Address, *, subject: str, lines: tuple[str, str], url: str, now: datetime
    ) -> None:
        """Sends a link to sign in with between two lines, and settles the job."""
        content = await self.content(
            to,
            subject=subject,
            text=f"{lines[0]}\n\n{url}\n\n{lines[1]}\n",
            html=render("sign_in_mail.html", lines=lines, url=url),
            message_id=job.id,
            now=now,
        )
        await self.send(job, to, content, then=[])

    async def send(self, job: Job, owner: Address, content: bytes, *, then: list[Statement]) -> None:
        """Submits the message and settles the job: `then` is written with its end, or the job runs again later."""
        now = self._core.clock.now()
        sender = f"{NOTICE_LOCAL}@{self._core.settings.from_domain}"
        result = await self._upstream.submit(sender, [owner.addr_spec], content)
        step = next_step(job.attempts, result, job.created_at, now)
        detail = "; ".join(item.detail for item in result.outcomes)
        if isinstance(step, RetryAt):
            again = job.retry(step.at, detail, count_attempt=step.attempt > job.attempts)
            await self._core.db.write([again])
            return
        if result.of(Outcome.FAILED):
            _log.warning("a notice could not be sent to the owner: %s", detail)
        await self._core.db.write([*then, job.complete()])
