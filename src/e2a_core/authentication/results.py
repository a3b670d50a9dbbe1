"""The results of the mechanisms. Status words are those of RFC 8601, section 2.7."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "ArcResult",
    "ArcStatus",
    "DkimResult",
    "DkimStatus",
    "DmarcPolicy",
    "DmarcResult",
    "DmarcStatus",
    "SpfIdentity",
    "SpfResult",
    "SpfStatus",
]

SpfStatus: TypeAlias = Literal["pass", "fail", "none", "neutral", "softfail", "temperror", "permerror"]
SpfIdentity: TypeAlias = Literal["mailfrom", "helo"]
DkimStatus: TypeAlias = Literal["pass", "fail", "none", "neutral", "policy", "temperror", "permerror"]
ArcStatus: TypeAlias = Literal["none", "pass", "fail", "temperror"]
DmarcStatus: TypeAlias = Literal["pass", "fail", "none", "temperror", "permerror"]
DmarcPolicy: TypeAlias = Literal["none", "quarantine", "reject"]


@dataclass(frozen=True, slots=True)
class SpfResult:
    """The SPF result for one envelope; `domain` belongs to the identity checked, None if there was none."""

    status: SpfStatus
    domain: str | None = None
    detail: str | None = None
    identity: SpfIdentity = "mailfrom"
    helo_domain: str | None = None
    """The HELO name if it is a domain name; set even if another identity was checked."""


@dataclass(frozen=True, slots=True)
class DkimResult:
    """The result for one DKIM-Signature field; `domain` and `selector` are its d= and s=, None if unreadable."""

    status: DkimStatus
    domain: str | None = None
    selector: str | None = None
    detail: str | None = None
    algorithm: str | None = None
    """The a= tag."""
    identity: str | None = None
    """The i= tag, None if absent."""
    signature_prefix: str | None = None
    """The first characters of b=, which distinguish signatures of one domain (RFC 6008)."""
    signed: frozenset[str] = frozenset()
    """The lower-case names of the fields in h= of a signature that passed."""


@dataclass(frozen=True, slots=True)
class ArcResult:
    """The result for the whole ARC chain; `sealers` are the d= of the seals, first hop first."""

    status: ArcStatus
    sealers: tuple[str, ...] = ()
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """The DMARC result for the Author Domain, and which passing identities are aligned with it.

    `policy` is the published policy that applies (p, sp or np), None without a record; with `testing` (t=y) the owner
    asks receivers to apply the next weaker policy. `spf_aligned` and `dkim_aligned` (one per DKIM result, in order)
    are set with or without a record, and are False for results other than pass.
    """

    status: DmarcStatus
    domain: str | None = None
    policy: DmarcPolicy | None = None
    detail: str | None = None
    testing: bool = False
    spf_aligned: bool = False
    dkim_aligned: tuple[bool, ...] = ()
