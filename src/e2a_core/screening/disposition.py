"""The disposition of a message, and the findings that lead to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

__all__ = ["Disposition", "Finding"]


class Disposition(IntEnum):
    """What happens to a message, ordered by severity: of several, the `max` applies."""

    ALLOW = 0
    FLAG = 1
    REVIEW = 2
    BLOCK = 3

    @classmethod
    def of(cls, action: str) -> Self:
        """The disposition for the API's word allow, flag, review or block. Raises KeyError for any other."""
        return cls[action.upper()]

    @classmethod
    def of_findings(cls, findings: Iterable[Finding]) -> Disposition:
        """The most severe action among `findings`, or allow if there are none."""
        return max((finding.action for finding in findings), default=cls.ALLOW)

    @property
    def word(self) -> str:
        """The API's word for this disposition."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason not to allow a message.

    `source` is `gate` or `scan`; `reason` is the code stored with a hold (`sender_gate`, `recipient_gate`,
    `inbound_scan`, `outbound_scan`); `subject_addr` is the address that caused the finding, or ""; `detail` is the
    explanation for people.
    """

    source: str
    reason: str
    action: Disposition
    subject_addr: str
    detail: str
