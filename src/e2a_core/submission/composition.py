"""Composing a message (RFC 5322) from a draft, and filling its row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.agents.queries import AgentRow
from e2a_core.contract.states import Delivery
from e2a_core.core import Core
from e2a_core.mail.addresses import Address, parse_address
from e2a_core.mail.attachments import AttachmentMeta, attachments_of
from e2a_core.mail.generate import OutgoingAttachment, OutgoingMessage, generate_message
from e2a_core.mail.threading import child_thread_index
from e2a_core.messages.content import attachments_json, preview
from e2a_core.messages.rows import MessageRow
from e2a_core.submission.addressing import (
    SenderIdentity,
    canonical_recipients,
    is_self_send,
    platform_identity,
    relay_address,
    sender_identity,
)
from e2a_core.submission.draft import Draft
from e2a_core.submission.unsubscribe import UnsubscribeLink, issue_link

__all__ = [
    "Composed",
    "apply_composed",
    "apply_draft",
    "compose",
]


@dataclass(frozen=True, slots=True)
class Composed:
    """The message before it is signed, and the values that its row stores."""

    content: bytes
    message_id: str
    recipients: dict[str, list[str]]
    identity: SenderIdentity
    attachments: Sequence[AttachmentMeta]
    link: UnsubscribeLink | None = None


def compose(core: Core, agent: AgentRow, draft: Draft, *, inside: bool) -> Composed:
    """Composes the message of `draft`; `inside` is True if all recipients are inboxes of this deployment.

    Raises `InvalidRequest` for values that a message cannot contain.
    """
    link = issue_link(core, agent.account_id, agent.email, draft) if draft.unsubscribe else None
    return _compose(core, agent, link.with_footer(draft) if link else draft, link, inside=inside)


def _compose(
    core: Core, agent: AgentRow, draft: Draft, link: UnsubscribeLink | None, *, inside: bool
) -> Composed:
    platform = draft.type == "test"
    identity = (
        platform_identity(core.settings) if platform else sender_identity(core.settings, agent, inside=inside)
    )
    own = {agent.email, relay_address(core.settings)}
    recipients = canonical_recipients(draft, own, keep_own=is_self_send(agent, draft))
    message_id = f"<{core.ids.new('')}@{identity.author.domain}>"
    content = generate_message(
        OutgoingMessage(
            sender=identity.author,
            to=[parse_address(item) for item in draft.to if _kept(item, recipients["to"])],
            cc=[parse_address(item) for item in draft.cc if _kept(item, recipients["cc"])],
            reply_to=[parse_address(item) for item in draft.reply_to]
            or ([] if platform else _default_reply_to(agent, identity)),
            subject=draft.subject,
            text=draft.text or None,
            html=draft.html,
            attachments=[
                OutgoingAttachment(item.filename, item.content_type, item.data, item.content_id)
                for item in draft.attachments
            ],
            in_reply_to=draft.in_reply_to,
            references=draft.references,
            auto_submitted=draft.auto_submitted,
            extra_headers=[*(link.header_fields if link else ()), *_thread_fields(core, draft)],
        ),
        message_id=message_id,
        date=core.clock.now(),
        boundary=lambda: core.ids.new(""),
    )
    # Pictures are before files there, and types and names are those that a message can have.
    attachments = attachments_of(content) if draft.attachments else []
    return Composed(content, message_id, recipients, identity, attachments, link)


def _thread_fields(core: Core, draft: Draft) -> list[tuple[str, str]]:
    """The fields by which desktop Outlook puts an answer into its conversation."""
    index = child_thread_index(draft.thread_index, core.clock.now()) if draft.thread_index else None
    fields = [("Thread-Topic", draft.thread_topic)] if draft.thread_topic else []
    return [*fields, *([("Thread-Index", index)] if index else [])]


def apply_draft(row: MessageRow, draft: Draft) -> None:
    """Fills the columns that show a draft before it is composed."""
    row.type = draft.type
    row.to_addresses, row.cc, row.bcc = draft.to, draft.cc, draft.bcc
    row.reply_to = draft.reply_to
    row.delivered_to = draft.to[0] if draft.to else ""
    row.subject = draft.subject
    row.submission.scheduled_at = draft.send_at
    row.preview = preview(draft.text)
    row.attachments = [
        {
            "index": index,
            "filename": item.filename,
            "content_type": item.content_type.partition(";")[0].strip().lower(),
            "size_bytes": len(item.data),
        }
        for index, item in enumerate(draft.attachments)
    ]


def apply_composed(row: MessageRow, composed: Composed, draft: Draft) -> None:
    """Fills the columns that describe a composed message, and marks it accepted."""
    apply_draft(row, draft)
    row.attachments = attachments_json(composed.attachments)
    row.to_addresses, row.cc = composed.recipients["to"], composed.recipients["cc"]
    row.bcc = composed.recipients["bcc"]
    row.delivered_to = row.to_addresses[0] if row.to_addresses else ""
    row.header_from = composed.identity.author.addr_spec
    row.sender = row.agent_email
    row.email_message_id = composed.message_id
    row.content_hash = hashlib.sha256(composed.content).hexdigest()
    row.size_bytes = len(composed.content)
    row.submission.sent_as = composed.identity.sent_as
    row.submission.delivery_status = Delivery.ACCEPTED


def _kept(text: str, addresses: list[str]) -> bool:
    return parse_address(text).normalized in addresses


def _default_reply_to(agent: AgentRow, identity: SenderIdentity) -> list[Address]:
    """The agent's address for mail sent under the relay's address, else nothing."""
    return [] if identity.sent_as == "own_address" else [parse_address(agent.email)]
