"""Puts a listener together: where it hears of mail, and what it does with it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from e2a_core.clock import SystemClock
from e2a_core.contract.engine import Session
from e2a_core.errors import NotFound, SettingsError
from e2a_core.ids import Ids
from e2a_core.settings import Settings
from e2a_mcp.program.listen.delivery import Delivery
from e2a_mcp.program.listen.forward import Forwarder
from e2a_mcp.program.listen.source import Source, patiently
from e2a_mcp.program.output import note

__all__ = ["Options", "opened"]

DEAD_LETTERS = "dead-letters.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for. `answers`: the URL is of a model that answers, not of a program that is told."""

    agent: str | None
    url: str | None
    forward: str | None
    answers: bool
    secret: str | None
    token: str | None
    model: str
    any_sender: bool
    dead_letters: Path | None


@dataclass(frozen=True, slots=True)
class _Inbox:
    """`session` is None where nothing but the source is needed."""

    agent: str
    source: Source
    session: Session | None


@asynccontextmanager
async def opened(settings: Settings, options: Options) -> AsyncIterator[tuple[Source, Delivery | None]]:
    """Yields where events come from and, with `--forward`, where they go. Raises `SettingsError` and `E2AError`."""
    if options.url is not None:
        if not settings.remote:
            raise SettingsError(
                "--url needs E2A_API_KEY, a key of that deployment; `e2a bootstrap` makes one"
            )
        settings = replace(settings, api_url=options.url)
    wanted = options.agent or settings.agent_email or None
    inbox = _at_deployment(settings, wanted, options) if settings.remote else _at_home(settings, wanted)
    # No proxy of the environment stands before a program on this machine.
    async with inbox as found, httpx.AsyncClient(follow_redirects=False, trust_env=False) as http:
        note(f"mail of {found.agent} at {settings.api_url if settings.remote else settings.home}")
        yield found.source, _delivery(settings, options, http, found)


@asynccontextmanager
async def _at_deployment(settings: Settings, wanted: str | None, options: Options) -> AsyncIterator[_Inbox]:
    from e2a_core.remote.engine import open_remote_engine
    from e2a_mcp.program.listen.stream import Stream

    engine = await open_remote_engine(settings)
    try:
        session, agent = None, wanted
        if agent is None or options.answers:
            session = await patiently(lambda: engine.home_session(agent_email=wanted))
            agent = wanted or session.principal.agent_email
        if agent is None:
            raise SettingsError("--agent or E2A_AGENT_EMAIL must name the inbox: the key is of an account")
        yield _Inbox(agent, Stream(settings.api_url, settings.api_key, agent), session)
    finally:
        await engine.close()


@asynccontextmanager
async def _at_home(settings: Settings, wanted: str | None) -> AsyncIterator[_Inbox]:
    """The home of this process, which also runs the relay unless another process does."""
    from e2a_mcp.program.home import open_home_engine
    from e2a_mcp.program.listen.own_home import OwnHome

    engine = await open_home_engine(settings)
    try:
        session = await engine.home_session(agent_email=wanted)
        agent = session.principal.agent_email
        if agent is None:
            raise NotFound("this home has no inbox")
        yield _Inbox(agent, OwnHome(engine, session.principal, agent), session)
    finally:
        await engine.close()


def _delivery(
    settings: Settings, options: Options, http: httpx.AsyncClient, inbox: _Inbox
) -> Delivery | None:
    if options.forward is None:
        return None
    dead = options.dead_letters or settings.home / DEAD_LETTERS
    if not options.answers or inbox.session is None:
        secret = options.secret or settings.webhook_secret
        if not secret:
            secret = f"whsec_{secrets.token_hex(32)}"
            note(f"signing with {secret}")
        return Delivery(Forwarder(http, options.forward, secret, clock=SystemClock()).attempt, dead)
    from e2a_mcp.program.listen.guard import Guard
    from e2a_mcp.program.listen.responses import Responder

    guard = Guard(inbox.agent, any_sender=options.any_sender, clock=SystemClock())
    responder = Responder(
        http,
        inbox.session,
        guard,
        agent=inbox.agent,
        url=options.forward,
        token=options.token,
        model=options.model,
        ids=Ids(),
    )
    return Delivery(responder.attempt, dead)
