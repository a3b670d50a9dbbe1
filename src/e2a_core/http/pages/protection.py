"""Protection of each agent: what it does in plain words, and what a change would have done with the last mail."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from e2a_core.clock import span_words
from e2a_core.contract.agents import AgentView
from e2a_core.contract.protection import (
    ProtectionConfig,
    ProtectionConfigView,
    ProtectionGateView,
    ProtectionHoldsView,
)
from e2a_core.errors import E2AError
from e2a_core.http.pages.protection_effect import preview as effect_of
from e2a_core.http.pages.protection_words import ACTIONS_IN, ACTIONS_OUT, holds_all, in_words
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Fact, Field, Form, Item, Note, Section, address, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.protection.config import config_view, normalised_config

__all__ = ["PAGES"]

ON_A_PAGE = 25
FORM_OCTETS = 512 * 1024
"""A form with two full lists of addresses."""

_POLICIES_OUT = [
    ("open", "anybody"),
    ("domain", "its own domain freely"),
    ("allowlist", "the addresses below freely"),
]
_POLICIES_IN = [
    ("open", "anybody"),
    ("domain", "the domains below freely"),
    ("allowlist", "the addresses below freely"),
]
_LIST_HINT = "Addresses, with spaces or lines between"
_SPANS = (3600, 14_400, 86_400, 259_200, 604_800, 2_592_000)


async def agents(visit: Visit) -> Response:
    cursor = visit.asked("cursor") or None
    page = await visit.session.agents.list(cursor=cursor, limit=ON_A_PAGE)
    items = []
    for agent in page.items:
        words = in_words(await visit.session.protection.get(agent.email))
        items.append(Item(agent.email, address("protection", agent.email), words[0][1], words[1][1]))
    section = Section(
        items=items,
        empty=("No inbox yet", "Protection is set for each agent."),
        more="/protection",
        cursor=page.next_cursor,
        first=cursor is None,
    )
    lead = "What agents may do alone, and what waits for a person."
    return await sheet(visit, "Protection", section, at="protection", lead=lead)


async def one(visit: Visit) -> Response:
    agent = await visit.session.agents.get(visit.request.path_params["email"])
    return await _shown(visit, agent, await visit.session.protection.get(agent.email))


async def save(visit: Visit) -> Response:
    """Saves the form, or shows what it would do."""
    agent = await visit.session.agents.get(visit.request.path_params["email"])
    before = await visit.session.protection.get(agent.email)
    try:
        config = normalised_config(read(visit, ProtectionConfig, _given(visit)))
    except E2AError as problem:
        return await _shown(visit, agent, before, problem=problem)
    if visit.form.text("do") == "preview":
        return await _shown(visit, agent, config_view(config), preview=config)
    await visit.session.protection.put(agent.email, config)
    return visit.go(address("protection", agent.email), said="saved")


async def hold_all(visit: Visit) -> Response:
    """Has a person approve all that the agent sends; the rest stays as it is."""
    email = str(visit.request.path_params["email"])
    members = (await visit.session.protection.get(email)).to_wire()
    gate = {"policy": "allowlist", "allowlist": [], "action": "review"}
    members["outbound"] = {**members["outbound"], "gate": gate}
    members["holds"] = {**members["holds"], "on_expiry": "reject"}
    await visit.session.protection.put(email, read(visit, ProtectionConfig, members))
    return visit.go(address("protection", email), said="saved")


def _given(visit: Visit) -> dict[str, Any]:
    text = visit.form.text

    def direction(side: str) -> dict[str, Any]:
        listed = [entry for entry in text(f"{side}_list").replace(",", " ").split() if entry]
        gate = {"policy": text(f"{side}_policy"), "action": text(f"{side}_action"), "allowlist": listed}
        return {"gate": gate, "scan": {}}

    seconds = text("ttl")
    holds = {
        "ttl_seconds": int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 10 else -1,
        "on_expiry": text("on_expiry"),
        "suppress_notifications": "quiet" in visit.form,
    }
    return {"outbound": direction("outbound"), "inbound": direction("inbound"), "holds": holds}


async def _shown(
    visit: Visit,
    agent: AgentView,
    config: ProtectionConfigView,
    *,
    preview: ProtectionConfig | None = None,
    problem: E2AError | None = None,
) -> Response:
    path = address("protection", agent.email)
    words = [Fact(name, text) for name, text in in_words(config, mailed=not visit.core.settings.sandbox)]
    hold = Form(f"{path}/hold-all", "Hold all outgoing mail", small=True)
    sections = [Section("As you have it now, not saved" if preview else "In words", facts=words)]
    if preview is not None:
        sections += await effect_of(visit, agent.email, preview)
    elif not holds_all(config):
        sections.append(Section(forms=[hold]))
    sections.append(
        Section(
            "Change it",
            forms=[Form(path, "Save", _fields(config), also=[("preview", "Show what it would do")])],
        )
    )
    return await sheet(
        visit,
        agent.email,
        *sections,
        at="protection",
        crumbs=[("Protection", "/protection")],
        lead=f"What {agent.name or agent.email} may do alone.",
        notes=[Note("Nothing is saved yet.", "This is what your change would have done.")] if preview else [],
        problem=problem,
    )


def _fields(config: ProtectionConfigView) -> list[Field]:
    return [*_outbound(config.outbound.gate), *_inbound(config.inbound.gate), *_holds(config.holds)]


def _outbound(gate: ProtectionGateView) -> list[Field]:
    policy, action = gate.policy or "open", gate.action or "flag"
    listed = "\n".join(gate.allowlist or [])
    return [
        Field("outbound_policy", "It may write to", policy, "choice", choices=_POLICIES_OUT),
        Field("outbound_list", "Listed recipients", listed, "area", f"{_LIST_HINT}."),
        Field(
            "outbound_action", "Other mail that it sends", action, "choice", choices=[*ACTIONS_OUT.items()]
        ),
    ]


def _inbound(gate: ProtectionGateView) -> list[Field]:
    policy, action = gate.policy or "open", gate.action or "flag"
    listed, hint = "\n".join(gate.allowlist or []), f"{_LIST_HINT}; domains, if it hears from domains."
    return [
        Field("inbound_policy", "It hears from", policy, "choice", choices=_POLICIES_IN),
        Field("inbound_list", "Listed senders", listed, "area", hint),
        Field("inbound_action", "Other mail to it", action, "choice", choices=[*ACTIONS_IN.items()]),
    ]


def _holds(holds: ProtectionHoldsView) -> list[Field]:
    ttl, ends = holds.ttl_seconds or 0, [("reject", "rejected"), ("approve", "let through")]
    spans = [(str(item), span_words(item)) for item in sorted({*_SPANS, ttl})]
    quiet = bool(holds.suppress_notifications)
    return [
        Field("ttl", "A person has", str(ttl), "choice", choices=spans),
        Field("on_expiry", "If nobody decides, it is", holds.on_expiry or "reject", "choice", choices=ends),
        Field("quiet", "Do not tell the owner by mail", kind="check", on=quiet),
    ]


PAGES = (
    Page("GET", "/protection", agents),
    Page("GET", "/protection/{email}", one),
    Page("POST", "/protection/{email}", save, FORM_OCTETS),
    Page("POST", "/protection/{email}/hold-all", hold_all),
)
