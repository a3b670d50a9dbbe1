"""Checking the DNS records of a domain: ownership, MX, SPF and DKIM."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from e2a_core.authentication.canonical import TagListError, parse_tags
from e2a_core.authentication.resolver import DnsFailure, PermanentFailure, Resolver, TemporaryFailure, Void
from e2a_core.domains.queries import DkimKeyRow
from e2a_core.domains.records import dkim_name
from e2a_core.errors import InboundMxCheckFailed, InboundMxMissing

__all__ = ["DkimWord", "DomainProbe", "Word", "check_inbound_mx", "probe_domain", "trusted_probe"]

Word: TypeAlias = Literal["found", "missing"]
DkimWord: TypeAlias = Literal["found", "missing", "mismatch", "unanswered"]


@dataclass(frozen=True, slots=True)
class DomainProbe:
    """The state of a domain's records; `dkim` is by selector."""

    owned: bool
    mx: Word
    spf: Word
    dkim: dict[str, DkimWord]

    @property
    def verified(self) -> bool:
        return self.owned and self.mx == "found"


async def probe_domain(
    resolver: Resolver, domain: str, token: str, hostname: str, keys: Sequence[DkimKeyRow]
) -> DomainProbe:
    """Looks up the records of the domain and of `keys` concurrently, bypassing all caches.

    `hostname` is the host name of this relay. A lookup without an answer counts as missing, except for DKIM keys.
    """
    texts, exchanges, words = await asyncio.gather(
        _texts(resolver, domain),
        _leads_to(resolver, domain, hostname),
        asyncio.gather(*(_dkim_word(resolver, key) for key in keys)),
    )
    return DomainProbe(
        owned=any(token in text for text in texts),
        mx=_word(exchanges),
        spf=_word(any(_spf_names(text, hostname) for text in texts)),
        dkim=dict(zip((key.selector for key in keys), words, strict=True)),
    )


def trusted_probe(keys: Sequence[DkimKeyRow]) -> DomainProbe:
    """The result for a deployment that does not check the DNS: all records count as found."""
    return DomainProbe(True, "found", "found", {key.selector: "found" for key in keys})


async def check_inbound_mx(resolver: Resolver, domain: str, hostname: str) -> None:
    """Checks that the MX of `domain`, a subdomain of a registered domain, is `hostname`. Subdomains inherit no MX.

    Raises `InboundMxMissing`, or `InboundMxCheckFailed` if the DNS does not answer.
    """
    try:
        answer = await resolver.lookup(domain, "MX", fresh=True)
    except (Void, PermanentFailure):
        exchanges: tuple[tuple[int, str], ...] = ()
    except TemporaryFailure:
        raise InboundMxCheckFailed(f"the DNS did not return the MX records of {domain}; try again") from None
    else:
        exchanges = answer.exchanges
    if not _names_host(exchanges, hostname):
        raise InboundMxMissing(
            f"publish an MX record for {domain}, or a wildcard that covers it, with the host {hostname}",
            location="body.email",
        )


async def _texts(resolver: Resolver, domain: str) -> list[str]:
    try:
        answer = await resolver.lookup(domain, "TXT", fresh=True)
    except DnsFailure:
        return []
    return [text.decode("utf-8", "replace") for text in answer.texts]


async def _leads_to(resolver: Resolver, domain: str, hostname: str) -> bool:
    try:
        answer = await resolver.lookup(domain, "MX", fresh=True)
    except DnsFailure:
        return False
    return _names_host(answer.exchanges, hostname)


def _names_host(exchanges: Sequence[tuple[int, str]], hostname: str) -> bool:
    return any(host.lower() == hostname for _, host in exchanges)


def _spf_names(text: str, hostname: str) -> bool:
    """Returns True if an SPF record has a mechanism or modifier for the relay's host (RFC 7208 section 4.6.1)."""
    version, *terms = text.lower().split(" ")
    if version != "v=spf1":
        return False
    targets = (term.replace("=", ":", 1).partition(":")[2].partition("/")[0] for term in terms)
    return any(target.removesuffix(".") == hostname for target in targets if target)


async def _dkim_word(resolver: Resolver, key: DkimKeyRow) -> DkimWord:
    try:
        answer = await resolver.lookup(dkim_name(key), "TXT", fresh=True)
    except TemporaryFailure:
        return "unanswered"
    except DnsFailure:
        return "missing"
    expected = _public_part(key.public_key.encode())
    published = [part for text in answer.texts if (part := _public_part(text))]
    if expected in published:
        return "found"
    return "mismatch" if published else "missing"


def _public_part(record: bytes) -> str:
    """The `p` tag of a DKIM key record without white space; empty if the record is invalid."""
    try:
        return "".join(parse_tags(record).get("p", "").split())
    except TagListError:
        return ""


def _word(found: bool) -> Word:
    return "found" if found else "missing"
