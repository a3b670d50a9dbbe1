"""The two gates of an inbox: which senders it accepts mail from, and which recipients the agent may write to.

Both fail closed: under an active policy an address that does not parse matches no list, and an empty list matches no
address.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from e2a_core.errors import InvalidRecipient
from e2a_core.mail.addresses import parse_address
from e2a_core.mail.domains import to_ascii_domain
from e2a_core.screening.disposition import Disposition, Finding

__all__ = ["Gate", "Policy", "recipient_gate", "sender_gate"]

Policy = Literal["open", "allowlist", "domain"]

NAMED = 3
"""Addresses that a finding names, so that it stays a sentence; the others are counted."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The settings for one direction; `action` applies to messages that the policy does not cover."""

    policy: Policy = "open"
    allowlist: tuple[str, ...] = ()
    action: Disposition = Disposition.FLAG


def sender_gate(
    gate: Gate, *, author: str | None, dmarc_pass: bool, relay_domains: Iterable[str] = ()
) -> Finding | None:
    """The finding against an inbound message; None if the gate covers it.

    `author` is the address in From, or None unless From holds exactly one. `relay_domains` are the domains under which
    this deployment sends for agents without a domain of their own; an address at or below them does not identify the
    sender. Under the `domain` policy the allowlist holds domains, which do not include their subdomains.
    """
    if gate.policy == "open":
        return None
    address = _bare(author or "")
    domain = _domain_of(address)
    if not dmarc_pass or address is None:
        detail = "the sender is not authenticated (DMARC did not pass)"
    elif any(_is_at_or_below(domain, _fold_domain(relay)) for relay in relay_domains):
        detail = "the sender uses a shared relay address, which does not identify the author"
    elif gate.policy == "allowlist":
        if address in _listed_addresses(gate):
            return None
        detail = f"{address} is not on the allowlist"
    else:
        if domain in _listed_domains(gate):
            return None
        detail = f"the domain {domain} is not on the allowlist"
    return Finding("gate", "sender_gate", gate.action, address or author or "", detail)


def recipient_gate(
    gate: Gate, *, recipients: Iterable[str], agent_domain: str, own: Container[str] | None = None
) -> Finding | None:
    """The finding against an outbound message, which names the recipients not covered; None if all are covered.

    `recipients` are all of To, Cc, Bcc and Reply-To, bare or with a display name. The `domain` policy covers only the
    agent's own domain; it ignores the allowlist. If other accounts have inboxes at that domain too, pass as `own`
    those recipients, as given, that are inboxes of the agent's account: the policy then covers only them.
    """
    if gate.policy == "open":
        return None
    listed = _listed_addresses(gate)
    own_domain = _fold_domain(agent_domain)

    def is_covered(recipient: str) -> bool:
        address = _bare(recipient)
        if gate.policy == "allowlist":
            return address is not None and address in listed
        at_home = bool(own_domain) and _domain_of(address) == own_domain
        return at_home and (own is None or recipient in own)

    others = [item for item in recipients if not is_covered(item)]
    if not others:
        return None
    named = list(dict.fromkeys(_bare(item) or item.strip() for item in others))
    if gate.policy == "allowlist":
        lack = "on the allowlist"
    elif own is None:
        lack = f"at the agent's own domain {own_domain}"
    else:
        lack = "an inbox of the agent's account" if len(named) == 1 else "inboxes of the agent's account"
    detail = f"{_listing(named)} {'is' if len(named) == 1 else 'are'} not {lack}"
    return Finding("gate", "recipient_gate", gate.action, named[0], detail)


def _listing(addresses: Sequence[str]) -> str:
    """`a, b and c`, the first few by name."""
    named = [*addresses[:NAMED]]
    if len(addresses) > NAMED:
        named.append(f"{len(addresses) - NAMED} more")
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _bare(text: str) -> str | None:
    """The bare, normalised address; None if `text` is not exactly one address."""
    try:
        return parse_address(text.strip()).normalized
    except InvalidRecipient:
        return None


def _domain_of(address: str | None) -> str:
    return address.rpartition("@")[2] if address else ""


def _fold_domain(domain: str) -> str:
    """The normalised domain, as in delivery and DMARC; "" if `domain` is not a domain name."""
    return to_ascii_domain(domain.strip()) or ""


def _is_at_or_below(domain: str, parent: str) -> bool:
    return bool(parent) and (domain == parent or domain.endswith("." + parent))


def _listed_addresses(gate: Gate) -> set[str]:
    return {address for entry in gate.allowlist if (address := _bare(entry)) is not None}


def _listed_domains(gate: Gate) -> set[str]:
    return {folded for entry in gate.allowlist if (folded := _fold_domain(entry.strip().removeprefix("@")))}
