"""`e2a listen`: shows mail of one inbox as it comes, hands it to a program, or has a model answer it."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from e2a_core.errors import E2AError, SettingsError
from e2a_core.settings import Settings
from e2a_core.visible import one_line
from e2a_mcp.program.arguments import Address, Url
from e2a_mcp.program.listen.parts import Options, opened
from e2a_mcp.program.listen.source import FAILED, Ended, Event, status_of
from e2a_mcp.program.logging import configure_logging
from e2a_mcp.program.output import note, result, result_json
from e2a_mcp.program.saved import settings_here

__all__ = ["listen"]

REMEMBERED = 10_000
"""Events already dealt with, which come again after a reconnect."""
DEFAULT_MODEL = "openclaw"
"""What the public client asks for; gateways choose the model by themselves."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command line of `e2a listen`."""

    agent: Annotated[
        Address | None,
        Parameter(
            help="The inbox; if left out that of E2A_AGENT_EMAIL, of the key, or the default one of the home."
        ),
    ] = None
    url: Annotated[Url | None, Parameter(help="The deployment of the key, instead of E2A_API_URL.")] = None
    json: Annotated[bool, Parameter(help="Print one event a line as JSON.")] = False
    forward: Annotated[Url | None, Parameter(help="Post each event, signed, to this URL.")] = None
    secret: Annotated[str | None, Parameter(help="What signs; made and shown if it is left out.")] = None
    dead_letters: Annotated[Path | None, Parameter(help="Where events go that nobody took.")] = None
    forward_token: Annotated[
        str | None,
        Parameter(
            help="Have the model behind the URL answer each mail, and authenticate there with this token."
        ),
    ] = None
    model: Annotated[
        str | None, Parameter(help=f"The model asked for an answer; {DEFAULT_MODEL} if left out.")
    ] = None
    any_sender: Annotated[bool, Parameter(help="Have mail answered too whose author did not pass DMARC.")] = (
        False
    )


def listen(asked: Asked | None = None) -> int:
    """Show mail of an inbox as it comes, or hand it to a program."""
    asked = asked or Asked()
    settings = settings_here(remote=asked.url)
    configure_logging(settings.log_level)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A subject may hold what the terminal's charset does not.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        asyncio.run(_until_told(settings, _options(asked), as_json=asked.json))
    except Ended as end:
        note(str(end))
        return end.status
    except E2AError as problem:
        note(one_line(problem.message))
        return status_of(problem)
    except BrokenPipeError:
        # The reader of the output is gone; the interpreter must not write to it again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return 0


def _options(asked: Asked) -> Options:
    """Raises `SettingsError` for options without the one that they belong to."""
    answers = asked.forward_token is not None or _is_responses(asked.forward)
    if asked.forward is None:
        _refuse(asked, ("secret", "dead_letters", "forward_token"), "needs --forward")
    if answers:
        _refuse(asked, ("secret",), "signs what a program is told; a model takes --forward-token")
    else:
        _refuse(
            asked,
            ("any_sender", "model"),
            "needs --forward-token, or a --forward URL that ends in /v1/responses",
        )
    return Options(
        agent=asked.agent,
        url=asked.url,
        forward=asked.forward,
        answers=answers,
        secret=asked.secret,
        token=asked.forward_token,
        model=asked.model or DEFAULT_MODEL,
        any_sender=asked.any_sender,
        dead_letters=asked.dead_letters,
    )


def _refuse(asked: Asked, names: Sequence[str], reason: str) -> None:
    for name in names:
        if getattr(asked, name):
            raise SettingsError(f"--{name.replace('_', '-')} {reason}")


async def _until_told(settings: Settings, options: Options, *, as_json: bool) -> None:
    """Listens until SIGTERM, which is how a supervisor ends it."""
    listening = asyncio.ensure_future(_listen(settings, options, as_json=as_json))
    told = asyncio.Event()

    def end() -> None:
        told.set()
        listening.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    try:
        await listening
    except asyncio.CancelledError:
        if not told.is_set():
            raise


async def _listen(settings: Settings, options: Options, *, as_json: bool) -> None:
    done: OrderedDict[str, None] = OrderedDict()
    async with opened(settings, options) as (source, delivery):
        async for event in source.events():
            if event.id not in done:
                if as_json:
                    result_json(event.envelope)
                elif delivery is None:
                    result(_line(event))
                if delivery is not None:
                    await delivery.deliver(event)
                done[event.id] = None
                if len(done) > REMEMBERED:
                    done.popitem(last=False)
            if delivery is not None:
                await source.acknowledge(event)


def _line(event: Event) -> str:
    """One line for people: when, who by their own word, whether that is proven, and the subject."""
    at = one_line(str(event.envelope.get("created_at", "")))
    if event.arrival is None:
        return f"{at}  {one_line(event.type)}"
    verified = event.data.get("verified_domain")
    author = one_line(str(event.data.get("header_from") or event.data.get("envelope_from") or "unknown"))
    subject = one_line(str(event.data.get("subject") or ""))
    proof = f"verified {one_line(str(verified))}" if verified else "not verified"
    return f"{at}  {author}  ({proof})  {subject}"


def _is_responses(url: str | None) -> bool:
    return url is not None and urlsplit(url).path.rstrip("/").endswith("/v1/responses")
