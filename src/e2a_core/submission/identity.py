"""Under which address a message leaves (mail-pipeline section 10.5)."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.agents.queries import AgentRow
from e2a_core.mail.addresses import Address, parse_address
from e2a_core.settings import Settings

__all__ = ["SenderIdentity", "platform_identity", "relay_address", "sender_identity"]

RELAY_SLUG = "agent"
"""Local part of the relay's own sender; a reserved slug, so no inbox can have it."""
PLATFORM_SLUG = "noreply"
"""Local part of what the deployment itself writes."""


@dataclass(frozen=True, slots=True)
class SenderIdentity:
    """`author` goes into From; `sent_as` tells whether that is the agent itself or the relay for it."""

    author: Address
    sent_as: str


def sender_identity(settings: Settings, agent: AgentRow, *, inside: bool) -> SenderIdentity:
    """The agent's own address where its domain may be used upstream, else the relay's with the agent's name.

    Mail that stays `inside` the deployment is always the agent's own: nobody has to be convinced of it.
    """
    own = parse_address(agent.email)
    if inside or _own_address_may_leave(settings, agent):
        author = Address(agent.name, own.local, own.domain)
        return SenderIdentity(author, "own_address")
    name = f"{agent.name or agent.email} via e2a"
    author = Address(name, RELAY_SLUG, settings.from_domain)
    return SenderIdentity(author, "relay")


def relay_address(settings: Settings) -> str:
    """The envelope sender of mail that leaves under the relay's identity: an address, and no inbox."""
    return f"{RELAY_SLUG}@{settings.from_domain}"


def platform_identity(settings: Settings) -> SenderIdentity:
    """The deployment itself, which takes no answers."""
    author = Address("e2a", PLATFORM_SLUG, settings.from_domain)
    return SenderIdentity(author, "relay")


def _own_address_may_leave(settings: Settings, agent: AgentRow) -> bool:
    if settings.sandbox or agent.domain == settings.from_domain:
        return True
    return agent.registered_domain != settings.shared_domain and agent.domain_verified
