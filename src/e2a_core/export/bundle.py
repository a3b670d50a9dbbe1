"""The export of an account as one document (schema version 4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from e2a_core.accounts.queries import account_by_id, account_from
from e2a_core.clock import from_micros, to_micros
from e2a_core.contract.export import Message, UserExport, UserExportUser
from e2a_core.core import Core
from e2a_core.errors import NotFound
from e2a_core.export import queries, views
from e2a_core.messages.rows import MessageRow
from e2a_core.store.statement import first

__all__ = ["SCHEMA_VERSION", "export_account", "exported_messages"]

SCHEMA_VERSION = "4"
BATCH = 50
"""Number of messages read at a time, each with its content."""


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
    (
        domains,
        agents,
        counts,
        keys,
        of_account,
        of_agents,
        findings,
        contacts,
        engagements,
        templates,
        delegations,
        webhooks,
        subscriptions,
        people,
        sessions,
        passkeys,
        identities,
        audit_log,
    ) = await core.db.read(
        [
            queries.domains(account_id),
            queries.agents(account_id),
            queries.agent_counts(account_id, to_micros(now - timedelta(days=7))),
            queries.api_keys(account_id),
            queries.suppressions(account_id),
            queries.agent_suppressions(account_id),
            queries.protection_events(account_id),
            queries.contacts(account_id),
            queries.engagements(account_id),
            queries.templates(account_id),
            queries.delegations(account_id),
            queries.webhooks(account_id),
            queries.event_subscriptions(account_id),
            queries.people(account_id),
            queries.sessions(account_id),
            queries.passkeys(account_id),
            queries.identities(account_id),
            queries.audit_log(account_id),
        ]
    )
    by_agent = {item["agent_email"]: item for item in counts}
    further = {
        "contacts": contacts,
        "engagements": engagements,
        "templates": templates,
        "delegations": delegations,
        "webhooks": webhooks,
        "event_subscriptions": subscriptions,
        "people": people,
        "sessions": sessions,
        "passkeys": passkeys,
        "identities": identities,
        "audit_log": audit_log,
    }
    return UserExport(
        schema_version=SCHEMA_VERSION,
        generated_at=now,
        user=UserExportUser(
            id=account.id, email=account.email, name=account.name, created_at=from_micros(account.created_at)
        ),
        domains=[views.domain_entry(item, account_id) for item in domains],
        agents=[views.agent_entry(item, by_agent.get(item["email"])) for item in agents],
        api_keys=[views.api_key_entry(item) for item in keys],
        messages=[message async for message in exported_messages(core, account_id)],
        suppressions=[views.suppression_entry(item) for item in [*of_account, *of_agents]],
        protection_events=[views.protection_entry(item) for item in findings],
        **{name: [views.plain_entry(item) for item in rows] for name, rows in further.items() if rows},
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
