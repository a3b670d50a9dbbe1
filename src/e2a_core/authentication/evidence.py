"""The result of authenticating a message, as stored and as returned to clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from e2a_core.authentication.results import ArcResult, DkimResult, DmarcResult, SpfResult

__all__ = ["AuthenticationEvidence"]


@dataclass(frozen=True, slots=True)
class AuthenticationEvidence:
    """The SPF, DKIM, DMARC and ARC results of one message, evaluated once when it arrived."""

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult

    @property
    def dmarc_pass(self) -> bool:
        return self.dmarc.status == "pass"

    @property
    def verified_domain(self) -> str | None:
        """The Author Domain if DMARC passed, otherwise None. Verifies the domain, not a mailbox or a person."""
        return self.dmarc.domain if self.dmarc_pass else None

    @property
    def verified(self) -> bool:
        """Whether SPF or DKIM passed in alignment with the Author Domain, with or without a DMARC record.

        A pass for another domain proves nothing about the From address that readers see.
        """
        return self.dmarc.spf_aligned or any(self.dmarc.dkim_aligned)

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
            **_detail(self.dmarc.detail),
        }
        arc = {
            "status": self.arc.status,
            "sealer": self.arc.sealers[-1] if self.arc.sealers else None,
            **_detail(self.arc.detail),
        }
        return {"spf": spf, "dkim": dkim, "dmarc": dmarc, "arc": arc}


def _detail(text: str | None) -> dict[str, str]:
    return {"detail": text} if text else {}
