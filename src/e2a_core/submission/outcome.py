"""What became of a submission, recipient by recipient.

Three outcomes are told apart because they call for three different things: what succeeded is done, what failed may
be tried again when its kind allows, and what is unknown (the connection broke after the message was complete and
before its reply) is never sent again blindly, since the relay may well have it.
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
    "split_enhanced_code",
    "succeeded",
    "unknown",
]

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|\Z)")
# Detail ends up in lifecycle rows and events; a relay's essay is cut.
_MAX_DETAIL_CHARS = 500
# RFC 4954: our credentials are missing, wrong, too weak or momentarily unverifiable. That is a matter of this
# deployment's configuration, and no message may be given up for it.
_AUTHENTICATION_CODES = frozenset({432, 454, 530, 534, 535, 538})
_SERVICE_NOT_AVAILABLE = 421


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class FailureKind(StrEnum):
    """Whether trying again can help.

    PERMANENT: the relay refused this message or recipient for good. TRANSIENT: it refused for now.
    OUTAGE: the relay could not be used at all, so the attempt says nothing about the message.
    CANCELLED: this deployment decided not to send, and no relay was asked.
    """

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    OUTAGE = "outage"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """One recipient's outcome. `code` is the SMTP reply code, `enhanced` the code of RFC 3463, where there was one;
    `kind` is set exactly for failures."""

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
    """The outcome of one submission: every recipient once, in the order given."""

    outcomes: tuple[RecipientOutcome, ...]
    transport: str
    provider_message_id: str | None = None

    def of(self, outcome: Outcome) -> list[RecipientOutcome]:
        return [item for item in self.outcomes if item.outcome is outcome]

    @property
    def to_retry(self) -> list[RecipientOutcome]:
        return [item for item in self.outcomes if item.may_retry]


def classify_reply(code: int) -> FailureKind:
    """The kind of a refusal by its reply code (RFC 5321 section 4.2.1)."""
    if code == _SERVICE_NOT_AVAILABLE or code in _AUTHENTICATION_CODES:
        return FailureKind.OUTAGE
    return FailureKind.PERMANENT if 500 <= code <= 599 else FailureKind.TRANSIENT


def split_enhanced_code(text: str) -> tuple[str | None, str]:
    """The enhanced status code (RFC 2034) a reply's text begins with, and the text without it, on one line."""
    lines = [line.strip() for line in text.splitlines()]
    found = _ENHANCED.match(lines[0]) if lines else None
    if found:
        lines = [line.removeprefix(found.group(1)).strip() for line in lines]
    clean = " ".join(line for line in lines if line).encode("utf-8", "replace").decode().replace("\0", "?")
    return (found.group(1) if found else None), clean[:_MAX_DETAIL_CHARS]


def succeeded(addresses: Iterable[str], code: int | None = None, text: str = "") -> list[RecipientOutcome]:
    """The relay took responsibility for these recipients."""
    return _all(addresses, Outcome.SUCCEEDED, code, text, None)


def failed(
    addresses: Iterable[str], kind: FailureKind, text: str, code: int | None = None
) -> list[RecipientOutcome]:
    """None of these recipients got the message in this attempt."""
    return _all(addresses, Outcome.FAILED, code, text, kind)


def unknown(addresses: Sequence[str], text: str) -> list[RecipientOutcome]:
    """The relay had all of the message and its answer was lost."""
    return _all(addresses, Outcome.UNKNOWN, None, text, None)


def _all(
    addresses: Iterable[str], outcome: Outcome, code: int | None, text: str, kind: FailureKind | None
) -> list[RecipientOutcome]:
    enhanced, detail = split_enhanced_code(text)
    return [RecipientOutcome(address, outcome, code, enhanced, detail, kind) for address in addresses]
