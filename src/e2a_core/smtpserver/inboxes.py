"""Reads what delivery needs to know about the inboxes of a message, in one read of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from e2a_core.agents import queries as agent_queries
from e2a_core.agents.queries import AgentRow, agent_from
from e2a_core.agents.roles import open_mailboxes
from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.delegations import queries as delegation_queries
from e2a_core.delegations.queries import DelegationRow, delegation_from
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.parse import ParsedMessage
from e2a_core.mail.roles import is_account_only
from e2a_core.mail.threading import lookup_ids
from e2a_core.messages import queries as message_queries
from e2a_core.smtpserver.session import Recipient
from e2a_core.store.statement import Row, Statement
from e2a_core.texts import is_storable

__all__ = ["Inboxes", "look_up"]


@dataclass(frozen=True, slots=True)
class Inboxes:
    """The agents of recipients and author, and what concerns this message, all by the agent's address.

    `ancestors` are the messages that this one answers, nearest first. `delegations` are those to the message's verified
    author. `holders` are the inboxes that already have the message.
    """

    agents: Mapping[str, AgentRow]
    ancestors: Mapping[str, Sequence[Row]]
    delegations: Mapping[str, DelegationRow]
    holders: frozenset[str]


async def look_up(
    core: Core,
    parsed: ParsedMessage,
    recipients: Sequence[Recipient],
    *,
    author: str | None,
    verified: bool,
    dedupe_key: str | None,
) -> Inboxes:
    """Read the inboxes of `recipients`.

    Pass `author` as well, since the author may be an agent; delegations are read only if the author is `verified`.
    `dedupe_key` finds inboxes that already have the message; None finds none.
    """
    names = sorted({item.agent for item in recipients})
    await open_mailboxes(core, names)
    refs = lookup_ids(parsed.in_reply_to, parsed.references)
    human = normalize_addr_spec(parsed.author.normalized) if verified and parsed.author else ""
    now = to_micros(core.clock.now())
    threads = [message_queries.find_threads(name, refs) for name in names] if refs else []
    bindings = _bindings(names, human, now)
    agents, holders, *found = await core.db.read(
        [
            agent_queries.agents_named(names if author is None else sorted({*names, author})),
            message_queries.by_dedupe_key(dedupe_key or "", names),
            *threads,
            *bindings,
        ]
    )
    bound = found[len(threads) :]
    return Inboxes(
        agents={row["email"]: agent_from(row) for row in agents},
        ancestors={
            name: _nearest_first(refs, rows) for name, rows in zip(names, found, strict=False) if threads
        },
        delegations={
            name: delegation_from(rows[0]) for name, rows in zip(names, bound, strict=False) if rows
        },
        holders=frozenset(row["agent_email"] for row in holders),
    )


def _bindings(names: Sequence[str], human: str, now: int) -> list[Statement]:
    if not human or not is_storable(human):
        return []
    return [delegation_queries.active(name, human, now) for name in names if not is_account_only(name)]


def _nearest_first(refs: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """One row for each known id; of several rows with the same id, the first (newest)."""
    known = {row["ref"]: row for row in reversed(rows)}
    return [known[ref] for ref in refs if ref in known]
