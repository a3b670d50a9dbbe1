"""The protection config of an inbox: what is accepted, sent, or held for a person."""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

from pydantic import Field

from e2a_core.contract.protection import (
    MAX_ALLOWLIST,
    ProtectionConfig,
    ProtectionConfigView,
    ProtectionDirection,
    ProtectionGate,
    ProtectionHolds,
    ProtectionScan,
)
from e2a_mcp.schema import object_schema, view_properties
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import InboxArguments
from e2a_mcp.tools.outputs import TEXT
from e2a_mcp.tools.passing import by_hand, pass_through

__all__ = ["TOOLS"]

Policy = Literal["open", "allowlist", "domain"]
Allowlist = Annotated[list[str], Field(max_length=MAX_ALLOWLIST)]
Action = Literal["flag", "review", "block"]
Sensitivity = Literal["off", "low", "medium", "high"]


class UpdateProtection(InboxArguments):
    inbound_gate_policy: Policy | None = None
    inbound_gate_allowlist: Allowlist | None = None
    inbound_gate_action: Action | None = None
    inbound_scan_sensitivity: Sensitivity | None = None
    outbound_gate_policy: Policy | None = None
    outbound_gate_allowlist: Allowlist | None = None
    outbound_gate_action: Action | None = None
    outbound_scan_sensitivity: Sensitivity | None = None
    holds_ttl_seconds: Annotated[int, Field(ge=0)] | None = None
    holds_on_expiry: Literal["approve", "reject"] | None = None
    holds_suppress_notifications: bool | None = None


async def update_protection(call: Call, arguments: UpdateProtection) -> Reply:
    """Changes the members that were given; the others keep their values."""
    email = call.inbox(arguments.email)
    config = overlay(await call.session.protection.get(email), arguments)
    return _told(email, await call.session.protection.put(email, config))


def overlay(current: ProtectionConfigView, arguments: UpdateProtection) -> ProtectionConfig:
    document = copy.deepcopy(current.to_wire())
    given = arguments.model_dump(exclude={"email"}, exclude_none=True)
    for name, value in given.items():
        group, rest = name.split("_", 1)
        part = document[group]
        if group != "holds":
            section, rest = rest.split("_", 1)
            part = part.setdefault(section, {})
        part[rest] = value
    return ProtectionConfig(
        inbound=_direction(document["inbound"]),
        outbound=_direction(document["outbound"]),
        holds=ProtectionHolds(**_known(ProtectionHolds, document["holds"])),
    )


def _direction(part: dict[str, Any]) -> ProtectionDirection:
    return ProtectionDirection(
        gate=ProtectionGate(**_known(ProtectionGate, part.get("gate", {}))),
        scan=ProtectionScan(**_known(ProtectionScan, part.get("scan", {}))),
    )


def _known(model: type[Any], part: dict[str, Any]) -> dict[str, Any]:
    """Returns the members that a request may have; a view can have more."""
    return {name: value for name, value in part.items() if name in model.model_fields}


MAX_SHOWN = 20
"""Entries of an allowlist in the text of a result."""
_THEN = {"flag": "is let through with a flag", "review": "is held for a person", "block": "is refused"}


def _told(email: str, view: ProtectionConfigView) -> Reply:
    """Returns the config as what it does."""
    holds = ProtectionHolds(**_known(ProtectionHolds, view.holds.to_wire()))
    lines = [
        f"{name}: {_effect(_direction(getattr(view, name).to_wire()), name)}"
        for name in ("inbound", "outbound")
    ]
    end = {"approve": "approved", "reject": "rejected"}[holds.on_expiry]
    silent = "; reviewers are not mailed" if holds.suppress_notifications else ""
    lines.append(f"holds: {end} if nobody decides within {_span(holds.ttl_seconds)}{silent}")
    return Reply({**view.to_wire(), "effect": lines}, "\n".join([email, *lines]))


def _effect(direction: ProtectionDirection, name: str) -> str:
    gate, scan = direction.gate, direction.scan.sensitivity
    mail, people = ("mail from", "senders") if name == "inbound" else ("mail to", "recipients")
    then = f"{mail} anybody else {_THEN[gate.action]}"
    if gate.policy == "open":
        said = "open, everybody passes"
    elif gate.policy == "domain":
        said = f"{people} of the inbox's own domain pass, {then}"
    elif not gate.allowlist:
        said = f"the allowlist is empty, so nobody passes: all mail {_THEN[gate.action]}"
    else:
        shown = ", ".join(gate.allowlist[:MAX_SHOWN])
        more = len(gate.allowlist) - MAX_SHOWN
        said = f"{shown}{f' and {more} more' if more > 0 else ''} pass, {then}"
    return f"{said}; scan {scan}"


def _span(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


_PARTS = ["inbound", "outbound", "holds"]
_CONFIG = object_schema(
    {**view_properties(ProtectionConfigView), "effect": {"type": "array", "items": TEXT}}, _PARTS
)

TOOLS: tuple[Tool[Any], ...] = (
    pass_through(
        "get_agent_protection",
        output=_CONFIG,
        reply=lambda call, arguments, view: _told(call.inbox(arguments.email), view),
    ),
    by_hand("put_agent_protection", UpdateProtection, _CONFIG, update_protection),
)
