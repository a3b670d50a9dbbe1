"""Domains of the account: what to publish, and whether it was."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from e2a_core.contract.domains import (
    DeleteDomainResult,
    DomainView,
    RegisterDomainRequest,
    VerifyDomainView,
)
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, PageArguments
from e2a_mcp.tools.outputs import listed, listing

__all__ = ["TOOLS"]


class NamedDomain(Arguments):
    domain: Annotated[str, Field(min_length=1, max_length=255)]


class DeleteDomain(NamedDomain):
    confirm: Confirmed


async def list_domains(call: Call, arguments: PageArguments) -> Reply:
    page = await call.session.domains.list(cursor=arguments.cursor, limit=arguments.limit)
    return listed("domains", page)


async def get_domain(call: Call, arguments: NamedDomain) -> Reply:
    return Reply((await call.session.domains.get(arguments.domain)).to_wire())


async def register_domain(call: Call, arguments: NamedDomain) -> Reply:
    request = RegisterDomainRequest(domain=arguments.domain)
    return Reply((await call.session.domains.register(request)).to_wire())


async def verify_domain(call: Call, arguments: NamedDomain) -> Reply:
    return Reply((await call.session.domains.verify(arguments.domain)).to_wire())


async def delete_domain(call: Call, arguments: DeleteDomain) -> Reply:
    return Reply((await call.session.domains.delete(arguments.domain)).to_wire())


async def rotate_domain_key(call: Call, arguments: NamedDomain) -> Reply:
    return Reply((await call.session.domains.rotate_key(arguments.domain)).to_wire())


_DOMAIN = object_schema(view_properties(DomainView), ["domain", "verified", "dns_records"])

TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "list_domains",
        "List domains",
        "The account's domains.",
        PageArguments,
        listing("domains", _DOMAIN),
        list_domains,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "get_domain",
        "Show a domain",
        "A domain with the DNS records to publish, unaltered, and the state of each.",
        NamedDomain,
        _DOMAIN,
        get_domain,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "register_domain",
        "Register a domain",
        "Claim a domain for inboxes of one's own. Answers with the DNS records to publish.",
        NamedDomain,
        _DOMAIN,
        register_domain,
        Hints(idempotent=True),
    ),
    Tool(
        "verify_domain",
        "Verify a domain",
        "Look the records up now. DNS changes take minutes to hours: do not poll.",
        NamedDomain,
        object_schema(view_properties(VerifyDomainView), ["domain", "verified"]),
        verify_domain,
        Hints(idempotent=True),
    ),
    Tool(
        "delete_domain",
        "Delete a domain",
        "Give a domain up; refused while inboxes, trashed ones too, are under it.",
        DeleteDomain,
        object_schema(view_properties(DeleteDomainResult), ["deleted", "domain"]),
        delete_domain,
        Hints(destructive=True, idempotent=True),
    ),
    Tool(
        "rotate_domain_key",
        "Replace a DKIM key",
        "Make a new DKIM key; the present one signs until the new one's record is found in the DNS.",
        NamedDomain,
        _DOMAIN,
        rotate_domain_key,
        Hints(),
    ),
)
