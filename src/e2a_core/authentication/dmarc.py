"""Evaluates DMARC (RFC 9989): whether SPF or DKIM authenticates the Author Domain, and which policy its owner set.

Organizational Domains are found by the DNS tree walk (section 4.10), not from a list of public suffixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.authentication.dmarc_record import (
    DmarcRecord,
    is_dmarc_record,
    parse_record,
)
from e2a_core.authentication.names import is_below, normalize_domain, printable
from e2a_core.authentication.resolver import Answer, DnsFailure, Lookup, NameNotFound, TemporaryFailure, Void
from e2a_core.authentication.results import DkimResult, DmarcPolicy, DmarcResult, DmarcStatus, SpfResult

__all__ = ["MAX_WALK_LOOKUPS", "TreeWalk", "evaluate_dmarc", "walk_names", "walk_tree"]

MAX_WALK_LOOKUPS = 8
"""The maximum number of DNS queries in a tree walk (section 4.10)."""


class _WalkError(Exception):
    """The tree walk could not be completed; `status` is the resulting DMARC status."""

    def __init__(self, status: DmarcStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class TreeWalk:
    """The DMARC records found from `domain` upwards, nearest first."""

    domain: str
    found: tuple[tuple[str, DmarcRecord], ...]

    @property
    def organizational_domain(self) -> str:
        """The Organizational Domain of `domain` (section 4.10.2)."""
        for name, record in self.found:
            if record.psd == "n":
                return name
            if record.psd == "y" and name != self.domain:
                return _one_label_below(name, self.domain)
        return self.found[-1][0] if self.found else self.domain

    @property
    def applicable(self) -> tuple[str, DmarcRecord] | tuple[None, None]:
        """The domain whose record applies, and the record; (None, None) if there is none.

        Tries the domain itself, its Organizational Domain, then its public suffix (section 4.10.1).
        """
        records = dict(self.found)
        for name in (self.domain, self.organizational_domain):
            if name in records:
                return name, records[name]
        return next(((name, record) for name, record in self.found if record.psd == "y"), (None, None))


async def evaluate_dmarc(
    author_domain: str | None, spf: SpfResult, dkim: Sequence[DkimResult], resolver: Lookup
) -> DmarcResult:
    """Evaluate DMARC for the Author Domain. DNS failures become a status.

    `author_domain` is None if From does not hold exactly one address. Without a DMARC record the status is none and
    alignment is reported by the relaxed rule.
    """
    domain = normalize_domain(author_domain or "")
    if domain is None:
        return DmarcResult("none", detail="no valid From domain", dkim_aligned=(False,) * len(dkim))
    walk, trouble = await _walk_or_trouble(domain, resolver)
    location, record = walk.applicable if walk else (None, None)
    alignment = _Alignment(domain, walk, resolver)
    strict_spf, strict_dkim = (record.strict_spf, record.strict_dkim) if record else (False, False)
    spf_aligned = spf.status == "pass" and await alignment.holds(spf.domain, strict=strict_spf)
    dkim_aligned = tuple(
        [item.status == "pass" and await alignment.holds(item.domain, strict=strict_dkim) for item in dkim]
    )
    aligned = spf_aligned or any(dkim_aligned)
    status, detail = _status(location, record, trouble, alignment.trouble, aligned=aligned)
    testing = record is not None and record.testing
    return DmarcResult(
        status=status,
        domain=domain,
        policy=await _policy(domain, location, record, resolver) if record else None,
        detail=printable(f"{detail}, in test mode (t=y)" if testing else detail),
        testing=testing,
        spf_aligned=spf_aligned,
        dkim_aligned=dkim_aligned,
    )


def _status(
    location: str | None,
    record: DmarcRecord | None,
    trouble: _WalkError | None,
    alignment_trouble: _WalkError | None,
    *,
    aligned: bool,
) -> tuple[DmarcStatus, str]:
    """The status and why. Trouble with a walk for alignment counts only where nothing else is aligned."""
    if trouble is not None:
        return trouble.status, trouble.detail
    if record is None:
        return "none", "no DMARC record"
    if aligned:
        return "pass", f"record at {location}"
    if alignment_trouble is not None:
        return alignment_trouble.status, alignment_trouble.detail
    return "fail", f"record at {location}, nothing that passed is aligned"


class _Alignment:
    """Alignment with one Author Domain (section 4.4)."""

    def __init__(self, author_domain: str, author_walk: TreeWalk | None, resolver: Lookup) -> None:
        self._author_domain = author_domain
        self._author_walk = author_walk
        self._resolver = resolver
        self.trouble: _WalkError | None = None

    async def holds(self, domain: str | None, *, strict: bool) -> bool:
        """Whether the authenticated `domain` equals the Author Domain or, unless `strict`, shares its organization."""
        if domain == self._author_domain:
            return True
        if domain is None or strict or self._author_walk is None:
            return False
        organization = self._author_walk.organizational_domain
        if not is_below(domain, organization):
            return False
        try:
            return (await walk_tree(domain, self._resolver)).organizational_domain == organization
        except _WalkError as error:
            self.trouble = error
            return False


async def _walk_or_trouble(domain: str, resolver: Lookup) -> tuple[TreeWalk | None, _WalkError | None]:
    try:
        return await walk_tree(domain, resolver), None
    except _WalkError as error:
        return None, error


async def walk_tree(domain: str, resolver: Lookup) -> TreeWalk:
    """Perform the DNS tree walk of section 4.10 for a normalised domain. Raises `_WalkError` if DNS fails."""
    found = []
    for name in walk_names(domain):
        record = await _record_at(name, resolver)
        if record is not None:
            found.append((name, record))
            # An Author Domain that is a public suffix may be below another one (section 4.10, step 2).
            if record.psd == "n" or (record.psd == "y" and name != domain):
                break
    return TreeWalk(domain, tuple(found))


def walk_names(domain: str) -> list[str]:
    """The names a tree walk queries: the domain, then its parents with at most seven labels."""
    labels = domain.split(".")
    parents = [".".join(labels[index:]) for index in range(1, len(labels))]
    return [domain, *parents[-(MAX_WALK_LOOKUPS - 1) :]]


async def _record_at(name: str, resolver: Lookup) -> DmarcRecord | None:
    """The DMARC record at one name; None if it has none or several (section 4.10, step 2)."""
    question = normalize_domain(f"_dmarc.{name}")
    if question is None:
        return None
    try:
        answer: Answer = resolver.cached(question, "TXT") or await resolver.lookup(question, "TXT")
    except Void:
        return None
    except TemporaryFailure as failure:
        raise _WalkError("temperror", str(failure)) from None
    except DnsFailure as failure:
        raise _WalkError("permerror", str(failure)) from None
    records = [text for text in answer.texts if is_dmarc_record(text)]
    if len(records) != 1:
        return None
    return parse_record(records[0])


async def _policy(domain: str, location: str | None, record: DmarcRecord, resolver: Lookup) -> DmarcPolicy:
    """The policy of `record`, found at `location`, for `domain`. Queries DNS only if np may apply."""
    subdomain = location != domain
    exists = not (subdomain and record.nonexistent_policy) or await _exists(domain, resolver)
    return record.policy_for(subdomain=subdomain, exists=exists)


async def _exists(domain: str, resolver: Lookup) -> bool:
    """Whether the name exists (RFC 8020). True if DNS fails, since np is usually the stricter policy."""
    try:
        await resolver.lookup(domain, "A")
    except NameNotFound:
        return False
    except DnsFailure:
        return True
    return True


def _one_label_below(ancestor: str, domain: str) -> str:
    below = domain.removesuffix("." + ancestor)
    return f"{below.rpartition('.')[2]}.{ancestor}"
