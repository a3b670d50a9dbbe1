"""Mail to the account's owner about held messages, with links to approve or reject each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.message_views import AttachmentMetaView
from e2a_core.core import Core
from e2a_core.mail.addresses import Address
from e2a_core.markup import render
from e2a_core.messages.rows import MessageRow
from e2a_core.protection.config import load_config
from e2a_core.reviews import queries
from e2a_core.reviews.bodies import BODIES_DIFFER, Bodies
from e2a_core.reviews.pace import pace_of
from e2a_core.reviews.views import (
    expiry_words,
    files_words,
    leaves_words,
    named,
    otherwise_words,
    paused_words,
    review_detail,
    sender_words,
    why_words,
)
from e2a_core.signing.tokens import ApprovalAction, sign_approval
from e2a_core.store.jobs import Job
from e2a_core.store.statement import first
from e2a_core.submission.owner_mail import OwnerMail
from e2a_core.visible import one_line, visible_text

__all__ = ["HoldNotice"]

MAX_SUBJECT_CHARS = 60
MAX_LISTED = 20
"""Holds with links in one notice; the others are counted."""
TEXT_CHARS = 8000
"""Of the text of one message; a digest has the first words of each."""
PREVIEW_CHARS = 200
WHOLE_COST = 1_000_000
"""Bodies are compared on a thread, since they may be long."""
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
    """One held message as the notice shows it: facts by name, and links by action.

    `missing` says what is not shown of its text, `warning` that its bodies differ, `otherwise` what doing nothing does.
    """

    row: MessageRow
    why: str
    facts: dict[str, str]
    text: str
    missing: str
    warning: str
    otherwise: str
    links: dict[str, str]


class HoldNotice:
    """Handles notice jobs, one for each hold. A notice tells of all holds that the owner was not told of yet.

    One message is shown as it would go out, or come in; of several, the first words. Where there is no address to write
    to, and in a sandbox, a line in the log of the process tells of them instead, without their text.
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
        holds = await self._holds(account_id, now)
        if not holds:
            return
        told = pace.sent([hold.row for hold in holds], now)
        owner = None if self._core.settings.sandbox else await self._mail.owner(account_id)
        if owner is None:
            await self._core.db.write([*told, job.complete()])
            _log.info("%s", _line(holds, self._core.links.base_url))
            return
        shown = [
            await self._shown(hold, owner.normalized, now, whole=len(holds) == 1)
            for hold in holds[:MAX_LISTED]
        ]
        content = await self._content(shown, len(holds), owner, now)
        await self._mail.send(job, owner, content, then=told)

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
        queue = f"{self._core.links.base_url}/reviews"
        return await self._mail.content(
            owner,
            subject=_subject(holds, count),
            text=_text(head, holds, more, queue),
            html=render("hold_notice.html", head=head, holds=holds, more=more, queue=queue),
            message_id=f"hitl-approve-{holds[0].row.id}",
            now=now,
        )

    async def _shown(self, hold: _Untold, reader: str, now: datetime, *, whole: bool) -> _Hold:
        row, warning = hold.row, ""
        text, limit = row.preview or "", PREVIEW_CHARS
        if whole and (found := first(await self._core.db.read(queries.message(row.id)))) is not None:
            view = await review_detail(self._core, MessageRow.from_store(found))
            bodies = await self._core.offload.run(WHOLE_COST, Bodies.of, view)
            body = view.body or view.parsed
            text, limit = (body.text if body else None) or bodies.html, TEXT_CHARS
            warning = BODIES_DIFFER if bodies.differ else ""
        shown = visible_text(text)
        missing = f"{len(shown) - limit} more characters are behind the links." if len(shown) > limit else ""
        shown = shown[:limit]
        if row.inbound:
            shown = shown.replace("://", "[:]//")  # a stranger's links must not be followed from here
        return _Hold(
            row,
            why_words(row),
            _facts(hold, now),
            shown,
            missing,
            warning,
            otherwise_words(row, hold.on_expiry, hold.paused_at),
            self._links(row, reader),
        )

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
        "Sender": sender_words(row.verified_domain) if row.inbound else "",
        "To": named(row.to_addresses, row.names),
        "Cc": named(row.cc, row.names),
        "Bcc": ", ".join(row.bcc),
        "Reply-To": named(row.reply_to, row.names),
        "Subject": row.subject,
        "Attachments": files_words([AttachmentMetaView(**item) for item in row.attachments]),
        "Leaves": leaves_words(None if due is None else from_micros(due), now),
        "Expires": expiry_words(row),
        "Sending": paused_words(hold.paused_at) if hold.paused_at else "",
    }
    return {name: one_line(value) for name, value in facts.items() if value}


def _author(row: MessageRow) -> str:
    if not row.header_from:
        return row.envelope_from or "unknown"
    return f"{row.from_name} <{row.header_from}>" if row.from_name else row.header_from


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


def _text(head: str, holds: Sequence[_Hold], more: int, queue: str) -> str:
    lines = [head]
    for hold in holds:
        lines += ["", *([f"Held because: {hold.why}"] if hold.why else [])]
        lines += [f"{name}: {value}" for name, value in hold.facts.items()]
        lines += [hold.otherwise, *([f"{hold.warning}."] if hold.warning else [])]
        # Each line is marked, so that no line of a message passes for one of this notice.
        lines += ["", *(f"> {line}" for line in hold.text.splitlines()), *filter(None, [hold.missing]), ""]
        lines += [f"{action.capitalize()}: {link}" for action, link in hold.links.items()]
    if more:
        lines += ["", f"{more} more are in the review queue."]
    lines += ["", f"All that waits: {queue}", "Each link shows the whole message and asks for confirmation."]
    return "\n".join(lines) + "\n"


def _line(holds: Sequence[_Untold], base_url: str) -> str:
    """What the log says of holds: nothing of their text."""
    if len(holds) > 1:
        return f"{len(holds)} messages wait for review: {base_url}/reviews"
    row = holds[0].row
    who = (
        f"mail from {_author(row)} to {row.agent_email}"
        if row.inbound
        else f"{row.agent_email} wants to write to {named(row.to_addresses, row.names)}"
    )
    subject = one_line(row.subject)[:MAX_SUBJECT_CHARS]
    otherwise = otherwise_words(row, holds[0].on_expiry, holds[0].paused_at)
    return (
        f"held for review: {one_line(who)}: {subject!r}. Decide at {base_url}/reviews/{row.id}. {otherwise}"
    )
