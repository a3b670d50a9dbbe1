"""Evaluates SPF (RFC 7208): whether the client's address may send mail for the envelope's domain.

pyspf interprets the record; its DNS queries go through our resolver by way of `replay`.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import ipaddress
from typing import Any, TypeAlias, cast

import spf

from e2a_core.authentication.names import normalize_domain, printable
from e2a_core.authentication.replay import Answers
from e2a_core.authentication.resolver import (
    Answer,
    Lookup,
    PermanentFailure,
    RecordType,
    TemporaryFailure,
    Void,
)
from e2a_core.authentication.results import SpfIdentity, SpfResult, SpfStatus
from e2a_core.authentication.verdicts import Verdicts

__all__ = ["SpfVerdicts", "evaluate_spf"]

SpfVerdicts: TypeAlias = Verdicts[tuple[SpfStatus, str]]

MAX_RECORD_CHARACTERS = 4096
"""Far more than the 450 octets that RFC 7208, section 3.4 recommends; pyspf takes more than linear time."""
MAX_DOMAIN_SPEC_CHARACTERS = 512
"""Twice the longest domain name; pyspf takes quadratic time over this part of a term."""


async def evaluate_spf(
    ip: str | None, mail_from: str, helo: str | None, resolver: Lookup, verdicts: SpfVerdicts
) -> SpfResult:
    """Evaluate SPF for the MAIL FROM identity, or for HELO if the sender is null (RFC 7208, section 2.4).

    `mail_from` is the address without angle brackets, "" for the null sender; `ip` is None if the client's address is
    unknown. At most ten lookups, two of them void (section 4.6.4). DNS failures become a status. `verdicts` caches
    the results.
    """
    # Octets that are not UTF-8 arrive as surrogates, which a DNS name cannot contain.
    mail_from, helo = _encodable(mail_from), _encodable(helo or "")
    helo_domain = _multi_label_domain(helo)
    address = _client_address(ip)
    identity: SpfIdentity = "mailfrom" if mail_from else "helo"
    if mail_from:
        local_part, _, raw_domain = mail_from.rpartition("@")
        if not raw_domain or "@" not in mail_from:
            return SpfResult("permerror", None, "the envelope sender has no domain", identity, helo_domain)
        domain = _multi_label_domain(raw_domain)
    else:
        local_part, domain = "postmaster", helo_domain
    if domain is None:
        return SpfResult("none", None, "no domain to check", identity, helo_domain)
    if address is None:
        return SpfResult("none", domain, "the client's address is not known", identity, helo_domain)
    try:
        status, detail = await verdicts.find(
            (address, local_part, domain, helo),
            resolver,
            lambda answers: _Evaluation(address, local_part or "postmaster", domain, helo, answers).verdict(),
        )
    except TemporaryFailure as failure:
        status, detail = "temperror", str(failure)
    return SpfResult(status, domain, printable(detail) or None, identity, helo_domain)


class _Evaluation(spf.query):
    """One run of pyspf over a table of DNS answers."""

    def __init__(self, address: str, local_part: str, domain: str, helo: str, answers: Answers) -> None:
        super().__init__(i=address, s=f"{local_part}@{domain}", h=helo, strict=True, querytime=0)
        # pyspf splits at the first @, but a quoted local part may contain one.
        self.l, self.o, self.d = local_part, domain, domain
        self._answers = answers
        self._address_type: RecordType = "AAAA" if self.v == "ip6" else "A"

    def verdict(self) -> tuple[SpfStatus, str]:
        """The status, and the mechanism or error that decided it."""
        status, _, text = self.check()
        if status in {"temperror", "permerror"}:
            return cast(SpfStatus, status), str(text)
        return cast(SpfStatus, status), self.mechanism or ""

    def dns(
        self, name: str, qtype: RecordType, cnames: object = None, ignore_void: bool = False
    ) -> list[Any]:
        """The records in pyspf's format. Counts void lookups (RFC 7208, section 4.6.4)."""
        try:
            return _pyspf_records(self._answers.get(name.rstrip(".").lower(), qtype))
        except TemporaryFailure as failure:
            raise spf.TempError(f"DNS {failure}") from None
        except (Void, PermanentFailure):
            self._count_void(ignore_void)
            return []

    def _count_void(self, ignore: bool) -> None:
        if ignore:
            return
        self.void_lookups += 1
        if self.void_lookups > spf.MAX_VOID_LOOKUPS:
            raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} void lookups")

    def dns_mx(self, domainname: str) -> list[Any]:
        """The addresses of the mail exchangers, fetched in parallel: a domain may have up to ten."""
        exchanges = self.dns(domainname, "MX")
        if len(exchanges) <= spf.MAX_MX:
            self._answers.need([host.lower() for _, host in exchanges if host], self._address_type)
        return cast("list[Any]", super().dns_mx(domainname))

    def validated_ptrs(self) -> list[str]:
        """The client's names that resolve to its address; names with DNS errors are skipped (RFC 7208, section 5.5)."""
        try:
            names = [name.lower() for name in self.dns_ptr(self.i)[: spf.MAX_PTR]]
        except spf.TempError:
            return []
        self._answers.need(names, self._address_type)
        return [name for name in names if self._leads_back(name)]

    def _leads_back(self, name: str) -> bool:
        try:
            return bool(self.cidrmatch(self.dns_a(name, self.A), self.cidrmax))
        except spf.TempError:
            return False

    def dns_spf(self, domain: str) -> str | None:
        """The domain's record (RFC 7208, section 4.5)."""
        record = cast("str | None", super().dns_spf(domain))
        if record is not None and len(record) > MAX_RECORD_CHARACTERS:
            raise spf.PermError(f"record is longer than {MAX_RECORD_CHARACTERS} characters")
        return record

    def expand_domain(self, arg: str) -> str:
        _check_domain_spec(arg)
        return cast(str, super().expand_domain(arg))

    def expand(self, s: str, stripdot: bool = True) -> str:
        _check_domain_spec(s)
        return cast(str, super().expand(s, stripdot))

    def get_explanation(self, spec: str) -> None:
        """Returns None: the explanation (exp=) is not used, so no query is made for it."""


def _check_domain_spec(text: str) -> None:
    if len(text) > MAX_DOMAIN_SPEC_CHARACTERS:
        raise spf.PermError(f"domain-spec is longer than {MAX_DOMAIN_SPEC_CHARACTERS} characters")


def _pyspf_records(answer: Answer) -> list[Any]:
    return [*answer.addresses, *answer.names, *answer.exchanges, *((text,) for text in answer.texts)]


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _multi_label_domain(text: str) -> str | None:
    """The normalised domain; None if malformed or a single label, for which SPF is none (RFC 7208, section 4.3)."""
    domain = normalize_domain(text)
    return domain if domain and "." in domain else None


def _client_address(ip: str | None) -> str | None:
    if not ip:
        return None
    try:
        return str(ipaddress.ip_address(ip.partition("%")[0]))
    except ValueError:
        return None
