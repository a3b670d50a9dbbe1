"""Domains of the account: the DNS records to publish, and their verification."""

from __future__ import annotations

from typing import Any

from e2a_mcp.tool import Tool
from e2a_mcp.tools.passing import pass_through

__all__ = ["TOOLS"]

_DOMAIN = ["domain", "verified", "dns_records"]

TOOLS: tuple[Tool[Any], ...] = (
    pass_through("list_domains", _DOMAIN, rows="domains"),
    pass_through("get_domain", _DOMAIN),
    pass_through("register_domain", _DOMAIN),
    pass_through("verify_domain", ["domain", "verified"]),
    pass_through("delete_domain", ["deleted", "domain"]),
    pass_through("rotate_domain_key", _DOMAIN),
)
