"""What is known about who sent a message: the stored, wire-visible result of authentication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from e2a_core.authentication.results import ArcResult, DkimResult, DmarcResult, SpfResult

__all__ = ["AuthenticationEvidence"]


@dataclass(frozen=True, slots=True)
class AuthenticationEvidence:
    """SPF, DKIM, DMARC and ARC of one message, as they were when it arrived; never evaluated again."""

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult

    @property
    def dmarc_pass(self) -> bool:
        return self.dmarc.status == "pass"

    @property
    def verified_domain(self) -> str | None:
        """The domain that authorised the use of its name in From, None when DMARC did not pass.

        It speaks for the domain, not for a mailbox or a person.
        """
        return self.dmarc.domain if self.dmarc_pass else None

    @property
    def verified(self) -> bool:
        """Whether SPF or DKIM passed for the author's own domain, be there a DMARC record or not.

        A pass for any other domain proves nothing about the From a reader sees.
        """
        return self.dmarc.spf_aligned or any(self.dmarc.dkim_aligned)

    @property
    def aligned_by(self) -> list[str]:
        """The mechanisms DMARC passed by; empty unless it did."""
        if not self.dmarc_pass:
            return []
        mechanisms = (("spf", self.dmarc.spf_aligned), ("dkim", any(self.dmarc.dkim_aligned)))
        return [name for name, aligned in mechanisms if aligned]

    @property
    def domain_check(self) -> str:
        """The three verdicts in one line, `spf=pass; dkim=none; dmarc=fail`, as the signed headers carry them."""
        return f"spf={self.spf.status}; dkim={self.dkim_status}; dmarc={self.dmarc.status}"

    @property
    def dkim_status(self) -> str:
        """One word for all signatures: pass if any passed, else the first that says something, else none."""
        statuses = [item.status for item in self.dkim]
        if "pass" in statuses:
            return "pass"
        return next((status for status in statuses if status != "none"), "none")

    def to_json(self) -> dict[str, Any]:
        """The `authentication` member of a message on the wire."""
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
