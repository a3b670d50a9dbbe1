"""`e2a domains`: domains of the account, and the records to publish for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import App, Parameter

from e2a_core.contract.domains import DNSRecord, DomainView
from e2a_core.errors import NotFound, SettingsError
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act
from e2a_mcp.program.commands.derive import Verb, add

__all__ = ["domains"]

SEGMENT = 255
"""Octets of one character string of a TXT record (RFC 1035 section 3.3)."""


def _records(domain: DomainView) -> Iterator[str]:
    """The records as a zone file has them (RFC 1035 section 5), with the state of each as a comment."""
    for record in domain.dns_records:
        yield _record(record)


def _record(record: DNSRecord) -> str:
    value = record.value
    if record.type == "TXT":
        parts = [value[start : start + SEGMENT] for start in range(0, len(value), SEGMENT)]
        value = " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)
    elif record.priority is not None:
        value = f"{record.priority} {value.rstrip('.')}."
    return f"{record.name.rstrip('.')}. {record.type} {value} ; {record.purpose}: {record.status}"


domains = App(name="domains")
add(
    domains,
    "domains",
    Verb(
        name="list", operation="list_domains", shown=("domain", "verified", "sending_status", "agent_count")
    ),
    Verb(name="get", operation="get_domain"),
    Verb(name="register", operation="register_domain", arguments=("domain",), shown=_records),
    Verb(name="verify", operation="verify_domain"),
    Verb(name="delete", operation="delete_domain"),
    Verb(name="rotate-key", operation="rotate_domain_key", shown=_records),
)


@domains.command
def records(
    domain: Annotated[
        str | None, Parameter(help="A registered domain; the shared domain of the home if left out.")
    ] = None,
    /,
    *,
    where: Where = HERE,
) -> int:
    """Print the DNS records to publish, as lines of a zone file."""

    async def work(it: Acting) -> None:
        shared = it.settings.shared_domain
        if domain is not None and (it.settings.remote or domain.lower().rstrip(".") != shared):
            found = (await it.session.domains.get(domain)).dns_records
        elif it.settings.remote:
            raise SettingsError(
                "name the domain: the records of a shared domain are its deployment's to tell"
            )
        else:
            found = [await _shared_key(it)]
        it.output.many(found, lambda record: [_record(record)], empty="no records")

    return act(where, work)


async def _shared_key(it: Acting) -> DNSRecord:
    """The DKIM record of the shared domain; its key is made if there is none. Raises `NotFound` without one."""
    from e2a_core.domains.dkim import SigningKeys
    from e2a_core.local.engine import LocalEngine

    signing = None
    if isinstance(it.engine, LocalEngine) and it.settings.shared_domain:
        signing = await SigningKeys(it.engine.core).current(it.settings.shared_domain)
    if signing is None:
        raise NotFound("this home has no shared domain with a key")
    return DNSRecord(
        name=f"{signing.selector}._domainkey.{signing.domain}",
        type="TXT",
        value=signing.key.dns_record(),
        purpose="dkim",
        status="not checked",
    )
