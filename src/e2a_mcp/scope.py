"""The scope of a stdio session, which decides the tools that it lists."""

from __future__ import annotations

import logging

from e2a_core.contract.principal import Scope
from e2a_core.errors import E2AError
from e2a_core.settings import Settings
from e2a_mcp.engines import LazyEngine

__all__ = ["stdio_scope"]

_AGENT_KEY = "e2a_agt_"
_KEY = "e2a_"
"""The prefix of a key, whose next part tells its scope. An access token has no such prefix."""

_log = logging.getLogger(__name__)


async def stdio_scope(settings: Settings, engine: LazyEngine) -> Scope:
    """Returns the scope in the settings, but never a wider one than the key's.

    Asks the deployment only if the key does not tell its scope. If the deployment does not answer, the scope is
    `account`: the deployment still refuses what the credential may not do, and a list of tools that an outage shortens
    would mislead the client, which keeps it.
    """
    if not settings.remote:
        return settings.mcp_scope or "agent"
    if settings.mcp_scope == "agent" or settings.api_key.startswith(_AGENT_KEY):
        return "agent"
    if settings.mcp_scope or settings.api_key.startswith(_KEY):
        return "account"
    try:
        return (await (await engine.get()).home_session(scope="account")).principal.scope
    except E2AError as problem:
        _log.warning("the scope of the credential is not known: %s", problem)
        return "account"
