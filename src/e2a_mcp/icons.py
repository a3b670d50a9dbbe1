"""The icon of the server, its tools and its resources."""

from __future__ import annotations

from mcp_types import Icon

__all__ = ["ICONS", "WEBSITE"]

WEBSITE = "https://github.com/Mnexa-AI/e2a-mcp"

# An envelope. Within the address, so that showing it asks nobody for anything.
_ENVELOPE = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E"
    "%3Cpath d='M2 5h20v14H2zl10 8 10-8' fill='none' stroke='%23678' stroke-width='2'/%3E%3C/svg%3E"
).replace(" ", "%20")

ICONS = [Icon(src=_ENVELOPE, mime_type="image/svg+xml", sizes=["any"])]
