"""Opens the engine that the settings choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2a_core.settings import Settings

if TYPE_CHECKING:
    from e2a_core.contract.engine import Engine

__all__ = ["open_engine"]


async def open_engine(settings: Settings) -> Engine:
    """Returns the engine of the home, or with `E2A_API_KEY` set the client of another deployment.

    Raises `SettingsError`, and `StoreUnavailable` when the home's database does not answer. Each engine is imported
    only when it is chosen, because the local one imports the whole relay.
    """
    engine: Engine
    if settings.remote:
        from e2a_core.remote.engine import open_remote_engine

        engine = await open_remote_engine(settings)
    else:
        from e2a_mcp.program.home import open_home_engine

        engine = await open_home_engine(settings)
    return engine
