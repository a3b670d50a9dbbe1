"""Mail to the account's owner about held messages, with links to approve or reject each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime

from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.message_views import AttachmentMetaView
from e2a_core.core import Core
from e2a_core.mail.addresses import Address
from e2a_core.markup import render
from e2a_core.messages.rows import MessageRow
from e2a_core.protection.config import load_config
from e2a_core.reviews import queries
from e2a_core.reviews.pace import pace_of
from e2a_core.reviews.views import files_words, leaves_words, named, paused_words
from e2a_core.signing.tokens import ApprovalAction, sign_approval
from e2a_core.store.jobs import Job
from e2a_core.store.statement import first
from e2a_core.submission.owner_mail import OwnerMail
from e2a_core.visible import one_line

__all__ = ["HoldNotice"]

MAX_SUBJECT_CHARS = 60
MAX_LISTED = 20
"""Holds with links in one notice; the others are counted."""
_LINK_GRACE = timedelta(minutes=10)
"""Links outlive the hold by this, so that they show that the hold has ended instead of an invalid link."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Untold:
    """A hold to tell of, what happens to it if nobody decides, and since when a pause keeps it from leaving."""

    row: MessageRow
    on_expiry: str
    paused_at: int | None


@dataclass(frozen=True, slots=True)
class _Hold:
    """One held message as the notice shows it: facts by name, what doing nothing does, and links by action."""

    row: MessageRow
    facts: dict[str, str]
    otherwise: str
    links: dict[str, str]


class HoldNotice:
    """Handles notice jobs, one for each hold. A notice tells of all holds that the owner was not told of yet.

    The mail has recipients, subjects and names of files, but no text of messages, since others may read the owner's
    mailbox.
    """

    def __init__(self, core: Core, mail: OwnerMail) -> None:
        self._core = core
        self._mail = mail

    async def __call__(self, job: Job) -> None:
        now = self._core.clock.now()
        untold = queries.untold(str(job.payload["message_id"]), to_micros(now))
        found = first(await self._core.db.read(untold))
        if found is None:
            return
        account_id = str(found["account_id"])
        pace = await pace_of(self._core, account_id)
        if pace.next_at is not None and now < pace.next_at:
            later = job.retry(pace.next_at, "told of others shortly before", count_attempt=False)
            await self._core.db.write([later])
            return
        owner = await self._mail.owner(account_id)
        holds = await self._holds(account_id, now)
        if owner is None or not holds:
            return
        shown = [self._shown(hold, owner.normalized, now) for hold in holds[:MAX_LISTED]]
        content = await self._content(shown, len(holds), owner, now)
        await self._mail.send(job, owner, content, then=pace.sent([hold.row for hold in holds], now))

    async def _holds(self, account_id: str, now: datetime) -> list[_Untold]:
        """The holds to tell of, oldest first."""
        holds: list[_Untold] = []
        for found in await self._core.db.read(queries.all_untold(account_id, to_micros(now))):
            values = dict(found)
            holding, paused_at = load_config(values.pop("protection")).holds, values.pop("sending_paused_at")
            if not holding.suppress_notifications:
                row = MessageRow.from_store(values)
                holds.append(_Untold(row, holding.on_expiry, None if row.inbound else paused_at))
        return holds

    async def _content(self, holds: Sequence[_Hold], count: int, owner: Address, now: datetime) -> bytes:
        head, more = _head(holds, count), count - len(holds)
        return await self._mail.content(
            owner,
            subject=_subject(holds, count),
            text=_text(head, holds, more),
            html=render("hold_notice.html", head=head, holds=holds, more=more),
            message_id=f"hitl-approve-{holds[0].row.id}",
            now=now,
        )

    def _shown(self, hold: _Untold, reader: str, now: datetime) -> _Hold:
        return _Hold(hold.row, _facts(hold, now), _otherwise(hold), self._links(hold.row, reader))

    def _links(self, row: MessageRow, reader: str) -> dict[str, str]:
        expires = from_micros(row.hold.approval_expires_at or row.created_at) + _LINK_GRACE
        actions: tuple[ApprovalAction, ...] = ("approve", "reject")
        secret = self._core.secrets.signing
        return {
            action: f"{self._core.links.base_url}/v1/{action}"
            f"?t={sign_approval(row.id, action, expires, secret, reader)}"
            for action in actions
        }


def _facts(hold: _Untold, now: datetime) -> dict[str, str]:
    row = hold.row
    due = row.submission.scheduled_at
    facts = {
        "Agent": row.agent_email,
        "From": _author(row) if row.inbound else "",
        "To": named(row.to_addresses, row.names),
        "Cc": named(row.cc, row.names),
        "Bcc": ", ".join(row.bcc),
        "Subject": row.subject,
        "Attachments": files_words([AttachmentMetaView(**item) for item in row.attachments]),
        "Leaves": leaves_words(None if due is None else from_micros(due), now),
        "Expires": _expiry(row),
        "Sending": paused_words(hold.paused_at) if hold.paused_at else "",
    }
    return {name: one_line(value) for name, value in facts.items() if value}


def _author(row: MessageRow) -> str:
    if not row.header_from:
        return row.envelope_from or "unknown"
    return f"{row.from_name} <{row.header_from}>" if row.from_name else row.header_from


def _expiry(row: MessageRow) -> str:
    return format_datetime(from_micros(row.hold.approval_expires_at or row.created_at), usegmt=True)


def _otherwise(hold: _Untold) -> str:
    """What doing nothing does."""
    row, on_expiry = hold.row, hold.on_expiry
    if hold.paused_at and on_expiry == "approve":
        return "If you do nothing, it waits until sending is resumed, and is sent then."
    if row.inbound:
        then = "it goes into the inbox" if on_expiry == "approve" else "the agent never sees it"
    else:
        then = "it is sent" if on_expiry == "approve" else "it is rejected and not sent"
    return f"If you do nothing until {_expiry(row)}, {then}."


def _head(holds: Sequence[_Hold], count: int) -> str:
    if count > 1:
        return f"{count} messages of your agents wait for your decision."
    if holds[0].row.inbound:
        return "A message to an agent is held until you decide whether the agent may see it."
    return "An agent wants to send a message that needs your approval."


def _subject(holds: Sequence[_Hold], count: int) -> str:
    if count > 1:
        return f"[e2a] {count} messages wait for your decision"
    row, subject = holds[0].row, one_line(holds[0].row.subject)
    if len(subject) > MAX_SUBJECT_CHARS:
        subject = subject[:MAX_SUBJECT_CHARS] + "…"
    what = (
        f"received mail is held for {row.agent_email}"
        if row.inbound
        else f"approve outbound from {row.agent_email}"
    )
    return f"[e2a] {what}: {subject}"


def _text(head: str, holds: Sequence[_Hold], more: int) -> str:
    lines = [head]
    for hold in holds:
        lines += ["", *(f"{name}: {value}" for name, value in hold.facts.items()), hold.otherwise, ""]
        lines += [f"{action.capitalize()}: {link}" for action, link in hold.links.items()]
    if more:
        lines += ["", f"{more} more are in the review queue."]
    lines += ["", "Each link shows the whole message and asks for confirmation."]
    return "\n".join(lines) + "\n"
