"""The domains of a home: which there are, what the world sees of them, and of the host that receives their mail."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import dns.reversename

from e2a_core.authentication.resolver import Resolver
from e2a_core.clock import Clock
from e2a_core.domains.records import domain_view
from e2a_core.domains.sending import sending_status
from e2a_core.settings import Settings
from e2a_mcp.program.doctor.finding import Finding, fail, passed, quoted, skip, warn
from e2a_mcp.program.doctor.limits import MAX_DOMAINS
from e2a_mcp.program.doctor.lookups import look, resolver_of, unanswered, unanswered_advice
from e2a_mcp.program.doctor.records import check_records
from e2a_mcp.program.doctor.store import StoredDomain, StoreFacts

__all__ = ["check_domains", "check_sending", "no_domains", "not_registered", "too_many"]

OWN_NAMES = ("localhost", "test", "invalid", "local", "internal")
"""Top-level names that only one machine or network knows (RFC 6761, RFC 6762, ICANN's `internal`)."""
_HERE = tuple(
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
    )
) + tuple(ipaddress.ip_network(block) for block in ("::/127", "fc00::/7", "fe80::/10"))
"""Addresses to which no mail comes from outside."""


async def check_domains(settings: Settings, facts: StoreFacts, clock: Clock, only: str = "") -> list[Finding]:
    """The mail host and up to `MAX_DOMAINS` domains; `only` names one of them."""
    chosen = [stored for stored in facts.domains if only in ("", stored.row.domain)]
    if not chosen:
        return [not_registered(only) if only else no_domains()]
    if not settings.dns_verify:
        return [_unchecked()]
    resolver = resolver_of(settings, clock)
    try:
        seen = await asyncio.gather(
            _host(resolver, settings.hostname),
            *(_domain(resolver, settings, stored) for stored in chosen[:MAX_DOMAINS]),
        )
    finally:
        await resolver.aclose()
    more = [too_many()] if len(chosen) > MAX_DOMAINS else []
    return [*(finding for part in seen for finding in part), *more]


def _is_public_name(name: str) -> bool:
    return "." in name and name.rpartition(".")[2] not in OWN_NAMES


def not_registered(domain: str) -> Finding:
    return fail(
        "domain.registered",
        "not_registered",
        "is not registered here",
        f"e2a domains register {quoted(domain)}, or correct --domain",
        target=domain,
    )


def no_domains() -> Finding:
    return skip("domain.registered", "no_domains", "there are none")


def too_many() -> Finding:
    return warn(
        "domain.registered",
        "too_many_domains",
        f"looked at the first {MAX_DOMAINS} domains only",
        "look at another one with --domain",
    )


def _unchecked() -> Finding:
    return skip(
        "domain.registered",
        "dns_not_checked",
        "E2A_DNS_VERIFY is off, so every domain counts as proven",
        fix="unset E2A_DNS_VERIFY to have the DNS looked at",
    )


async def _domain(resolver: Resolver, settings: Settings, stored: StoredDomain) -> list[Finding]:
    domain, shared = stored.row.domain, stored.row.account_id is None
    if not _is_public_name(domain):
        return [
            skip(
                "domain.registered",
                "not_public",
                "is for trying things out; no other host can send mail to it",
                target=domain,
            )
        ]
    prescribed = domain_view(settings, stored.row, stored.keys).dns_records
    if shared:
        prescribed = [record for record in prescribed if record.purpose != "ownership"]
    found = await check_records(resolver, domain, prescribed)
    return [_registered(stored), *found, *([] if shared else [_sending(stored)])]


def _registered(stored: StoredDomain) -> Finding:
    domain = stored.row.domain
    if stored.row.account_id is None:
        return passed("domain.registered", "is the domain of this deployment", target=domain)
    if stored.row.verified_at is None:
        return warn(
            "domain.registered",
            "not_verified",
            "is registered, but not verified: there are no inboxes under it yet",
            f"publish what e2a domains records {domain} prints, then e2a domains verify {domain}",
            target=domain,
        )
    return passed("domain.registered", "is verified", target=domain)


def _sending(stored: StoredDomain) -> Finding:
    status = sending_status(stored.row, stored.keys)
    return check_sending(stored.row.domain, status, stored.row.sending_failure or "")


def check_sending(domain: str, status: str, why: str) -> Finding:
    """Whether receivers could verify mail of the domain when it was last looked at."""
    id = "domain.sending"
    if status == "verified":
        return passed(id, "receivers can verify its mail", target=domain)
    if status == "failed":
        return fail(
            id,
            "sending_failed",
            quoted(why) or "receivers cannot verify its mail",
            f"publish the DKIM record, then e2a domains verify {quoted(domain)}",
            target=domain,
        )
    if status == "pending":
        return warn(
            id,
            "sending_pending",
            "its DKIM record was not found yet",
            f"publish the DKIM record, then e2a domains verify {quoted(domain)}",
            target=domain,
        )
    return skip(id, "sending_not_provisioned", "sends once it is verified", target=domain)


async def _host(resolver: Resolver, host: str) -> list[Finding]:
    """The addresses that the MX leads to, and whether each has the host's name (RFC 1912 section 2.1)."""
    if not _is_public_name(host):
        return []
    four, six = await asyncio.gather(look(resolver, host, "A"), look(resolver, host, "AAAA"))
    addresses = [*four.answer.addresses, *six.answer.addresses]
    if not addresses:
        trouble = next((found for found in (four, six) if found.trouble), None)
        return [unanswered("host.address", trouble, host) if trouble else _no_address(host)]
    return [_address(host, addresses), *await asyncio.gather(*(_ptr(resolver, host, ip) for ip in addresses))]


def _no_address(host: str) -> Finding:
    return fail(
        "host.address",
        "record_missing",
        "has neither an A nor an AAAA record, so no mail can reach it",
        f"publish {host}. A with the public address of this machine; or set E2A_SMTP_DOMAIN to the name it has",
        target=host,
    )


def _address(host: str, addresses: Sequence[str]) -> Finding:
    inner = [text for text in addresses if _is_inner(text)]
    if inner:
        return warn(
            "host.address",
            "record_mismatch",
            f"{', '.join(inner)} cannot be reached from outside",
            f"publish the public address of this machine for {host}",
            target=host,
            found=list(addresses),
        )
    return passed("host.address", ", ".join(addresses), target=host, found=list(addresses))


def _is_inner(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return any(address in block for block in _HERE if block.version == address.version)


async def _ptr(resolver: Resolver, host: str, address: str) -> Finding:
    name = dns.reversename.from_address(address).to_text(omit_final_dot=True)
    found = await look(resolver, name, "PTR")
    if found.trouble:
        return unanswered_advice("host.ptr", found, address)
    names = [text.lower() for text in found.answer.names]
    if host in names:
        return passed("host.ptr", f"is {host}", target=address)
    fix = f"have the provider of this address set its reverse name to {host}; some receivers refuse mail without it"
    if not names:
        return warn("host.ptr", "record_missing", "has no name", fix, target=address)
    shown = ", ".join(map(quoted, names))
    return warn("host.ptr", "record_mismatch", f"is named {shown}, not {host}", fix, target=address)
