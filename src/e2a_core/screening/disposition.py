"""What screening decides about a message, and what it found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

__all__ = ["Disposition", "Finding"]


class Disposition(IntEnum):
    """What is to happen, ordered by severity: the `max` of several is the one that applies."""

    ALLOW = 0
    FLAG = 1
    REVIEW = 2
    BLOCK = 3

    @classmethod
    def of(cls, action: str) -> Self:
        """From the wire's spelling: allow, flag, review or block; raises KeyError on another."""
        return cls[action.upper()]

    @classmethod
    def of_findings(cls, findings: Iterable[Finding]) -> Disposition:
        """The most severe action among `findings`; without any, allow."""
        return max((finding.action for finding in findings), default=cls.ALLOW)

    @property
    def word(self) -> str:
        """The wire's spelling."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a message is not simply allowed.

    `source` is `gate` or `scan`; `reason` is the code kept with a held message (`sender_gate`, `recipient_gate`,
    `inbound_scan`, `outbound_scan`); `subject_addr` is the address at fault, if one is; `detail` says it to a person.
    """

    source: str
    reason: str
    action: Disposition
    subject_addr: str
    detail: str
