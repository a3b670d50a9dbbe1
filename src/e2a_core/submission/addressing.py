"""The sender's identity, and which recipients are inboxes of this deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.agents.lookup import lookup_recipient
from e2a_core.agents.queries import AgentRow
from e2a_core.contract.states import Method
from e2a_core.core import Core
from e2a_core.errors import InvalidRequest
from e2a_core.mail.addresses import Address, parse_address
from e2a_core.settings import Settings
from e2a_core.submission.draft import Draft, parse_recipients

__all__ = [
    "SenderIdentity",
    "canonical_recipients",
    "is_self_send",
    "local_recipients",
    "method_of",
    "platform_identity",
    "relay_address",
    "sender_identity",
    "sole_recipient",
    "stays_inside",
]

RELAY_SLUG = "agent"
"""Local part of the relay's own address; a reserved slug, so no inbox can have it."""
PLATFORM_SLUG = "noreply"
"""Local part of the address that sends the deployment's own mail."""


@dataclass(frozen=True, slots=True)
class SenderIdentity:
    """`author` goes into From; `sent_as` is `own_address` for the agent's address, `relay` for the relay's."""

    author: Address
    sent_as: str


def sender_identity(settings: Settings, agent: AgentRow, *, inside: bool) -> SenderIdentity:
    """The agent's own address if its domain may be used upstream, else the relay's with the agent's name.

    Mail that stays `inside` the deployment always has the agent's address, since no receiver authenticates it.
    """
    own = parse_address(agent.email)
    if inside or _own_address_may_leave(settings, agent):
        author = Address(agent.name, own.local, own.domain)
        return SenderIdentity(author, "own_address")
    name = f"{agent.name or agent.email} via e2a"
    author = Address(name, RELAY_SLUG, settings.from_domain)
    return SenderIdentity(author, "relay")


def relay_address(settings: Settings) -> str:
    """The envelope sender of mail sent under the relay's identity. It is not the address of an inbox."""
    return f"{RELAY_SLUG}@{settings.from_domain}"


def platform_identity(settings: Settings) -> SenderIdentity:
    """The identity of the deployment's own mail, which cannot be replied to."""
    author = Address("e2a", PLATFORM_SLUG, settings.from_domain)
    return SenderIdentity(author, "relay")


def _own_address_may_leave(settings: Settings, agent: AgentRow) -> bool:
    if settings.sandbox or agent.domain == settings.from_domain:
        return True
    return agent.registered_domain != settings.shared_domain and agent.domain_verified


def is_self_send(agent: AgentRow, draft: Draft) -> bool:
    """Returns True if the agent itself is the only recipient."""
    recipients = [parse_address(item).normalized for item in draft.recipients]
    return bool(recipients) and set(recipients) == {agent.email}


def sole_recipient(draft: Draft, agent_email: str) -> str:
    """The only recipient besides the agent. Raises `InvalidRequest` if there are several."""
    everyone = {parse_address(item).normalized for item in draft.recipients}
    recipients = everyone - {agent_email} or everyone
    if len(recipients) != 1:
        raise InvalidRequest(
            "managed unsubscribe needs exactly one recipient, because the link is personal",
            location="body.unsubscribe",
        )
    return recipients.pop()


def canonical_recipients(draft: Draft, own_addresses: set[str], *, keep_own: bool) -> dict[str, list[str]]:
    """Returns the recipients of each field as bare lower-case addresses, without repeats and `own_addresses`.

    A repeated address stays in the first of To, Cc and Bcc. `keep_own` is for mail from the agent to itself alone.
    Raises `InvalidRequest` if To and Cc are empty afterwards.
    """
    seen: set[str] = set() if keep_own else set(own_addresses)
    result: dict[str, list[str]] = {}
    for name, addresses in parse_recipients(draft).items():
        kept = []
        for address in (item.normalized for item in addresses):
            if address not in seen:
                seen.add(address)
                kept.append(address)
        result[name] = kept
    if not result["to"] and not result["cc"]:
        raise InvalidRequest("needs a recipient in to or cc besides the agent itself", location="body.to")
    return result


def stays_inside(core: Core, message_type: str) -> bool:
    """Returns True if mail to inboxes of this deployment is delivered directly, without the upstream relay.

    A test message must show that mail from outside arrives, so it goes through the relay unless in a sandbox.
    """
    return message_type != "test" or core.settings.sandbox


def method_of(core: Core, draft: Draft, *, everyone_local: bool) -> Method:
    """The transport reported for a message; `loopback` if all recipients are inboxes of this deployment."""
    if everyone_local and stays_inside(core, draft.type):
        return Method.LOOPBACK
    return Method.SANDBOX if core.settings.sandbox else Method.SMTP


async def local_recipients(core: Core, recipients: Sequence[str]) -> dict[str, str]:
    """Maps each local recipient, as given, to the address of its agent. Recipients elsewhere are absent.

    Every address under the shared domain is local, even without an inbox: only this deployment serves that domain.
    """
    found: dict[str, str] = {}
    for text in recipients:
        address = parse_address(text)
        reached = await lookup_recipient(core, address.normalized)
        if reached is not None:
            found[text] = reached.agent.email
        elif address.normalized.endswith("@" + core.settings.shared_domain):
            found[text] = address.normalized
    return found
