"""`e2a protection`: what an inbox takes in, sends, or holds for a person."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from cyclopts import App, Parameter

from e2a_core.clock import span_words
from e2a_core.contract.protection import ProtectionConfig, ProtectionConfigView, ProtectionDirectionView
from e2a_core.errors import NotFound, SettingsError
from e2a_mcp.program.arguments import Address
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act
from e2a_mcp.program.commands.asking import confirmed
from e2a_mcp.program.commands.derive import PAGE
from e2a_mcp.program.commands.requesting import requested

__all__ = ["protection"]

Policy = Literal["open", "allowlist", "domain"]
Action = Literal["flag", "review", "block"]
Sensitivity = Literal["off", "low", "medium", "high"]
Inbox = Annotated[Address, Parameter(help="The inbox.")]
Switch = Literal["on", "off"]

protection = App(name="protection")


@protection.command
def get(email: Inbox, /, *, where: Where = HERE) -> int:
    """Show what an inbox takes in, sends, or holds for a person."""

    async def work(it: Acting) -> None:
        it.output.one(await it.session.protection.get(email), _told)

    return act(where, work, agent=email)


@protection.command
def hold_all_outgoing(
    email: Annotated[Address | None, Parameter(help="The inbox; without it, all there are.")] = None,
    /,
    *,
    all: Annotated[bool, Parameter(help="Do it for every inbox, and do not ask.")] = False,
    where: Where = HERE,
) -> int:
    """Hold everything an inbox sends until a person approves it. What nobody decides is rejected.

    With several inboxes and without `EMAIL`, it asks before it does so for all of them.
    """
    if email and all:
        raise SettingsError("EMAIL and --all exclude each other")
    if email:
        return _change(where, email, _HOLD_ALL)

    async def work(it: Acting) -> None:
        emails = await _inboxes(it)
        if len(emails) > 1 and not all:
            if not sys.stdin.isatty():
                raise SettingsError(f"name one of the {len(emails)} inboxes, or give --all")
            confirmed(f"All that these inboxes send will wait for a person: {', '.join(emails)}", yes=False)
        for email in emails:
            _tell(it, email, await _changed(it, email, _HOLD_ALL))

    return act(where, work)


_HOLD_ALL: Mapping[str, object] = MappingProxyType(
    {
        "outbound.gate.policy": "allowlist",
        "outbound.gate.allowlist": [],
        "outbound.gate.action": "review",
        "holds.on_expiry": "reject",
    }
)


async def _inboxes(it: Acting) -> list[str]:
    """Every inbox of the account. Raises `NotFound` if there is none."""
    emails: list[str] = []
    cursor: str | None = None
    while True:
        page = await it.session.agents.list(cursor=cursor, limit=PAGE)
        emails += [agent.email for agent in page.items]
        cursor = page.next_cursor
        if not cursor:
            break
    if not emails:
        raise NotFound("there is no inbox yet: e2a agents create makes one")
    return emails


def _tell(it: Acting, email: str, config: ProtectionConfigView) -> None:
    """The config of one inbox among several, with its address."""
    if it.output.as_json:
        it.output.json({"email": email, **config.to_wire()})
        return
    it.output.line(email)
    for line in _told(config):
        it.output.line(f"  {line}")


@protection.command
def send_freely(email: Inbox, /, *, where: Where = HERE) -> int:
    """Let an inbox send without asking anybody; the scan of what it sends stays as it is."""
    changes = {
        "outbound.gate.policy": "open",
        "outbound.gate.allowlist": [],
        "outbound.gate.action": "flag",
    }
    return _change(where, email, changes)


@protection.command(name="set")
def set_(
    email: Inbox,
    /,
    *,
    outbound_review: Annotated[
        Switch | None,
        Parameter(help="`on` has who does not pass the outgoing gate reviewed, `off` only flagged."),
    ] = None,
    inbound_review: Annotated[
        Switch | None,
        Parameter(help="`on` has who does not pass the incoming gate reviewed, `off` only flagged."),
    ] = None,
    suppress_notifications: Annotated[Switch | None, Parameter(help="`on` mails reviewers nothing.")] = None,
    outbound_policy: Annotated[Policy | None, Parameter(help="Who may be written to.")] = None,
    outbound_allow: Annotated[
        list[str] | None, Parameter(help="Addresses that may be written to; replaces the list.")
    ] = None,
    outbound_action: Annotated[Action | None, Parameter(help="What happens to mail for others.")] = None,
    outbound_scan: Annotated[Sensitivity | None, Parameter(help="How closely outgoing mail is read.")] = None,
    inbound_policy: Annotated[Policy | None, Parameter(help="Whose mail is taken in.")] = None,
    inbound_allow: Annotated[
        list[str] | None, Parameter(help="Addresses whose mail is taken in; replaces the list.")
    ] = None,
    inbound_action: Annotated[Action | None, Parameter(help="What happens to the mail of others.")] = None,
    inbound_scan: Annotated[Sensitivity | None, Parameter(help="How closely incoming mail is read.")] = None,
    hold_seconds: Annotated[int | None, Parameter(help="How long a person has to decide.")] = None,
    on_expiry: Annotated[
        Literal["approve", "reject"] | None, Parameter(help="What is decided if nobody decides.")
    ] = None,
    where: Where = HERE,
) -> int:
    """Change the given parts of an inbox's protection; the others stay."""
    given: dict[str, object] = {
        "outbound.gate.action": _ACTION_OF.get(outbound_review or ""),
        "inbound.gate.action": _ACTION_OF.get(inbound_review or ""),
        "holds.suppress_notifications": suppress_notifications and suppress_notifications == "on",
        "holds.ttl_seconds": hold_seconds,
        "holds.on_expiry": on_expiry,
    }
    given |= {f"outbound.gate.{name}": value for name, value in _gate(outbound_policy, outbound_allow)}
    given |= {f"inbound.gate.{name}": value for name, value in _gate(inbound_policy, inbound_allow)}
    # What is said of the gate or the scan itself goes before what the switch means.
    given |= _set(("outbound.gate.action", outbound_action), ("inbound.gate.action", inbound_action))
    scans = {
        "outbound": _scan(outbound_review, outbound_scan),
        "inbound": _scan(inbound_review, inbound_scan),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes and not any(scans.values()):
        raise SettingsError("nothing to change: name at least one option")
    asked = {"outbound": outbound_scan, "inbound": inbound_scan}
    return _change(where, email, changes, scans, [side for side, scan in asked.items() if scan])


_ACTION_OF = {"on": "review", "off": "flag"}
_UNLESS_SET = "medium"
"""The scan that reviewing switches on, if it is off."""


def _gate(policy: Policy | None, allow: list[str] | None) -> Iterator[tuple[str, object]]:
    yield "policy", policy
    yield "allowlist", allow


def _set(*members: tuple[str, object]) -> dict[str, object]:
    return {name: value for name, value in members if value is not None}


def _scan(review: Switch | None, named: Sensitivity | None) -> str:
    """The scan that was asked for: by its name, `off` without review, or some scan for review."""
    return named or {"on": _UNLESS_SET, "off": "off", None: ""}[review]


def _change(
    where: Where,
    email: str,
    changes: Mapping[str, object],
    scans: Mapping[str, str] = MappingProxyType({}),
    named: Collection[str] = (),
) -> int:
    """Reads the config, changes what is named, and writes it whole; a read that fails writes nothing.

    `named` are the directions whose scan was asked for by name, and is missed if there is none.
    """

    async def work(it: Acting) -> None:
        config = await _changed(it, email, changes, scans)
        it.output.one(config, _told)
        for direction in sorted(named):
            if scans[direction] != "off" and getattr(config, direction).scan.sensitivity in {None, "off"}:
                it.output.note(
                    f"this deployment does not scan {_NAMES[direction]} mail, so its scan stays off"
                )

    return act(where, work, agent=email)


_NAMES = {"outbound": "outgoing", "inbound": "incoming"}


async def _changed(
    it: Acting, email: str, changes: Mapping[str, object], scans: Mapping[str, str] = MappingProxyType({})
) -> ProtectionConfigView:
    document = (await it.session.protection.get(email)).to_wire()
    for name, value in changes.items():
        *path, member = name.split(".")
        part = document
        for step in path:
            part = part.setdefault(step, {})
        part[member] = value
    for direction, sensitivity in scans.items():
        scan = document[direction].setdefault("scan", {})
        if sensitivity and not (sensitivity == _UNLESS_SET and scan.get("sensitivity", "off") != "off"):
            scan["sensitivity"] = sensitivity
    return await it.session.protection.put(email, requested(ProtectionConfig, document))


def _told(config: ProtectionConfigView) -> Iterator[str]:
    """The config in plain words."""
    yield _sentence("Outgoing", config.outbound, "to")
    yield _sentence("Incoming", config.inbound, "from")
    quiet = ", and nobody is mailed" if config.holds.suppress_notifications else ""
    verb = "approved" if config.holds.on_expiry == "approve" else "rejected"
    yield f"What is held and nobody decides is {verb} after {span_words(config.holds.ttl_seconds or 0)}{quiet}."


def _sentence(which: str, direction: ProtectionDirectionView, toward: str) -> str:
    gate, scan = direction.gate, direction.scan.sensitivity or "off"
    ends = {"review": "is held for a person", "block": "is blocked"}.get(gate.action or "", "is only flagged")
    scanned = "" if scan == "off" else f" All of it is scanned, with {scan} sensitivity."
    allowed = ", ".join(gate.allowlist or [])
    if gate.policy == "allowlist":
        others = f"{toward} anybody but {allowed} " if allowed else ""
        return f"{which} mail {others}{ends}.{scanned}"
    if gate.policy == "domain":
        return f"{which} mail {toward} other domains than {allowed or 'its own'} {ends}.{scanned}"
    return f"{which} mail passes freely.{scanned}"
