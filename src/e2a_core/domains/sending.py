"""Whether mail of a domain has a signature that receivers can verify, and the events that tell of a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from e2a_core.clock import from_micros
from e2a_core.domains.queries import DkimKeyRow, DomainRow
from e2a_core.ids import event_id
from e2a_core.store import events
from e2a_core.store.statement import Statement

__all__ = ["failed", "failure", "sending_changed", "sending_status", "verified"]


def sending_status(row: DomainRow, keys: Sequence[DkimKeyRow]) -> str:
    """Returns none, pending, verified or failed; `keys` are all its keys, oldest first.

    `failed` means that the record of the key that signs is not the key, or has gone.
    """
    if row.verified_at is None:
        return "none"
    signing = next((key for key in keys if key.retired_at is None), None)
    if signing is not None and signing.published_at is not None:
        return "verified"
    return "failed" if row.sending_failure else "pending"


def failure(row: DomainRow, signing: DkimKeyRow, word: str) -> str | None:
    """Returns why mail cannot be verified after a check that found `word` for the key that signs, None if it can.

    A record that was never there is not a failure yet, and a DNS that does not answer changes nothing.
    """
    if word == "found":
        return None
    if word == "mismatch":
        return f"the DKIM record of the selector {signing.selector} has another key"
    if word == "missing" and (signing.published_at is not None or row.sending_failure):
        return f"the DKIM record of the selector {signing.selector} is gone"
    return row.sending_failure


def sending_changed(row: DomainRow, old: str, new: str, reason: str | None, now: int) -> list[Statement]:
    """The event of a check, if it settled the status anew. Checks at the same time tell it once."""
    if row.account_id is None or new == old:
        return []
    key = f"{row.domain}|{row.created_at}|{row.last_checked_at}"
    if new == "verified":
        return events.append(
            id=event_id(key, new),
            account_id=row.account_id,
            type="domain.sending_verified",
            data=verified(row.domain),
            created_at=from_micros(now),
        )
    if new == "failed":
        return events.append(
            id=event_id(key, new),
            account_id=row.account_id,
            type="domain.sending_failed",
            data=failed(row.domain, reason),
            created_at=from_micros(now),
        )
    return []


def verified(domain: str) -> dict[str, Any]:
    return {"domain": domain, "sending_status": "verified"}


def failed(domain: str, reason: str | None) -> dict[str, Any]:
    data: dict[str, Any] = {"domain": domain, "sending_status": "failed"}
    if reason:
        data["reason"] = reason
    return data
