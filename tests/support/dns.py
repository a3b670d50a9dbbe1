"""The loopback DNS server, which the demonstration ships, under the name tests know it by."""

from __future__ import annotations

from e2a_mcp.program.demo.dns import SERVFAIL, TIMEOUT, DnsServer, Zones

__all__ = ["SERVFAIL", "TIMEOUT", "DnsServer", "Zones"]
