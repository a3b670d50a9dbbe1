"""The protection config of an agent: loading, normalising and viewing it."""

from __future__ import annotations

from functools import lru_cache

from e2a_core.agents.queries import AgentRow
from e2a_core.contract.protection import (
    DEFAULT_HOLD_TTL,
    ProtectionConfig,
    ProtectionConfigView,
    ProtectionDirection,
    ProtectionDirectionView,
    ProtectionGate,
    ProtectionGateView,
    ProtectionHolds,
    ProtectionHoldsView,
    ProtectionScan,
    ProtectionScanView,
)
from e2a_core.errors import InvalidRecipient, InvalidRequest
from e2a_core.mail.addresses import parse_address
from e2a_core.mail.domains import to_ascii_domain
from e2a_core.screening.disposition import Disposition
from e2a_core.screening.gates import Gate

__all__ = ["MAX_HOLD_TTL", "config_view", "gate_of", "load_config", "normalised_config"]

MAX_HOLD_TTL = 604_800
"""Longest hold in seconds (one week)."""


@lru_cache(maxsize=256)
def load_config(stored: str) -> ProtectionConfig:
    """Parses the config stored with an agent; `{}` stands for that of a new agent.

    Every message received or sent needs it, so the result is shared between callers and must not be changed.
    """
    if stored == "{}":
        return ProtectionConfig(inbound=_open(), outbound=_open(), holds=ProtectionHolds())
    return ProtectionConfig.model_validate_json(stored)


def normalised_config(config: ProtectionConfig) -> ProtectionConfig:
    """Returns the config in the form it is stored.

    A hold time of 0 becomes the default. Sensitivities become `off`, since this deployment has no content detector.
    Allowlist entries are normalised, without repeats. Raises `InvalidRequest` naming the invalid member.
    """
    ttl = config.holds.ttl_seconds or DEFAULT_HOLD_TTL
    if ttl > MAX_HOLD_TTL:
        raise InvalidRequest(f"must be at most {MAX_HOLD_TTL} seconds", location="body.holds.ttl_seconds")
    return ProtectionConfig(
        inbound=_normalised(config.inbound, "body.inbound.gate.allowlist"),
        outbound=_normalised(config.outbound, "body.outbound.gate.allowlist"),
        holds=config.holds.model_copy(update={"ttl_seconds": ttl}),
    )


def config_view(config: ProtectionConfig) -> ProtectionConfigView:
    """The view of the config; omits an empty allowlist, and `suppress_notifications` if it is off."""
    return ProtectionConfigView(
        inbound=_direction_view(config.inbound),
        outbound=_direction_view(config.outbound),
        holds=ProtectionHoldsView(
            ttl_seconds=config.holds.ttl_seconds,
            on_expiry=config.holds.on_expiry,
            suppress_notifications=config.holds.suppress_notifications or None,
        ),
    )


def _open() -> ProtectionDirection:
    return ProtectionDirection(gate=ProtectionGate(), scan=ProtectionScan())


def _normalised(direction: ProtectionDirection, location: str) -> ProtectionDirection:
    gate = direction.gate
    entries = [
        _normalised_entry(entry, gate.policy, f"{location}[{index}]")
        for index, entry in enumerate(gate.allowlist)
    ]
    return ProtectionDirection(
        gate=gate.model_copy(update={"allowlist": list(dict.fromkeys(entries))}),
        scan=ProtectionScan(sensitivity="off"),
    )


def _normalised_entry(entry: str, policy: str, location: str) -> str:
    """Normalises an entry: an address under the `allowlist` policy, a domain under `domain`, either under `open`."""
    text = entry.strip()
    domain = to_ascii_domain(text.removeprefix("@"))
    if domain is not None and policy != "allowlist":
        return domain
    if policy == "domain":
        raise InvalidRequest("must be a domain such as example.com", location=location)
    try:
        return parse_address(text).normalized
    except InvalidRecipient:
        wanted = "an address such as user@example.com"
        if policy == "open":
            wanted += " or a domain"
        raise InvalidRequest(f"must be {wanted}", location=location) from None


def _direction_view(direction: ProtectionDirection) -> ProtectionDirectionView:
    gate = direction.gate
    return ProtectionDirectionView(
        gate=ProtectionGateView(
            policy=gate.policy, action=gate.action, allowlist=list(gate.allowlist) or None
        ),
        scan=ProtectionScanView(sensitivity=direction.scan.sensitivity),
    )


def gate_of(config: ProtectionGate) -> Gate:
    """The gate of a direction, as screening takes it."""
    return Gate(config.policy, tuple(config.allowlist), Disposition.of(config.action))


def config_of(agent: AgentRow) -> ProtectionConfig:
    """The protection config of an agent."""
    return load_config(agent.protection)
