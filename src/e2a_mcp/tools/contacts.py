"""Contacts of the account, one by one and by import."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from e2a_core.contract.contacts import (
    ContactEngagementView,
    ContactImportResult,
    ContactImportRow,
    ContactQuery,
    ContactView,
    CreateContactRequest,
    DeleteContactResult,
    DeleteImportBatchResult,
    ImportContactsRequest,
    UpdateContactRequest,
    etag_of,
)
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, Email, PageArguments
from e2a_mcp.tools.outputs import TEXT, listed, listing

__all__ = ["TOOLS", "IfMatch", "Metadata", "tagged"]

# What an import of this size needs in a model's context is more than most have; the API takes larger ones.
MAX_ROWS = 500

Metadata = dict[str, Any]
IfMatch = Annotated[str, Field(max_length=200, description="etag read before: write only if unchanged")]


class ListContacts(PageArguments):
    source: str | None = None
    import_batch_id: str | None = None
    created_after: str | None = None
    created_before: str | None = None


class GetContact(Arguments):
    address: Email


class CreateContact(GetContact):
    display_name: str | None = None
    metadata: Metadata | None = None


class UpdateContact(CreateContact):
    if_match: IfMatch | None = None


class DeleteContact(GetContact):
    confirm: Confirmed


class Row(Arguments):
    address: str
    display_name: str | None = None
    metadata: Metadata | None = None


class ImportContacts(Arguments):
    contacts: Annotated[list[Row], Field(min_length=1, max_length=MAX_ROWS)]
    on_conflict: Literal["merge", "skip"] | None = None
    agent_email: Annotated[str, Field(description="enrol them in this inbox's outreach")] | None = None
    stage: str | None = None


class DeleteImport(Arguments):
    batch_id: Annotated[str, Field(min_length=1)]
    confirm: Confirmed


def tagged(view: ContactView | ContactEngagementView) -> Reply:
    """The record with its entity tag: the deployment's own where it said one, else the one made from the state."""
    structured = view.to_wire()
    structured.setdefault("etag", etag_of(view))
    return Reply(structured)


async def list_contacts(call: Call, arguments: ListContacts) -> Reply:
    page = await call.session.contacts.list(ContactQuery(**arguments.model_dump(exclude_none=True)))
    return listed("contacts", page)


async def get_contact(call: Call, arguments: GetContact) -> Reply:
    return tagged(await call.session.contacts.get(arguments.address))


async def create_contact(call: Call, arguments: CreateContact) -> Reply:
    request = CreateContactRequest(**arguments.model_dump(exclude_none=True))
    return tagged(await call.session.contacts.create(request))


async def update_contact(call: Call, arguments: UpdateContact) -> Reply:
    given = arguments.model_dump(exclude={"address", "if_match"}, exclude_none=True)
    view = await call.session.contacts.update(
        arguments.address, UpdateContactRequest(**given), if_match=arguments.if_match
    )
    return tagged(view)


async def delete_contact(call: Call, arguments: DeleteContact) -> Reply:
    return Reply((await call.session.contacts.delete(arguments.address)).to_wire())


async def import_contacts(call: Call, arguments: ImportContacts) -> Reply:
    rows = [ContactImportRow(**row.model_dump(exclude_none=True)) for row in arguments.contacts]
    given = arguments.model_dump(exclude={"contacts"}, exclude_none=True)
    result = await call.session.contacts.import_rows(ImportContactsRequest(contacts=rows, **given))
    return Reply(result.to_wire())


async def delete_import_batch(call: Call, arguments: DeleteImport) -> Reply:
    return Reply((await call.session.contacts.delete_import(arguments.batch_id)).to_wire())


_CONTACT = view_properties(ContactView)
_TAGGED = object_schema({**_CONTACT, "etag": TEXT}, ["address", "etag"])

TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "list_contacts",
        "List contacts",
        "People the account writes to. created_after and created_before are RFC 3339.",
        ListContacts,
        listing("contacts", object_schema(_CONTACT, ["address"])),
        list_contacts,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "get_contact",
        "Show a contact",
        "One contact with its etag.",
        GetContact,
        _TAGGED,
        get_contact,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "create_contact",
        "Add a contact",
        "Add one contact; metadata is flat.",
        CreateContact,
        _TAGGED,
        create_contact,
        Hints(),
    ),
    Tool(
        "update_contact",
        "Change a contact",
        "Change what is given; metadata is replaced as a whole.",
        UpdateContact,
        _TAGGED,
        update_contact,
        Hints(idempotent=True),
    ),
    Tool(
        "delete_contact",
        "Delete a contact",
        "Delete a contact and its outreach.",
        DeleteContact,
        object_schema(view_properties(DeleteContactResult), ["deleted", "address"]),
        delete_contact,
        Hints(destructive=True, idempotent=True),
    ),
    Tool(
        "import_contacts",
        "Import contacts",
        f"Add up to {MAX_ROWS} contacts in one batch; each row has its own result. An import is not consent.",
        ImportContacts,
        object_schema(view_properties(ContactImportResult), ["batch_id", "results"]),
        import_contacts,
        Hints(),
    ),
    Tool(
        "delete_import_batch",
        "Undo an import",
        "Remove what an import added and nobody touched since.",
        DeleteImport,
        object_schema(view_properties(DeleteImportBatchResult), ["deleted", "batch_id"]),
        delete_import_batch,
        Hints(destructive=True, idempotent=True),
    ),
)
