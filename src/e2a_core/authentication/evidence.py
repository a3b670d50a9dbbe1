"""The result of authenticating a message, as stored and as returned to clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from e2a_core.authentication.canonical import SignedMessage
from e2a_core.authentication.results import ArcResult, DkimResult, DmarcResult, SpfResult

__all__ = ["AuthenticationEvidence", "unsigned_fields"]

SHOWN_FIELDS = ("subject", "to", "cc", "mime-version", "content-type", "content-transfer-encoding")
"""Fields that decide what a reader sees of a message. Whoever can replace one can make signed words say another thing.

The body is signed as octets only: its Content-Type and encoding say what those octets show (RFC 6376 section 8.15).
"""
ESSENTIAL_FIELDS = ("subject", "to")
"""Without these a signature says neither what was written about nor to whom, so that any letter can be made of it."""
ACTED_ON_FIELDS = ("reply-to", "x-e2a-conversation-id")
"""Fields that this server acts on."""


@dataclass(frozen=True, slots=True)
class AuthenticationEvidence:
    """The SPF, DKIM, DMARC and ARC results of one message, evaluated once when it arrived.

    `unsigned` are the fields of `unsigned_fields`.
    """

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult
    unsigned: tuple[str, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether the Author Domain is proven, but not that it wrote all that a reader sees."""
        return any(name in SHOWN_FIELDS for name in self.unsigned)

    @property
    def dmarc_pass(self) -> bool:
        return self.dmarc.status == "pass"

    @property
    def verified_domain(self) -> str | None:
        """The Author Domain if DMARC passed, otherwise None. Verifies the domain, not a mailbox or a person.

        None also if the message is only partly signed.
        """
        return self.dmarc.domain if self.dmarc_pass and not self.partial else None

    @property
    def verified(self) -> bool:
        """Whether SPF or DKIM passed in alignment with the Author Domain, with or without a DMARC record.

        A pass for another domain proves nothing about the From address that readers see, and a signature that leaves
        out Subject or To proves no letter.
        """
        essential = any(name in ESSENTIAL_FIELDS for name in self.unsigned)
        return (self.dmarc.spf_aligned or any(self.dmarc.dkim_aligned)) and not essential

    @property
    def aligned_by(self) -> list[str]:
        """The mechanisms by which DMARC passed; empty if it did not pass."""
        if not self.dmarc_pass:
            return []
        mechanisms = (("spf", self.dmarc.spf_aligned), ("dkim", any(self.dmarc.dkim_aligned)))
        return [name for name, aligned in mechanisms if aligned]

    @property
    def domain_check(self) -> str:
        """The three results in one line for the signed headers, such as `spf=pass; dkim=none; dmarc=fail`."""
        return f"spf={self.spf.status}; dkim={self.dkim_status}; dmarc={self.dmarc.status}"

    @property
    def dkim_status(self) -> str:
        """One status for all signatures: pass if any passed, otherwise the first status other than none, or none."""
        statuses = [item.status for item in self.dkim]
        if "pass" in statuses:
            return "pass"
        return next((status for status in statuses if status != "none"), "none")

    def to_json(self) -> dict[str, Any]:
        """The `authentication` member of a message in the API."""
        record_applies = self.dmarc.policy is not None
        spf = {
            "status": self.spf.status,
            "domain": self.spf.domain,
            "aligned": self.dmarc.spf_aligned if record_applies and self.spf.status == "pass" else None,
            **_detail(self.spf.detail),
        }
        dkim = [
            {
                "status": item.status,
                "domain": item.domain,
                "selector": item.selector,
                "aligned": aligned if record_applies and item.status == "pass" else None,
                **_detail(item.detail),
            }
            for item, aligned in zip(self.dkim, self.dmarc.dkim_aligned, strict=True)
        ]
        dmarc = {
            "status": self.dmarc.status,
            "domain": self.dmarc.domain,
            "policy": self.dmarc.policy,
            "aligned_by": self.aligned_by,
            **({"testing": True} if self.dmarc.testing else {}),
            **_detail(self.dmarc.detail),
        }
        arc = {
            "status": self.arc.status,
            "sealer": self.arc.sealers[-1] if self.arc.sealers else None,
            **_detail(self.arc.detail),
        }
        coverage = {"coverage": "partial"} if self.partial else {}
        unsigned = {"unsigned": list(self.unsigned)} if self.unsigned else {}
        return {"spf": spf, "dkim": dkim, "dmarc": dmarc, "arc": arc, **coverage, **unsigned}


def unsigned_fields(
    message: SignedMessage, dkim: Sequence[DkimResult], dmarc: DmarcResult
) -> tuple[str, ...]:
    """The fields of the message that nobody vouches for although a signature proves the Author Domain.

    Empty if SPF is aligned, since then the domain's own server handed the message over, and if nothing is proven.
    """
    if dmarc.spf_aligned or not any(dmarc.dkim_aligned):
        return ()
    signed = frozenset[str]().union(
        *(item.signed for item, aligned in zip(dkim, dmarc.dkim_aligned, strict=True) if aligned)
    )
    watched = (*SHOWN_FIELDS, *ACTED_ON_FIELDS)
    return tuple(name for name in watched if name not in signed and message.named(name.encode()))


def _detail(text: str | None) -> dict[str, str]:
    return {"detail": text} if text else {}
