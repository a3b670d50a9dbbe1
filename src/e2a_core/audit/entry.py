"""What is logged of one operation: no body, key, token or secret gets into an entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from e2a_core.contract.principal import HOME_CREDENTIAL, PERSON, Door, Principal
from e2a_core.texts import is_storable

__all__ = [
    "LINK_ACTOR",
    "SYSTEM_ACTOR",
    "ActorKind",
    "Entry",
    "Outcome",
    "by_home",
    "by_link",
    "by_principal",
    "shown",
]

ActorKind = Literal["api_key", "home", "person", "mail_link", "system"]

Outcome = Literal["ok", "refused", "unknown"]
"""`unknown` is what a crash or a failure of the server left open."""

LINK_ACTOR = "mail_link"
SYSTEM_ACTOR = "system"

_SUBJECT_CHARS = 320
"""The longest address (RFC 5321 section 4.5.3.1); ids are shorter."""
_SECRET = re.compile(r"e2a_\w+_|whsec_|bearer\b|-----BEGIN", re.IGNORECASE)
"""How keys and secrets begin. A caller may give one where an id is meant."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row before it has its place. `subjects` are ids, by what they are of; `code` is that of the error."""

    account_id: str
    actor: str
    actor_kind: ActorKind
    person: str
    door: Door
    operation: str
    subjects: Mapping[str, str] = field(default_factory=dict)
    outcome: Outcome = "ok"
    code: str = ""


def by_principal(principal: Principal, operation: str, subjects: Mapping[str, str] | None = None) -> Entry:
    """The entry of an operation that `principal` calls."""
    actor = principal.credential_id
    kind: ActorKind = "api_key"
    if actor.startswith(PERSON):
        kind = "person"
    elif actor == HOME_CREDENTIAL:
        kind = "home"
    person = principal.person or (principal.account_email if kind == "home" else "")
    return Entry(principal.account_id, actor, kind, person, principal.door, operation, subjects or {})


def by_home(account_id: str, operation: str, subjects: Mapping[str, str] | None = None) -> Entry:
    """The entry of what a command on the home does, of which nobody knows who gives it."""
    return Entry(account_id, HOME_CREDENTIAL, "home", "", "command", operation, subjects or {})


def by_link(account_id: str, reader: str | None, operation: str, message_id: str) -> Entry:
    """The entry of a decision by a link that was mailed to `reader`."""
    subjects = {"message_id": message_id}
    return Entry(account_id, LINK_ACTOR, "mail_link", reader or "", "mail_link", operation, subjects)


def shown(value: str) -> str:
    """A subject as it is logged: without what looks like a secret, or cannot be stored."""
    if not is_storable(value) or not value.isprintable() or _SECRET.search(value):
        return "[not shown]"
    return value[:_SUBJECT_CHARS]
