"""Contacts of the account, one by one and by import."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from e2a_core.contract.contacts import ContactImportRow
from e2a_mcp.schema import Arguments
from e2a_mcp.tool import Tool
from e2a_mcp.tools.arguments import IfUnchanged
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS"]

MAX_ROWS = 500
"""Rows of one import. More would not fit into most contexts; the API takes more."""


class ImportContacts(Arguments):
    contacts: Annotated[list[ContactImportRow], Field(min_length=1, max_length=MAX_ROWS)]
    on_conflict: Literal["merge", "skip"] | None = None
    agent_email: Annotated[str, Field(description="enrol them in this inbox's outreach")] | None = None


TOOLS: tuple[Tool[Any], ...] = (
    pass_through("list_contacts", ["address"], rows="contacts"),
    pass_through("get_contact", ["address", "etag"]),
    pass_through("create_contact", ["address", "etag"]),
    pass_through("update_contact", ["address", "etag"], narrowed=IfUnchanged),
    pass_through("delete_contact", ["deleted", "address"]),
    pass_through("import_contacts", ["batch_id", "results"], narrowed=ImportContacts),
    pass_through("delete_import_batch", ["deleted", "batch_id"]),
)
