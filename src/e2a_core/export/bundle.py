"""The export of an account as one document (schema version 4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta

from e2a_core.accounts.queries import account_by_id, account_from
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.export import Message, UserExport, UserExportUser
from e2a_core.core import Core
from e2a_core.errors import NotFound
from e2a_core.export import queries, views
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import Statement, first

__all__ = ["SCHEMA_VERSION", "export_account", "exported_messages"]

SCHEMA_VERSION = "4"
BATCH = 50
"""Number of messages read at a time, each with its content."""

Select = Callable[[str], Statement]
_OWN: Mapping[str, Select] = {
    "domains": queries.domains,
    "agents": queries.agents,
    "api_keys": queries.api_keys,
    "suppressions": queries.suppressions,
    "agent_suppressions": queries.agent_suppressions,
    "protection_events": queries.protection_events,
}
_FURTHER: Mapping[str, Select] = {
    "contacts": queries.contacts,
    "engagements": queries.engagements,
    "templates": queries.templates,
    "delegations": queries.delegations,
    "webhooks": queries.webhooks,
    "event_subscriptions": queries.event_subscriptions,
    "people": queries.people,
    "sessions": queries.sessions,
    "passkeys": queries.passkeys,
    "identities": queries.identities,
    "audit_log": queries.audit_log,
}
"""Exported as they are stored, in the members of the same names."""


async def export_account(core: Core, account_id: str) -> UserExport:
    """Exports the account, including trashed items, without secrets. Raises `NotFound`.

    Contacts, outreach, templates, delegations, webhooks, event subscriptions, people, their sessions and passkeys, and
    the audit log are in additional members, which readers of version 4 ignore. Changes during the export may or may not
    be included.
    """
    now = core.clock.now()
    row = first(await core.db.read(account_by_id(account_id)))
    if row is None:
        raise NotFound("no such account")
    account = account_from(row)
    selects = {name: select(account_id) for name, select in {**_OWN, **_FURTHER}.items()}
    recent = queries.agent_counts(account_id, to_micros(now - timedelta(days=7)))
    counts, *members = await core.db.read([recent, *selects.values()])
    found = dict(zip(selects, members, strict=True))
    by_agent = {item["agent_email"]: item for item in counts}
    suppressed = [*found["suppressions"], *found["agent_suppressions"]]
    return UserExport(
        schema_version=SCHEMA_VERSION,
        generated_at=now,
        user=UserExportUser(
            id=account.id, email=account.email, name=account.name, created_at=from_micros(account.created_at)
        ),
        domains=[views.domain_entry(item, account_id) for item in found["domains"]],
        agents=[views.agent_entry(item, by_agent.get(item["email"])) for item in found["agents"]],
        api_keys=[views.api_key_entry(item) for item in found["api_keys"]],
        messages=[message async for message in exported_messages(core, account_id)],
        suppressions=[views.suppression_entry(item) for item in suppressed],
        protection_events=[views.protection_entry(item) for item in found["protection_events"]],
        **{name: [views.plain_entry(item) for item in found[name]] for name in _FURTHER if found[name]},
    )


async def exported_messages(core: Core, account_id: str) -> AsyncIterator[Message]:
    """Yields the account's messages in the order they were stored, with at most `BATCH` in memory."""
    position = 0
    while rows := await core.db.read(queries.messages_after(account_id, position, BATCH)):
        for row in rows:
            members = dict(row)
            content = members.pop("content")
            message = MessageRow.from_store(members)
            yield views.message_entry(message, None if content is None else bytes(content))
            position = message.seq
