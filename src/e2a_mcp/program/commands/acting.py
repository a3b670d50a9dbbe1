"""Runs a command against a session: of the owner of the own home, or of the key of a deployment elsewhere."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from e2a_core.errors import E2AError, InvalidRequest, SettingsError
from e2a_core.settings import Settings
from e2a_mcp.program.arguments import Address, Url
from e2a_mcp.program.commands.requesting import named
from e2a_mcp.program.commands.show import Output
from e2a_mcp.program.failed import Failed
from e2a_mcp.program.saved import settings_here
from e2a_mcp.program.statuses import CREDENTIALS, status_of

if TYPE_CHECKING:
    from e2a_core.contract.engine import Engine, Session

__all__ = ["AGENT_HELP", "HERE", "Acting", "Agent", "Where", "act"]

AGENT_HELP = (
    "The inbox; if left out that of E2A_AGENT_EMAIL, of the configuration, of the key, or the default one."
)
Agent = Annotated[Address | None, Parameter(help=AGENT_HELP)]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Options of every command that acts on a deployment."""

    remote: Annotated[
        Url | None, Parameter(help="Act on the deployment at this URL, with E2A_API_KEY or the saved key.")
    ] = None
    local: Annotated[bool, Parameter(help="Act on the home on this machine even if a key is set.")] = False
    json: Annotated[bool, Parameter(help="Print JSON, as is done for pipes and files in any case.")] = False


HERE = Where()


class Acting:
    """What a command has while it runs."""

    def __init__(self, engine: Engine, session: Session, settings: Settings, output: Output) -> None:
        self.engine = engine
        self.session = session
        self.settings = settings
        self.output = output

    async def inbox(self, named: str | None = None) -> str:
        """The inbox to act in. Raises `SettingsError` if nothing says which."""
        chosen = named or self.settings.agent_email or self.session.principal.agent_email
        if chosen:
            return chosen
        inboxes = (await self.session.agents.list(limit=2)).items
        if len(inboxes) != 1:
            raise SettingsError("--agent must name the inbox: the account has several or none")
        return inboxes[0].email


def act(where: Where, work: Callable[[Acting], Awaitable[int | None]], *, agent: str | None = None) -> int:
    """Runs `work` and returns its exit status, 0 if it returns None. Raises `Failed` for what is refused.

    In the own home the session is that of the account that `agent` belongs to, else the owner's.
    """
    output = Output(as_json=where.json or not sys.stdout.isatty())
    settings = settings_here(remote=where.remote, local=where.local)
    if where.remote and where.local:
        raise SettingsError("--remote and --local exclude each other")
    if where.remote and not settings.remote:
        raise Failed("no key: set E2A_API_KEY or run `e2a login`", CREDENTIALS, code="unauthorized")
    try:
        return asyncio.run(_act(settings, output, work, agent)) or 0
    except SettingsError:
        raise
    except E2AError as problem:
        message = named(problem) if isinstance(problem, InvalidRequest) else problem.message
        raise Failed(message, status_of(problem), code=problem.code) from None
    except BrokenPipeError:
        # The reader of the output is gone; the interpreter must not write to it again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


async def _act(
    settings: Settings,
    output: Output,
    work: Callable[[Acting], Awaitable[int | None]],
    agent: str | None,
) -> int | None:
    engine = await _opened(settings)
    try:
        inbox = agent or settings.agent_email or None
        session = await engine.home_session(agent_email=inbox, scope="account")
        return await work(Acting(engine, session, settings, output))
    finally:
        await engine.close()


async def _opened(settings: Settings) -> Engine:
    """The engine of the key's deployment, or of the home without running its listeners."""
    engine: Engine
    if settings.remote:
        from e2a_core.remote.engine import open_remote_engine

        engine = await open_remote_engine(settings)
    else:
        from e2a_core.local.engine import open_local_engine

        engine = await open_local_engine(settings, leads=False)
    return engine
