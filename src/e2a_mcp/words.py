"""What arguments mean, said once for every tool that takes them.

A tool describes an argument itself where it means something else there. Names that say all have no entry.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["WORDS"]

_WHEN = "time, date, or 2d"
_ALLOWLIST = "addresses; replaces the list"
_GATE = "who passes"
_ACTION = "for who does not pass"
_SCAN = "of the scan of content"

WORDS: Mapping[str, str] = {
    "agent_email": "inbox",
    "alias": "name to refer to it by",
    "attachment_index": "from get_message",
    "batch_id": "from import_contacts",
    "bucket": "also each day",
    "content_hash": "from get_review: decide only what was seen",
    "conversation_id": "conversation or thread id",
    "created_after": _WHEN,
    "created_before": _WHEN,
    "cursor": "from next_cursor",
    "email": "inbox",
    "end": _WHEN,
    "expires_at": _WHEN,
    "from_": "part of the sender",
    "holds_on_expiry": "decision when nobody decides",
    "holds_suppress_notifications": "mail reviewers nothing",
    "holds_ttl_seconds": "time to decide",
    "html": "alone, it makes its text",
    "human": "the person's address",
    "idempotency_key": "same key: same result, done once",
    "import_batch_id": "from import_contacts",
    "inbound_gate_action": _ACTION,
    "inbound_gate_allowlist": _ALLOWLIST,
    "inbound_gate_policy": _GATE,
    "inbound_scan_sensitivity": _SCAN,
    "last_outbound_before": _WHEN,
    "metadata": "your own data",
    "next_action_before": _WHEN,
    "offset": "characters to skip",
    "on_conflict": "for contacts that exist",
    "outbound_gate_action": _ACTION,
    "outbound_gate_allowlist": _ALLOWLIST,
    "outbound_gate_policy": _GATE,
    "outbound_scan_sensitivity": _SCAN,
    "replied": "only who replied, or did not",
    "source": "how it was added",
    "stage": "your own word",
    "start": _WHEN,
    "suppressed": "only who is suppressed, or is not",
    "template_alias": "instead of subject and text",
    "template_data": "values for its {{names}}",
    "template_id": "instead of subject and text",
    "test_data": "values for its {{names}}",
    "until": "exclusive",
    "valid_from": _WHEN,
    "valid_until": _WHEN,
    "verified_only": "sender proven",
}
