"""What each mechanism found. The status words are those of RFC 8601, section 2.7."""

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
    """SPF of one envelope; `domain` is the domain of the identity checked, None when there was none to check."""

    status: SpfStatus
    domain: str | None = None
    detail: str | None = None
    identity: SpfIdentity = "mailfrom"
    helo_domain: str | None = None
    """The HELO name when it is a domain name, whichever identity was checked."""


@dataclass(frozen=True, slots=True)
class DkimResult:
    """One DKIM-Signature field; `domain` and `selector` are its d= and s=, None when it could not be read."""

    status: DkimStatus
    domain: str | None = None
    selector: str | None = None
    detail: str | None = None
    algorithm: str | None = None
    """The a= tag."""
    identity: str | None = None
    """The i= tag, when there is one."""
    signature_prefix: str | None = None
    """The first characters of b=, which tell signatures of one domain apart (RFC 6008)."""


@dataclass(frozen=True, slots=True)
class ArcResult:
    """The chain as a whole; `sealers` are the d= of the seals, first hop first. Reported, never trusted."""

    status: ArcStatus
    sealers: tuple[str, ...] = ()
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """DMARC for the Author Domain, and which passing identities are aligned with it.

    `policy` is what the owner published for this domain (p, sp or np), None without a record; under `testing` (t=y)
    the owner asks for one step less. `spf_aligned` and `dkim_aligned` (one per DKIM result, in order) hold whether or
    not there is a record, and are False for whatever did not pass.
    """

    status: DmarcStatus
    domain: str | None = None
    policy: DmarcPolicy | None = None
    detail: str | None = None
    testing: bool = False
    spf_aligned: bool = False
    dkim_aligned: tuple[bool, ...] = ()
