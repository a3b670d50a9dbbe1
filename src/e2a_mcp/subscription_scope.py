"""Checks which resources a session can subscribe to; a subscription that could never fire is refused."""

from __future__ import annotations

from collections.abc import Iterable

from e2a_core.contract.engine import Session
from e2a_core.contract.events import INBOX_TYPES
from e2a_core.errors import E2AError, Forbidden, InvalidRequest, NotFound, NotImplementedHere
from e2a_mcp.uris import MailTarget, parse_mail_uri

__all__ = ["SubscriptionScope", "is_told_of_inboxes"]


def is_told_of_inboxes(session: Session) -> bool:
    """Returns True if the session sees several inboxes and is told when one comes or goes."""
    return session.principal.scope == "account" and (session.told is None or session.told >= INBOX_TYPES)


class SubscriptionScope:
    """Checks the URIs of one request, asking the engine once for each inbox."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._inboxes: set[str] = set()

    async def target(self, uri: str) -> MailTarget:
        """Returns what `uri` names. Raises the `E2AError` that says why it cannot be subscribed to."""
        target = parse_mail_uri(uri)
        if target is None:
            raise NotFound("no such resource")
        principal, told = self._session.principal, self._session.told
        if target.kind in {"raw", "attachment"}:
            raise InvalidRequest("this resource never changes")
        if target.kind == "reviews":
            if principal.scope != "account":
                raise NotFound("no such resource")
            if told is not None and "email.review_requested" not in told:
                raise NotImplementedHere(
                    "this deployment does not report changes of its review queue; read it again instead"
                )
            return target
        if principal.scope == "agent" and target.email != principal.agent_email:
            raise Forbidden("the credential is bound to another agent")
        if target.email not in self._inboxes:
            await self._session.agents.get(target.email)
            self._inboxes.add(target.email)
        if target.kind == "message":
            if told is not None and "message.updated" not in told:
                raise NotImplementedHere("this deployment reports only new mail: subscribe to the inbox")
            await self._session.messages.get(target.email, target.id, peek=True)
        return target

    async def targets(self, uris: Iterable[str]) -> dict[str, MailTarget]:
        """Returns the targets that can be subscribed to, by URI. Raises only errors that may be temporary."""
        found = {}
        for uri in dict.fromkeys(uris):
            try:
                found[uri] = await self.target(uri)
            except E2AError as problem:
                if problem.retryable:
                    raise
        return found
