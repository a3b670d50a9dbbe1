"""Permission prompts of the host as mail to the owner, and the owner's answer as its verdict.

An answer counts if the owner's domain proves it, it answers the prompt's mail, its first own line is the word and the
id, and it comes in time; it counts once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from e2a_core.contract.engine import Session
from e2a_core.contract.sending import SendEmailRequest, SendOptions
from e2a_core.errors import E2AError
from e2a_mcp.channel.wire import PermissionRequest
from e2a_mcp.fence import plain_line, plain_text
from e2a_mcp.owner import OwnerMail, Owners, look, message_ids

__all__ = ["EXPIRES_SECONDS", "Permissions", "Verdict", "looks_like_a_verdict"]

EXPIRES_SECONDS = 600.0
"""A prompt that nobody answered so long has most likely been decided in the terminal."""
MAX_PENDING = 50
"""Prompts of one session. More at once are a fault of the host; the oldest gives way."""
MAX_DESCRIPTION = 2000
MAX_PREVIEW = 500
_VERDICT = re.compile(r"\s*(y|yes|n|no)\s+([a-km-z]{5})\s*", re.IGNORECASE)
_NEARLY = re.compile(
    r"\W*(?:y|yes|n|no|ok|okay|allow|deny|approve|reject|permit|refuse)\W+[a-z0-9]{5}\W*", re.IGNORECASE
)
_PROMPT_SUBJECT = re.compile(r"\[permission [a-km-z]{5}\]", re.IGNORECASE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The owner's decision about one prompt."""

    request_id: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class _Pending:
    message_id: str
    expires_at: float


class Permissions:
    """The prompts of one session that wait for the owner. `now` is a monotonic clock."""

    def __init__(self, now: Callable[[], float], *, preview: bool) -> None:
        self._now = now
        self._preview = preview
        self._pending: dict[str, _Pending] = {}
        self._changing = anyio.Lock()

    async def ask(self, session: Session, inbox: str, owners: Owners, request: PermissionRequest) -> None:
        """Mails the prompt to the owners. Without a mail, the prompt is still open in the host."""
        # An answer may arrive before the send returns.
        async with self._changing:
            await self._ask(session, inbox, owners, request)

    async def _ask(self, session: Session, inbox: str, owners: Owners, request: PermissionRequest) -> None:
        mail = SendEmailRequest(
            to=list(owners.addresses),
            subject=f"[permission {request.request_id}] {plain_line(request.tool_name, 80)}",
            text=self._text(inbox, request),
        )
        try:
            sent = await session.messages.send(inbox, mail, SendOptions())
        except E2AError as problem:
            _log.error("the permission %s could not be asked for: %s", request.request_id, problem)
            return
        while len(self._pending) >= MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        self._pending[request.request_id] = _Pending(sent.message_id, self._now() + EXPIRES_SECONDS)
        captured = ", but nothing leaves this sandbox" if sent.sandbox else ""
        _log.info(
            "the permission %s (%s) is asked for in %s, which is %s%s",
            request.request_id,
            plain_line(request.tool_name, 80),
            sent.message_id,
            sent.status,
            captured,
        )

    async def verdict(self, session: Session, inbox: str, mail: OwnerMail) -> Verdict | None:
        """Returns what a message of the owner decides, or None; a prompt is decided once."""
        found = _VERDICT.fullmatch(_first_line(mail.words))
        if found is None or mail.forwards:
            return None
        async with self._changing:
            return await self._decided(session, inbox, mail, found[2].lower(), found[1])

    async def _decided(
        self, session: Session, inbox: str, mail: OwnerMail, request_id: str, word: str
    ) -> Verdict | None:
        why_not = await self._refusal(session, inbox, mail, request_id)
        if why_not is not None:
            _log.warning("%s does not decide the permission %s: %s", mail.view.id, request_id, why_not)
            return None
        del self._pending[request_id]
        allowed = word.lower() in {"y", "yes"}
        _log.info(
            "the permission %s is %s by %s of %s",
            request_id,
            "granted" if allowed else "refused",
            mail.view.id,
            mail.view.header_from,
        )
        return Verdict(request_id, allowed)

    async def _refusal(self, session: Session, inbox: str, mail: OwnerMail, request_id: str) -> str | None:
        pending = self._pending.get(request_id)
        if pending is None:
            return "no such prompt is open in this session"
        if self._now() > pending.expires_at:
            del self._pending[request_id]
            return "it came too late"
        prompt = await look(session, inbox, pending.message_id)
        if mail.answers.isdisjoint(message_ids(prompt)):
            return "it does not answer the mail of the prompt"
        return None

    def _text(self, inbox: str, request: PermissionRequest) -> str:
        shown = plain_text(request.input_preview)[:MAX_PREVIEW]
        lines = [
            f"The session of {inbox} asks whether it may use the tool {plain_line(request.tool_name, 200)}.",
            "",
            plain_text(request.description)[:MAX_DESCRIPTION],
            "",
            *(
                ["Its input begins:", *(f"    {line}" for line in shown.split("\n")), ""]
                if self._preview
                else []
            ),
            "To decide, answer this mail with one line:",
            "",
            f"    yes {request.request_id}",
            f"    no {request.request_id}",
            "",
            f"The answer counts once, for this one call, within {EXPIRES_SECONDS / 60:.0f} minutes; a decision in the "
            "session itself comes first if it is made first.",
            "Everybody who can send mail as you can decide this: do not use a channel with a shared mailbox.",
        ]
        return "\n".join(lines)


def looks_like_a_verdict(mail: OwnerMail) -> bool:
    """Returns True for an answer to a prompt, of any session, and for what may be meant as one: it is no chat."""
    return bool(_PROMPT_SUBJECT.search(mail.view.subject) or _NEARLY.fullmatch(_first_line(mail.words)[:100]))


def _first_line(words: str) -> str:
    return next((line for line in words.split("\n") if line.strip()), "")
