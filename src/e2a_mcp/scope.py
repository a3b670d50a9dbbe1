"""The scope of a stdio session, which decides the tools it is offered."""

from __future__ import annotations

import logging

from e2a_core.contract.principal import Scope
from e2a_core.errors import E2AError
from e2a_core.settings import Settings
from e2a_mcp.engines import LazyEngine

__all__ = ["stdio_scope"]

# Keys say what they are for; access tokens do not.
_AGENT_KEY = "e2a_agt_"
_KEY = "e2a_"

_log = logging.getLogger(__name__)


async def stdio_scope(settings: Settings, engine: LazyEngine) -> Scope:
    """The scope of the settings, never wider than the key's; the deployment is asked only if the key does not tell.

    One that does not answer leaves the account's tools listed: it goes on refusing what the credential may not do,
    and a list that shrinks with the weather would mislead the client, which keeps it.
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
