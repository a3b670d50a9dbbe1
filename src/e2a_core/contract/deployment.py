"""What a deployment says of itself."""

from __future__ import annotations

from e2a_core.contract.base import View

__all__ = ["API_VERSION", "DeploymentInfoView"]

API_VERSION = "1.0.0"
"""Of the API, not of this program."""


class DeploymentInfoView(View):
    public_url: str | None = None
    shared_domain: str
    slug_registration_enabled: bool
    version: str
