"""The events that MCP clients subscribe to: their names, their filters, and what they tell (MCP Events, SEP-3415).

One catalogue serves every way of delivery: poll, stream and webhook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from e2a_core.clock import to_micros
from e2a_core.contract.principal import Principal
from e2a_core.contract.states import Direction
from e2a_core.errors import Forbidden, InvalidFilter, UnknownEvent
from e2a_core.texts import is_storable

__all__ = [
    "DESCRIPTIONS",
    "Filters",
    "Happening",
    "NAMES",
    "hidden_from_agents",
    "input_schema",
    "is_verified",
    "matches",
    "read_filters",
    "require_event",
    "sender_of",
]

DESCRIPTIONS: Mapping[str, str] = {
    "email.received": "A message is in the inbox.",
    "email.review_requested": "A message waits for the decision of a person.",
    "email.review_approved": "A person, or the end of the wait, let a held message go.",
    "email.review_rejected": "A person, or the end of the wait, rejected a held message.",
    "email.sent": "A recipient's server took a message of the inbox.",
    "email.failed": "A message of the inbox did not reach a recipient.",
    "email.bounced": "A sent message came back.",
    "email.delivered": "A recipient's server reports the delivery of a sent message.",
    "email.complained": "A recipient reported a sent message as unwanted.",
    "email.flagged": "Protection marked a message that is in the inbox.",
}
NAMES = tuple(DESCRIPTIONS)

MAX_CHARS = {"agent_email": 320, "from": 320, "subject_contains": 200, "conversation_id": 128}
"""The longest address (RFC 5321 section 4.5.3.1), what people type, and more than the longest id."""

_ABOUT_HELD_MAIL = frozenset({"email.review_requested", "email.review_rejected", "email.blocked"})
"""About inbound mail these tell of messages that do not exist for the agent."""

_PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    "agent_email": {"description": "the inbox"},
    "from": {"description": "an address, or a domain for all of its addresses"},
    "subject_contains": {"description": "in any case of letters"},
    "conversation_id": {"description": "one conversation"},
}


class Happening(Protocol):
    """An event of the log, as far as filters need it."""

    @property
    def type(self) -> str: ...

    @property
    def agent_email(self) -> str | None: ...

    @property
    def conversation_id(self) -> str | None: ...

    @property
    def data(self) -> Mapping[str, Any]: ...

    @property
    def created_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Filters:
    """The valid `arguments` of a subscription, in lower case where case does not matter.

    `agent` is True for the subscription of an agent's credential; see `hidden_from_agents`. Such a credential is told
    of its own inbox, which exists since `since` (microseconds), and not of one that had the address before.
    """

    name: str
    agent_email: str
    sender: str | None = None
    subject: str | None = None
    verified_only: bool = False
    conversation_id: str | None = None
    agent: bool = True
    since: int | None = None

    def of(self, agent_email: str, created_at: int) -> Filters:
        """Returns these filters for the inbox that they name, which was created then (microseconds)."""
        return replace(self, agent_email=agent_email, since=created_at if self.agent else None)


def input_schema(principal: Principal) -> dict[str, Any]:
    """Returns the JSON Schema of `arguments`, the same for all events."""
    properties: dict[str, Any] = {
        name: {"type": "string", "minLength": 1, "maxLength": MAX_CHARS[name], **about}
        for name, about in _PROPERTIES.items()
    }
    properties["verified_only"] = {"type": "boolean", "description": "only mail whose sender is proven"}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema if principal.scope == "agent" else {**schema, "required": ["agent_email"]}


def require_event(name: object) -> str:
    """Returns the name of an event. Raises `UnknownEvent`."""
    if not isinstance(name, str) or name not in DESCRIPTIONS:
        raise UnknownEvent(f"there is no such event; events: {', '.join(NAMES)}")
    return name


def read_filters(principal: Principal, name: object, arguments: object) -> Filters:
    """Returns what a subscription to `name` with `arguments` wants.

    Raises `UnknownEvent`, `InvalidFilter` naming the argument, and `Forbidden` for another inbox than an agent's own.
    It does not look whether the inbox exists.
    """
    event = require_event(name)
    given = {} if arguments is None else arguments
    if not isinstance(given, dict):
        raise InvalidFilter("arguments must be an object", location="arguments")
    for key in given:
        if key not in MAX_CHARS and key != "verified_only":
            known = ", ".join((*MAX_CHARS, "verified_only"))
            raise InvalidFilter(f"there is no such argument; arguments: {known}", location="arguments")
    verified = given.get("verified_only", False)
    if not isinstance(verified, bool):
        raise InvalidFilter("verified_only must be true or false", location="arguments.verified_only")
    sender, subject = _text(given, "from"), _text(given, "subject_contains")
    return Filters(
        name=event,
        agent_email=_inbox(principal, _text(given, "agent_email")),
        sender=sender.strip().lower().removeprefix("@") if sender else None,
        subject=subject.casefold() if subject else None,
        verified_only=verified,
        conversation_id=_text(given, "conversation_id"),
        agent=principal.scope == "agent",
    )


def matches(event: Happening, wanted: Filters) -> bool:
    """Whether the subscription wants this event of its account.

    Mail that the inbox has sent to itself is wanted only with `from` naming the inbox, so that an agent that answers
    what it receives does not answer itself.
    """
    if event.type != wanted.name or event.agent_email != wanted.agent_email:
        return False
    if wanted.since is not None and to_micros(event.created_at) < wanted.since:
        return False
    data, inbound = event.data, event.data.get("direction") == Direction.INBOUND
    if wanted.agent and hidden_from_agents(event):
        return False
    if inbound and data.get("author_agent") == wanted.agent_email and wanted.sender != wanted.agent_email:
        return False
    conversation = event.conversation_id or data.get("conversation_id")
    return (
        (wanted.conversation_id is None or conversation == wanted.conversation_id)
        and (wanted.sender is None or _is_from(event, wanted.sender))
        and (wanted.subject is None or wanted.subject in str(data.get("subject") or "").casefold())
        and (not wanted.verified_only or not inbound or is_verified(data))
    )


def hidden_from_agents(event: Happening) -> bool:
    """Whether the event tells of inbound mail that is held or blocked, which no agent may know of."""
    return event.type in _ABOUT_HELD_MAIL and event.data.get("direction") == Direction.INBOUND


def is_verified(data: Mapping[str, Any]) -> bool:
    """Whether the sender of received mail is proven: its Author Domain, or an agent of this deployment."""
    authentication = data.get("authentication") or {}
    if "coverage" in authentication:
        return False
    return bool(data.get("author_agent")) or authentication.get("dmarc", {}).get("status") == "pass"


def sender_of(event: Happening) -> str:
    """Returns the author's address; that of mail going out is the inbox, which reports do not repeat."""
    found = event.data.get("header_from") or event.data.get("from") or ""
    if not found and event.data.get("direction") == Direction.OUTBOUND:
        found = event.agent_email or ""
    return str(found)


def _is_from(event: Happening, wanted: str) -> bool:
    sender = sender_of(event).lower()
    return sender == wanted if "@" in wanted else sender.rpartition("@")[2] == wanted


def _inbox(principal: Principal, email: str | None) -> str:
    named = (email or "").strip().lower()
    if principal.scope == "agent":
        if named and named != principal.agent_email:
            raise Forbidden("the credential is bound to another agent")
        named = principal.agent_email or ""
    if not named:
        raise InvalidFilter("agent_email is required: it names the inbox", location="arguments.agent_email")
    return named


def _text(given: Mapping[str, Any], name: str) -> str | None:
    if name not in given:
        return None
    value, most = given[name], MAX_CHARS[name]
    if not isinstance(value, str) or not value.strip() or len(value) > most or not is_storable(value):
        raise InvalidFilter(f"{name} must be a text of 1 to {most} characters", location=f"arguments.{name}")
    return value
