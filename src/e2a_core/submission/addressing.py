"""Who a message is from and who it reaches: the sender's identity, and which recipients are inboxes here."""

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


def is_self_send(agent: AgentRow, draft: Draft) -> bool:
    """Whether the draft goes to the agent itself and to nobody else."""
    recipients = [parse_address(item).normalized for item in draft.recipients]
    return bool(recipients) and set(recipients) == {agent.email}


def sole_recipient(draft: Draft, agent_email: str) -> str:
    """The one address a link can be for, the agent itself left out. Raises `InvalidRequest` when there are several."""
    everyone = {parse_address(item).normalized for item in draft.recipients}
    recipients = everyone - {agent_email} or everyone
    if len(recipients) != 1:
        raise InvalidRequest(
            "managed unsubscribe needs exactly one recipient, since the link is theirs",
            location="body.unsubscribe",
        )
    return recipients.pop()


def canonical_recipients(draft: Draft, own_addresses: set[str], *, keep_own: bool) -> dict[str, list[str]]:
    """Bare lower-case addresses, each once, To before Cc before Bcc, without the agent itself.

    `keep_own` is for mail the agent sends to nobody but itself. Raises `InvalidRequest` when nobody is left.
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
        raise InvalidRequest("no recipient is left besides the agent itself", location="body.to")
    return result


def stays_inside(core: Core, message_type: str) -> bool:
    """Whether mail to inboxes of this deployment is handed over here.

    A test shows that mail from outside arrives, so it leaves and comes back wherever there is a relay to send it to.
    """
    return message_type != "test" or core.settings.sandbox


def method_of(core: Core, draft: Draft, *, everyone_local: bool) -> Method:
    """The transport a message is reported under; `loopback` for one that reaches nobody outside."""
    if everyone_local and stays_inside(core, draft.type):
        return Method.LOOPBACK
    return Method.SANDBOX if core.settings.sandbox else Method.SMTP


async def local_recipients(core: Core, recipients: Sequence[str]) -> dict[str, str]:
    """Recipient as given -> the agent it reaches; recipients elsewhere are absent.

    Everything under the shared domain is local, whether or not an inbox has that address: nobody else serves it.
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
