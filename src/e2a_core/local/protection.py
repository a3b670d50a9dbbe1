"""Protection configs as one caller may see and change them."""

from __future__ import annotations

from e2a_core.agents.lookup import resolve_agent
from e2a_core.contract.principal import Principal
from e2a_core.contract.protection import ProtectionConfig, ProtectionConfigView
from e2a_core.core import Core
from e2a_core.errors import NotFound
from e2a_core.protection import queries
from e2a_core.protection.config import config_of, config_view, normalised_config
from e2a_core.store.statement import StaleWrite

__all__ = ["Protection"]


class Protection:
    """`engine.Protection`. An agent credential may not even look, lest the guarded study its guard."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def get(self, email: str) -> ProtectionConfigView:
        self._principal.require_account()
        return config_view(config_of(await resolve_agent(self._core, self._principal, email)))

    async def put(self, email: str, config: ProtectionConfig) -> ProtectionConfigView:
        """Replace the whole config; the last writer wins."""
        self._principal.require_account()
        agent = await resolve_agent(self._core, self._principal, email)
        normalised = normalised_config(config)
        try:
            await self._core.db.write([queries.store_config(agent.email, normalised.model_dump_json())])
        except StaleWrite:
            raise NotFound("no such agent") from None
        return config_view(normalised)
