"""Protection in plain words, and what it would have done with mail that is there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from e2a_core.contract.message_views import MessageSummaryView
from e2a_core.contract.protection import ProtectionConfig, ProtectionConfigView, ProtectionDirectionView
from e2a_core.protection.config import gate_of
from e2a_core.screening.gates import recipient_gate, sender_gate

__all__ = ["ACTIONS_IN", "ACTIONS_OUT", "Effect", "effect", "in_words", "span_words"]

ACTIONS_OUT = {"flag": "goes out, with a mark", "review": "waits for a person", "block": "is refused"}
ACTIONS_IN = {"flag": "comes in, with a mark", "review": "waits for a person", "block": "is kept out"}
_AUTHENTICATED = frozenset({"verified", "partial"})


@dataclass(frozen=True, slots=True)
class Effect:
    """How many messages were looked at, and those that the gate would not have let pass, each with the reason."""

    looked_at: int
    caught: list[tuple[MessageSummaryView, str]]


def in_words(config: ProtectionConfigView) -> list[tuple[str, str]]:
    """What the settings do, by the name of what they are about."""
    holds = config.holds
    ends = "let through" if holds.on_expiry == "approve" else "rejected"
    told = "The owner is not told by mail." if holds.suppress_notifications else "The owner is told by mail."
    return [
        ("Outgoing", f"{_whom(config.outbound)} {_scan(config.outbound)}"),
        ("Incoming", f"{_from(config.inbound)} {_scan(config.inbound)}"),
        ("Held mail", f"Is {ends} after {span_words(holds.ttl_seconds or 0)} if nobody decides. {told}"),
    ]


def effect(
    config: ProtectionConfig,
    outgoing: Sequence[MessageSummaryView],
    incoming: Sequence[MessageSummaryView],
    *,
    domain: str,
    own: Collection[str] | None,
    relay_domains: Sequence[str],
) -> tuple[Effect, Effect]:
    """What the gates would have done with sent and received mail; scans and hidden recipients are not looked at."""
    sent, received = [], []
    gate = gate_of(config.outbound.gate)
    for view in outgoing:
        people = [*view.to, *(view.cc or []), *(view.reply_to or [])]
        found = recipient_gate(gate, recipients=people, agent_domain=domain, own=own)
        if found is not None:
            sent.append((view, found.detail))
    gate = gate_of(config.inbound.gate)
    for view in incoming:
        known = view.verdict in _AUTHENTICATED
        found = sender_gate(gate, author=view.header_from, dmarc_pass=known, relay_domains=relay_domains)
        if found is not None:
            received.append((view, found.detail))
    return Effect(len(outgoing), sent), Effect(len(incoming), received)


def span_words(seconds: int) -> str:
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"


def _whom(direction: ProtectionDirectionView) -> str:
    gate = direction.gate
    rest = ACTIONS_OUT.get(gate.action or "flag", gate.action or "")
    listed = gate.allowlist or []
    if gate.policy == "domain":
        return f"Mail to its own domain goes out; all other mail {rest}."
    if gate.policy == "allowlist" and not listed:
        return f"All mail {rest}."
    if gate.policy == "allowlist":
        return f"Mail to {_count(listed)} goes out; all other mail {rest}."
    return "It may write to anybody."


def _from(direction: ProtectionDirectionView) -> str:
    gate = direction.gate
    rest = ACTIONS_IN.get(gate.action or "flag", gate.action or "")
    listed = gate.allowlist or []
    if gate.policy in {"allowlist", "domain"} and not listed:
        return f"All mail {rest}."
    if gate.policy == "domain":
        return f"Mail proven to be from {_count(listed, 'domain')} comes in; all other mail {rest}."
    if gate.policy == "allowlist":
        return f"Mail proven to be from {_count(listed)} comes in; all other mail {rest}."
    return "Anybody may write to it."


def _scan(direction: ProtectionDirectionView) -> str:
    level = direction.scan.sensitivity
    return "Texts are not scanned." if level in {None, "off"} else f"Texts are scanned ({level})."


def _count(listed: Sequence[str], one: str = "address") -> str:
    if len(listed) == 1:
        return listed[0]
    return f"{len(listed)} listed {one}{'es' if one.endswith('s') else 's'}"
