"""The views of contacts and engagements."""

from __future__ import annotations

import json
from datetime import datetime

from e2a_core.clock import from_micros
from e2a_core.contract.contacts import ContactEngagementView, ContactView, EmbeddedContactView
from e2a_core.store.statement import Row

__all__ = ["contact_view", "engagement_view"]


def contact_view(row: Row) -> ContactView:
    return ContactView(
        address=row["address"],
        display_name=row["display_name"],
        metadata=json.loads(row["metadata"]),
        source=row["source"],
        import_batch_id=row["import_batch_id"],
        created_at=from_micros(row["created_at"]),
        updated_at=from_micros(row["updated_at"]),
    )


def engagement_view(row: Row) -> ContactEngagementView:
    first_out, last_out, last_in = row["first_outbound_at"], row["last_outbound_at"], row["last_inbound_at"]
    latest = "inbound_conversation" if (last_in or 0) > (last_out or 0) else "outbound_conversation"
    return ContactEngagementView(
        address=row["address"],
        agent_email=row["agent_email"],
        contact=EmbeddedContactView(
            address=row["address"],
            display_name=row["display_name"] or "",
            metadata=json.loads(row["contact_metadata"] or "{}"),
        ),
        stage=row["stage"],
        metadata=json.loads(row["metadata"]),
        next_action_at=_instant(row["next_action_at"]),
        first_outbound_at=_instant(first_out),
        last_outbound_at=_instant(last_out),
        last_inbound_at=_instant(last_in),
        outbound_count=row["outbound_count"],
        inbound_count=row["inbound_count"],
        last_conversation_id=row[latest] or None,
        replied=last_in is not None and first_out is not None and last_in > first_out,
        suppressed=row["suppression_source"] is not None,
        suppression_source=row["suppression_source"],
        suppression_reason=row["suppression_reason"],
        created_at=from_micros(row["created_at"]),
        updated_at=from_micros(row["updated_at"]),
    )


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
