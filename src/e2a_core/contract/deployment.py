"""Public information about a deployment."""

from __future__ import annotations

from typing import Protocol

from e2a_core.contract.base import View
from e2a_core.contract.operation import Access, NoTool, operation

__all__ = ["API_VERSION", "Deployment", "DeploymentInfoView"]

API_VERSION = "1.0.0"
"""Version of the API, not of this program."""


class DeploymentInfoView(View):
    public_url: str | None = None
    shared_domain: str
    slug_registration_enabled: bool
    version: str


class Deployment(Protocol):
    """Operations that need no credential."""

    @operation(
        "GET",
        "/v1/info",
        id="get_info",
        access=Access.PUBLIC,
        tool=NoTool("`whoami` and the server's instructions cover it"),
    )
    async def info(self) -> DeploymentInfoView:
        """Get the public information about the deployment."""
