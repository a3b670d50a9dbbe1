"""How far a run goes: it must end soon, whatever does not answer."""

from __future__ import annotations

__all__ = ["MAX_DOMAINS", "MAX_WEBHOOKS", "NETWORK_SECONDS"]

NETWORK_SECONDS = 5.0
"""Each step over the network, which is taken once."""
MAX_DOMAINS = 50
MAX_WEBHOOKS = 50
