"""Sign-in links by mail, to the address of an account."""

from __future__ import annotations

from datetime import timedelta

from e2a_core.audit.entry import SYSTEM_ACTOR, Entry
from e2a_core.audit.log import AuditLog
from e2a_core.core import Core
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.people.identity_queries import accounts_by_email
from e2a_core.people.links import LINK_GOOD_FOR, ensure_person, new_link
from e2a_core.store.jobs import Job, enqueue
from e2a_core.store.statement import first
from e2a_core.submission.owner_mail import OwnerMail

__all__ = ["SIGN_IN_MAIL_JOB", "SignInMail", "ask_for_mail"]

SIGN_IN_MAIL_JOB = "sign_in_mail"
OLDEST = timedelta(minutes=10)
"""A mail that could not leave until then is not what its reader waits for any more."""


async def ask_for_mail(core: Core, email: str) -> None:
    """Asks for a link to an address. It takes the same whether an account has the address: the job looks."""
    address, now = normalize_addr_spec(email), core.clock.now()
    job = enqueue(
        SIGN_IN_MAIL_JOB,
        {"email": address},
        run_at=now,
        id=core.ids.job(),
        now=now,
        dedupe_key=f"{SIGN_IN_MAIL_JOB}:{address}",
    )
    await core.db.write([job])


class SignInMail:
    """Handles the jobs that mail a link. Nothing goes to an inbox of this deployment, whose agent would get in."""

    def __init__(self, core: Core, mail: OwnerMail) -> None:
        self._core = core
        self._mail = mail

    async def __call__(self, job: Job) -> None:
        account = first(await self._core.db.read(accounts_by_email(str(job.payload["email"]))))
        owner = await self._mail.owner(account["id"]) if account is not None else None
        now = self._core.clock.now()
        if account is None or owner is None or now - job.created_at > OLDEST:
            return
        person = await ensure_person(self._core, account["id"])
        url, statement = new_link(self._core, person, LINK_GOOD_FOR)
        entry = Entry(account["id"], SYSTEM_ACTOR, "system", "", "system", "create_sign_in_link")
        async with AuditLog(self._core).during(entry) as subjects:
            subjects["person_id"] = person.id
            await self._core.db.write([statement])
        lines = (
            "Somebody asked for a link to sign in to e2a. It works once, within 15 minutes:",
            "If it was not you, do nothing: without the link, nobody gets in.",
        )
        await self._mail.send_link(job, owner, subject="[e2a] Sign in", lines=lines, url=url, now=now)
