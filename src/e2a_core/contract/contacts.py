"""Contacts, their import, and the outreach of one agent to one contact."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import StringConstraints

from e2a_core.clock import to_micros
from e2a_core.contract.base import Instant, Request, Stated, Timestamp, View

__all__ = [
    "ContactEngagementView",
    "ContactImportItemResult",
    "ContactImportResult",
    "ContactImportRow",
    "ContactQuery",
    "ContactView",
    "CreateContactRequest",
    "DeleteContactResult",
    "DeleteEngagementResult",
    "DeleteImportBatchResult",
    "EmbeddedContactView",
    "EngagementQuery",
    "ImportContactsRequest",
    "UpdateContactRequest",
    "UpsertEngagementRequest",
    "etag_of",
]


class ContactView(View):
    address: str
    created_at: Timestamp
    display_name: str
    import_batch_id: str | None = None
    metadata: dict[str, Any]
    source: str
    updated_at: Timestamp


class EmbeddedContactView(View):
    address: str
    display_name: str
    metadata: dict[str, Any]


class CreateContactRequest(Request):
    address: Annotated[str, StringConstraints(max_length=320), Stated(minLength=3)]
    display_name: Annotated[str, StringConstraints(max_length=320)] | None = None
    metadata: dict[str, Any] | None = None


class UpdateContactRequest(Request):
    display_name: Annotated[str, StringConstraints(max_length=320)] | None = None
    metadata: dict[str, Any] | None = None


class DeleteContactResult(View):
    address: str
    deleted: bool


class ContactImportRow(Request):
    address: str
    display_name: str | None = None
    metadata: dict[str, Any] | None = None


class ImportContactsRequest(Request):
    agent_email: Annotated[str, StringConstraints(max_length=320)] | None = None
    contacts: Annotated[list[ContactImportRow], Stated(minItems=1, maxItems=1000)]
    on_conflict: Annotated[str, Stated(enum=["merge", "skip"])] | None = None
    stage: Annotated[str, StringConstraints(max_length=128)] | None = None


class ContactImportItemResult(View):
    address: str | None = None
    code: str | None = None
    enrolled: bool | None = None
    index: int
    message: str | None = None
    status: str
    suppressed: bool | None = None


class ContactImportResult(View):
    batch_id: str
    created: int
    failed: int
    results: list[ContactImportItemResult]
    skipped: int
    updated: int


class DeleteImportBatchResult(View):
    batch_id: str
    contacts_deleted: int
    contacts_retained: int
    deleted: bool
    engagements_deleted: int


class ContactEngagementView(View):
    nullable: ClassVar[frozenset[str]] = frozenset(
        {"first_outbound_at", "last_inbound_at", "last_outbound_at", "next_action_at"}
    )

    address: str
    agent_email: str
    contact: EmbeddedContactView
    created_at: Timestamp
    first_outbound_at: Timestamp | None = None
    inbound_count: int
    last_conversation_id: str | None = None
    last_inbound_at: Timestamp | None = None
    last_outbound_at: Timestamp | None = None
    metadata: dict[str, Any]
    next_action_at: Timestamp | None = None
    outbound_count: int
    replied: bool
    stage: str
    suppressed: bool
    suppression_reason: str | None = None
    suppression_source: str | None = None
    updated_at: Timestamp


class UpsertEngagementRequest(Request):
    metadata: dict[str, Any] | None = None
    next_action_at: Instant | None = None
    stage: Annotated[str, StringConstraints(max_length=128)] | None = None


class DeleteEngagementResult(View):
    address: str
    deleted: bool


class ContactQuery(Request):
    """The filters of the contact list, as given; instants are RFC 3339."""

    source: str | None = None
    import_batch_id: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    cursor: str | None = None
    limit: int = 100


class EngagementQuery(Request):
    """The filters of an agent's outreach list, as given; instants are RFC 3339."""

    stage: str | None = None
    replied: bool | None = None
    suppressed: bool | None = None
    next_action_before: str | None = None
    last_outbound_before: str | None = None
    cursor: str | None = None
    limit: int = 100


def etag_of(view: ContactView | ContactEngagementView) -> str:
    """The entity tag of this state of a contact or an engagement (RFC 9110 section 8.8.3)."""
    return f'"{to_micros(view.updated_at)}"'
