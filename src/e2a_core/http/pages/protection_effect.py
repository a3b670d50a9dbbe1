"""What a change of protection would have done with the last mail, judged as mail is when it is sent or comes in."""

from __future__ import annotations

from dataclasses import dataclass

from e2a_core.agents.lookup import resolve_agent
from e2a_core.agents.queries import AgentRow
from e2a_core.contract.message_views import MessageSummaryView
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.contract.states import Direction
from e2a_core.http.pages.mail_words import item_of
from e2a_core.http.pages.protection_words import ACTIONS_IN, ACTIONS_OUT
from e2a_core.http.pages.sheet import Item, Section, read
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import count_words
from e2a_core.messages.queries import hidden_recipients
from e2a_core.messages.rows import load_json
from e2a_core.protection.config import gate_of
from e2a_core.screening.gates import sender_gate
from e2a_core.submission.admission import REPLIES_PER_HOUR, answers_elsewhere, screen
from e2a_core.visible import sentence

__all__ = ["preview"]

PREVIEWED = 50
"""Messages of each direction that a preview looks at."""
SHOWN = 8

_AUTHENTICATED = frozenset({"verified", "partial"})
_JUDGED_OUT = (
    "Judged by To, Cc, Bcc and Reply-To. Texts are not scanned, and answers to a machine beyond "
    f"{REPLIES_PER_HOUR} an hour wait for a person whatever you choose."
)
_JUDGED_IN = "Judged by the address in From and whether it is proven. Texts are not scanned."


@dataclass(frozen=True, slots=True)
class _Effect:
    """How many messages were looked at, and those that would not have passed, each with the reason."""

    looked_at: int
    caught: list[tuple[MessageSummaryView, str]]


async def preview(visit: Visit, email: str, config: ProtectionConfig) -> list[Section]:
    """A section for sent mail and one for received mail. Raises `NotFound`."""
    agent = await resolve_agent(visit.core, visit.session.principal, email)
    return [
        _section("sent", config.outbound.gate.action, _JUDGED_OUT, email, await _sent(visit, agent, config)),
        _section(
            "received", config.inbound.gate.action, _JUDGED_IN, email, await _received(visit, email, config)
        ),
    ]


async def _sent(visit: Visit, agent: AgentRow, config: ProtectionConfig) -> _Effect:
    views = await _last(visit, agent.email, Direction.OUTBOUND)
    rows = await visit.core.db.read(hidden_recipients(agent.email, [view.id for view in views]))
    hidden = {row["id"]: load_json(row["bcc"]) or [] for row in rows}
    gate, caught = gate_of(config.outbound.gate), []
    for view in views:
        elsewhere = answers_elsewhere(agent, view.reply_to or [])
        addressed = [*view.to, *(view.cc or []), *hidden.get(view.id, []), *elsewhere]
        finding = await screen(visit.core, agent, addressed, gate)
        if finding is not None:
            caught.append((view, finding.detail))
    return _Effect(len(views), caught)


async def _received(visit: Visit, email: str, config: ProtectionConfig) -> _Effect:
    views = await _last(visit, email, Direction.INBOUND)
    gate, caught = gate_of(config.inbound.gate), []
    for view in views:
        proven = view.verdict in _AUTHENTICATED
        relays = visit.core.settings.relay_domains
        finding = sender_gate(gate, author=view.header_from, dmarc_pass=proven, relay_domains=relays)
        if finding is not None:
            caught.append((view, finding.detail))
    return _Effect(len(views), caught)


async def _last(visit: Visit, email: str, direction: Direction) -> list[MessageSummaryView]:
    given = {"direction": direction, "read_status": "all", "limit": PREVIEWED}
    return (await visit.session.messages.list(email, read(visit, MessageQuery, given))).items


def _section(what: str, action: str, judged: str, email: str, found: _Effect) -> Section:
    title = f"Of the last {count_words(found.looked_at, 'message')} {what}, {len(found.caught)} would not have passed"
    happens = (ACTIONS_OUT if what == "sent" else ACTIONS_IN).get(action, action)
    lead = f"Such mail {happens}. {judged}" if found.caught else judged
    items = []
    for view, why in found.caught[:SHOWN]:
        item = item_of(email, view)
        items.append(Item(item.title, item.path, item.what, sentence(why), at=item.at, strong=False))
    return Section(title, lead, items=items or None)
