"""The outcome of a submission for each recipient.

A success is final. A failure may be retried if its kind allows. An unknown outcome (the connection broke after the
message was complete, before the reply) is never retried, because the relay may have the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "FailureKind",
    "Outcome",
    "RecipientOutcome",
    "SubmissionResult",
    "classify_reply",
    "failed",
    "relay_lost",
    "split_enhanced_code",
    "succeeded",
    "unknown",
]

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|\Z)")
_MAX_DETAIL_CHARS = 500
"""Longer reply texts are cut, since the detail is stored in lifecycle rows and events."""
_AUTHENTICATION_CODES = frozenset({432, 454, 530, 534, 535, 538})
"""Replies about this deployment's credentials (RFC 4954 section 6). They are a matter of configuration, so no message
is given up because of them."""
_SERVICE_NOT_AVAILABLE = 421


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class FailureKind(StrEnum):
    """The kind of a failure, which decides whether it is retried.

    PERMANENT: the relay refused the message or recipient permanently. TRANSIENT: it refused temporarily.
    OUTAGE: the relay could not be used, so the attempt says nothing about the message.
    CANCELLED: this deployment decided not to submit the message.
    """

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    OUTAGE = "outage"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """One recipient's outcome. `code` is the SMTP reply code and `enhanced` the enhanced status code (RFC 3463), if
    there was one; `kind` is set for failures only."""

    address: str
    outcome: Outcome
    code: int | None = None
    enhanced: str | None = None
    detail: str = ""
    kind: FailureKind | None = None

    @property
    def may_retry(self) -> bool:
        return self.kind in (FailureKind.TRANSIENT, FailureKind.OUTAGE)


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """The outcomes of one submission, one for each recipient in the given order."""

    outcomes: tuple[RecipientOutcome, ...]
    transport: str
    provider_message_id: str | None = None

    def of(self, outcome: Outcome) -> list[RecipientOutcome]:
        return [item for item in self.outcomes if item.outcome is outcome]

    @property
    def to_retry(self) -> list[RecipientOutcome]:
        return [item for item in self.outcomes if item.may_retry]


def classify_reply(code: int) -> FailureKind:
    """Classifies a refusal by its reply code (RFC 5321 section 4.2.1)."""
    if code == _SERVICE_NOT_AVAILABLE or code in _AUTHENTICATION_CODES:
        return FailureKind.OUTAGE
    return FailureKind.PERMANENT if 500 <= code <= 599 else FailureKind.TRANSIENT


def split_enhanced_code(text: str) -> tuple[str | None, str]:
    """Splits the text of a reply into its enhanced status code (RFC 2034), if any, and the rest on one line."""
    lines = [line.strip() for line in text.splitlines()]
    found = _ENHANCED.match(lines[0]) if lines else None
    if found:
        lines = [line.removeprefix(found.group(1)).strip() for line in lines]
    clean = " ".join(line for line in lines if line).encode("utf-8", "replace").decode().replace("\0", "?")
    return (found.group(1) if found else None), clean[:_MAX_DETAIL_CHARS]


def succeeded(addresses: Iterable[str], code: int | None = None, text: str = "") -> list[RecipientOutcome]:
    """Outcomes for recipients that the relay accepted."""
    return _all(addresses, Outcome.SUCCEEDED, code, text, None)


def failed(
    addresses: Iterable[str], kind: FailureKind, text: str, code: int | None = None
) -> list[RecipientOutcome]:
    """Outcomes for recipients that did not get the message in this attempt."""
    return _all(addresses, Outcome.FAILED, code, text, kind)


def unknown(addresses: Sequence[str], text: str) -> list[RecipientOutcome]:
    """Outcomes for recipients of a message that was sent completely, but whose reply was lost."""
    return _all(addresses, Outcome.UNKNOWN, None, text, None)


def relay_lost(result: SubmissionResult) -> str | None:
    """The reason if the relay could not be used to the end of the transaction: another would fare no better."""
    for item in result.outcomes:
        if item.kind is FailureKind.OUTAGE:
            return item.detail
        if item.outcome is Outcome.UNKNOWN or (item.may_retry and item.code is None):
            return "the relay was lost at an earlier recipient's copy"
    return None


def _all(
    addresses: Iterable[str], outcome: Outcome, code: int | None, text: str, kind: FailureKind | None
) -> list[RecipientOutcome]:
    enhanced, detail = split_enhanced_code(text)
    return [RecipientOutcome(address, outcome, code, enhanced, detail, kind) for address in addresses]
