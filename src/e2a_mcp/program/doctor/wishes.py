"""What to look at in particular."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Wishes"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """An inbox, a domain and the URL of MCP over HTTP; empty means what there is.

    `remote` is the URL of another deployment; `local` means the home even if a key is set.
    """

    agent: str = ""
    domain: str = ""
    mcp_url: str = ""
    remote: str = ""
    local: bool = False
