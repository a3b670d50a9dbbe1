"""Contacts, their import, and an agent's outreach to a contact."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Protocol

from pydantic import StringConstraints

from e2a_core.clock import to_micros
from e2a_core.contract.base import Instant, Moment, Page, Query, Request, Stated, Timestamp, View
from e2a_core.contract.operation import READS, REPEATS, Access, Confirm, Hints, Outcome, Tool, operation
from e2a_core.contract.parameters import Cursor, IdempotencyKey, IfMatch, Limit
from e2a_core.errors import (
    Conflict,
    ContactNotFound,
    EngagementNotFound,
    IdempotencyInFlight,
    IdempotencyKeyReuse,
    ImportBatchNotFound,
    InvalidCursor,
    InvalidFilter,
    InvalidRecipient,
    NotFound,
    PreconditionFailed,
)

__all__ = [
    "Contacts",
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


class ContactQuery(Query):
    """Filters of the contact list, as given. Instants are RFC 3339."""

    source: str | None = None
    import_batch_id: str | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    cursor: Cursor = None
    limit: Limit = 100


class EngagementQuery(Query):
    """Filters of an agent's outreach list, as given. Instants are RFC 3339."""

    stage: str | None = None
    replied: bool | None = None
    suppressed: bool | None = None
    next_action_before: Moment | None = None
    last_outbound_before: Moment | None = None
    cursor: Cursor = None
    limit: Limit = 100


def etag_of(view: ContactView | ContactEngagementView) -> str:
    """Returns the entity tag of a contact or an engagement (RFC 9110 section 8.8.3)."""
    return f'"{to_micros(view.updated_at)}"'


UPSERTED = Outcome((200, 201), lambda view: 201 if view.created_at == view.updated_at else 200)
"""201 if the call created the outreach, 200 if it changed one."""


class Contacts(Protocol):
    """Contacts of the account and the outreach of agents to them.

    `if_match` is an entity tag from `etag_of`. Raises `PreconditionFailed` if the contact or engagement has changed.
    """

    @operation(
        "GET",
        "/v1/contacts",
        id="list_contacts",
        errors=(InvalidCursor, InvalidFilter),
        tool=Tool(
            "List contacts",
            "People the account writes to. created_after and created_before are RFC 3339.",
            READS,
        ),
    )
    async def list(self, query: ContactQuery) -> Page[ContactView]:
        """List the people the account writes to."""

    @operation(
        "POST",
        "/v1/contacts",
        id="create_contact",
        answer=201,
        tagged=True,
        errors=(Conflict, IdempotencyInFlight, IdempotencyKeyReuse, InvalidRecipient),
        tool=Tool("Add a contact", "Add one contact; metadata is flat."),
    )
    async def create(
        self, request: CreateContactRequest, *, idempotency_key: IdempotencyKey = None
    ) -> ContactView:
        """Add a contact. `metadata` is a flat object."""

    @operation(
        "POST",
        "/v1/contacts/import",
        id="import_contacts",
        slow=True,
        errors=(IdempotencyInFlight, IdempotencyKeyReuse, NotFound),
        tool=Tool(
            "Import contacts",
            "Add up to 500 contacts in one batch; each row has its own result. An import is not consent.",
        ),
    )
    async def import_rows(
        self, request: ImportContactsRequest, *, idempotency_key: IdempotencyKey = None
    ) -> ContactImportResult:
        """Add contacts in one batch. Each row has its own result."""

    @operation(
        "DELETE",
        "/v1/contacts/imports/{batch_id}",
        id="delete_import_batch",
        confirm=Confirm.ALWAYS,
        errors=(ImportBatchNotFound,),
        tool=Tool(
            "Undo an import",
            "Remove the contacts an import added, unless changed since.",
            Hints(destructive=True, idempotent=True),
        ),
    )
    async def delete_import(self, batch_id: str) -> DeleteImportBatchResult:
        """Remove the contacts that an import added, except those changed since."""

    @operation(
        "GET",
        "/v1/contacts/{address}",
        id="get_contact",
        tagged=True,
        errors=(ContactNotFound,),
        tool=Tool("Show a contact", "One contact with its etag.", READS),
    )
    async def get(self, address: str) -> ContactView:
        """Get one contact with its entity tag."""

    @operation(
        "PATCH",
        "/v1/contacts/{address}",
        id="update_contact",
        tagged=True,
        errors=(ContactNotFound, PreconditionFailed),
        tool=Tool("Change a contact", "Change the fields given; metadata is replaced as a whole.", REPEATS),
    )
    async def update(
        self, address: str, request: UpdateContactRequest, *, if_match: IfMatch = None
    ) -> ContactView:
        """Change the fields given. `metadata` is replaced as a whole."""

    @operation(
        "DELETE",
        "/v1/contacts/{address}",
        id="delete_contact",
        confirm=Confirm.ALWAYS,
        errors=(ContactNotFound,),
        tool=Tool(
            "Delete a contact", "Delete a contact and its outreach.", Hints(destructive=True, idempotent=True)
        ),
    )
    async def delete(self, address: str) -> DeleteContactResult:
        """Delete a contact and the outreach to it."""

    @operation(
        "GET",
        "/v1/agents/{email}/contacts",
        id="list_engagements",
        access=Access.AGENT,
        errors=(InvalidCursor, InvalidFilter, NotFound),
        tool=Tool(
            "List outreach",
            "The contacts an inbox writes to. To follow up: replied false, with next_action_before and "
            "last_outbound_before both given.",
            READS,
        ),
    )
    async def engagements(self, email: str, query: EngagementQuery) -> Page[ContactEngagementView]:
        """List the contacts an inbox is in touch with."""

    @operation(
        "GET",
        "/v1/agents/{email}/contacts/{address}",
        id="get_engagement",
        access=Access.AGENT,
        tagged=True,
        errors=(EngagementNotFound, NotFound),
        tool=Tool(
            "Show outreach to a contact",
            "One inbox's outreach to one contact: stage, last mail, reply.",
            READS,
        ),
    )
    async def engagement(self, email: str, address: str) -> ContactEngagementView:
        """Get the outreach of an inbox to one contact."""

    @operation(
        "PUT",
        "/v1/agents/{email}/contacts/{address}",
        id="upsert_engagement",
        access=Access.AGENT,
        answer=UPSERTED,
        tagged=True,
        errors=(ContactNotFound, NotFound, PreconditionFailed),
        tool=Tool("Note outreach to a contact", "Enrol a contact, or change the fields given.", REPEATS),
    )
    async def upsert_engagement(
        self, email: str, address: str, request: UpsertEngagementRequest, *, if_match: IfMatch = None
    ) -> ContactEngagementView:
        """Enrol a contact in the outreach of an inbox, or change the fields given."""

    @operation(
        "DELETE",
        "/v1/agents/{email}/contacts/{address}",
        id="delete_engagement",
        access=Access.AGENT,
        confirm=Confirm.ALWAYS,
        errors=(EngagementNotFound, NotFound),
        tool=Tool(
            "End outreach to a contact",
            "Delete the outreach; the contact stays.",
            Hints(destructive=True, idempotent=True),
        ),
    )
    async def delete_engagement(self, email: str, address: str) -> DeleteEngagementResult:
        """Delete the outreach of an inbox to a contact. The contact stays."""
