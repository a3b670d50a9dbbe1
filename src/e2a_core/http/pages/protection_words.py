"""Protection in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.clock import span_words
from e2a_core.contract.protection import ProtectionConfigView, ProtectionDirectionView

__all__ = ["ACTIONS_IN", "ACTIONS_OUT", "holds_all", "in_words"]

ACTIONS_OUT = {"flag": "goes out, with a mark", "review": "waits for a person", "block": "is refused"}
ACTIONS_IN = {"flag": "comes in, with a mark", "review": "waits for a person", "block": "is kept out"}


def in_words(config: ProtectionConfigView, *, mailed: bool = True) -> list[tuple[str, str]]:
    """What the settings do, by the name of what they are about. `mailed` says that notices can leave."""
    holds = config.holds
    ends = "let through" if holds.on_expiry == "approve" else "rejected"
    told = (
        "The owner is told by mail." if mailed else "In the sandbox, notices are shown here and not mailed."
    )
    if holds.suppress_notifications:
        told = "The owner is not told by mail."
    return [
        ("Outgoing", _whom(config.outbound)),
        ("Incoming", _from(config.inbound)),
        ("Texts", "Are not scanned: this deployment has no scanner."),
        ("Held mail", f"Is {ends} after {span_words(holds.ttl_seconds or 0)} if nobody decides. {told}"),
    ]


def holds_all(config: ProtectionConfigView) -> bool:
    """Whether everything the agent sends waits for a person, and nothing leaves because nobody decides."""
    gate = config.outbound.gate
    listed = gate.policy == "allowlist" and not gate.allowlist
    return listed and gate.action == "review" and config.holds.on_expiry != "approve"


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


def _count(listed: Sequence[str], one: str = "address") -> str:
    if len(listed) == 1:
        return listed[0]
    return f"{len(listed)} listed {one}{'es' if one.endswith('s') else 's'}"
