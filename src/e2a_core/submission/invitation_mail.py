"""Invitations by mail, to people whom an owner lets in."""

from __future__ import annotations

from datetime import timedelta

from e2a_core.audit.entry import by_principal, shown
from e2a_core.audit.log import AuditLog
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.errors import InvalidRequest, NotFound
from e2a_core.mail.addresses import parse_address
from e2a_core.people import member_queries
from e2a_core.people.links import new_link
from e2a_core.people.membership import INVITATION_GOOD_FOR, Membership
from e2a_core.people.queries import person_from
from e2a_core.store.jobs import Job, enqueue
from e2a_core.store.statement import first
from e2a_core.submission.addressing import local_recipients
from e2a_core.submission.owner_mail import OwnerMail
from e2a_core.suppressions.check import refuse_suppressed

__all__ = ["INVITATION_MAIL_JOB", "InvitationMail", "mail_invitation"]

INVITATION_MAIL_JOB = "invitation_mail"
OLDEST = timedelta(days=1)
"""A relay that takes nothing for so long is told of elsewhere; the owner passes a link on meanwhile."""


async def mail_invitation(core: Core, principal: Principal, person_id: str) -> str:
    """Has a link mailed to a person who is let in; returns their address.

    Raises `Forbidden` for all but owners, `NotFound`, `RecipientSuppressed`, and `InvalidRequest` for an inbox of this
    deployment, whose agent would get in.
    """
    entry = by_principal(principal, "mail_invitation", {"person_id": shown(person_id)})
    async with AuditLog(core).during(entry):
        person = await Membership(core, principal).invitee(person_id)
        if core.settings.sandbox:
            raise NotFound("no mail leaves this deployment: pass the link on yourself")
        await refuse_suppressed(core, principal.account_id, "", [person.email])
        if await local_recipients(core, [person.email]):
            raise InvalidRequest("this is an inbox here, whose agent would get in: pass the link on yourself")
        now = core.clock.now()
        job = enqueue(
            INVITATION_MAIL_JOB,
            {"account_id": principal.account_id, "person_id": person_id},
            run_at=now,
            id=core.ids.job(),
            now=now,
            dedupe_key=f"{INVITATION_MAIL_JOB}:{person_id}",
        )
        await core.db.write([job])
    return person.email


class InvitationMail:
    """Handles the jobs. The link is made when its mail is, so that no secret waits in a queue."""

    def __init__(self, core: Core, mail: OwnerMail) -> None:
        self._core = core
        self._mail = mail

    async def __call__(self, job: Job) -> None:
        account_id, person_id = str(job.payload["account_id"]), str(job.payload["person_id"])
        row = first(await self._core.db.read(member_queries.person(account_id, person_id)))
        now = self._core.clock.now()
        if row is None or now - job.created_at > OLDEST:
            return
        person = person_from(row)
        if await local_recipients(self._core, [person.email]):
            return
        url, statement = new_link(self._core, person, INVITATION_GOOD_FOR)
        await self._core.db.write([statement])
        lines = (
            f"{person.account_email} lets you in to e2a as {person.role}. This link works once, within 7 days:",
            "If you expect nothing of the kind, do nothing: without the link, nobody gets in.",
        )
        to = parse_address(person.email)
        await self._mail.send_link(job, to, subject="[e2a] You are invited", lines=lines, url=url, now=now)
