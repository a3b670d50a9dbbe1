"""Protection configs as one caller may see and change them."""

from __future__ import annotations

from ..agents.lookup import resolve_agent
from ..agents.queries import AgentRow
from ..core import Core
from ..errors import NotFound
from ..principal import Principal
from ..store.contract import StaleWrite
from ..wire.agents import ProtectionConfig, ProtectionConfigView
from . import queries
from .config import config_view, load_config, normalised_config

__all__ = ["Protection", "config_of"]


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


def config_of(agent: AgentRow) -> ProtectionConfig:
    """The config that applies to mail of an agent."""
    return load_config(agent.protection)
