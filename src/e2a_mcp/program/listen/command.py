"""`e2a listen`: shows mail of one inbox as it comes, hands it to a program, or has a model answer it."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import signal
import sys
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from e2a_core.errors import E2AError, InvalidRecipient, SettingsError
from e2a_core.mail.addresses import parse_address
from e2a_core.settings import Settings, load_settings
from e2a_core.visible import one_line
from e2a_mcp.program.listen.parts import Options, opened
from e2a_mcp.program.listen.source import FAILED, Ended, Event, status_of
from e2a_mcp.program.logging import configure_logging
from e2a_mcp.program.output import note, result, result_json

__all__ = ["configure", "run"]

REMEMBERED = 10_000
"""Events already dealt with, which come again after a reconnect."""
DEFAULT_MODEL = "openclaw"
"""What the public client asks for; gateways choose the model by themselves."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--agent",
        type=_address,
        metavar="ADDRESS",
        help="the inbox; if left out that of E2A_AGENT_EMAIL, of the key, or the default one of the home",
    )
    parser.add_argument(
        "--url", type=_url, metavar="URL", help="the deployment of the key, instead of E2A_API_URL"
    )
    parser.add_argument("--json", action="store_true", help="print one event a line as JSON")
    parser.add_argument("--forward", type=_url, metavar="URL", help="post each event, signed, to this URL")
    parser.add_argument("--secret", metavar="SECRET", help="what signs; made and shown if it is left out")
    parser.add_argument("--dead-letters", type=Path, metavar="FILE", help="where events go that nobody took")
    parser.add_argument(
        "--forward-token",
        metavar="TOKEN",
        help="have the model behind the URL answer each mail, and authenticate there with this token",
    )
    parser.add_argument(
        "--model", metavar="NAME", help=f"the model asked for an answer; {DEFAULT_MODEL} if left out"
    )
    parser.add_argument(
        "--any-sender", action="store_true", help="have mail answered too whose author did not pass DMARC"
    )


def run(args: argparse.Namespace) -> int:
    settings = load_settings()
    configure_logging(settings.log_level)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A subject may hold what the terminal's charset does not.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        asyncio.run(_until_told(settings, _options(args), as_json=args.json))
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


def _options(args: argparse.Namespace) -> Options:
    """Raises `SettingsError` for options without the one that they belong to."""
    answers = args.forward_token is not None or _is_responses(args.forward)
    if args.forward is None:
        _refuse(args, ("secret", "dead_letters", "forward_token"), "needs --forward")
    if answers:
        _refuse(args, ("secret",), "signs what a program is told; a model takes --forward-token")
    else:
        _refuse(
            args,
            ("any_sender", "model"),
            "needs --forward-token, or a --forward URL that ends in /v1/responses",
        )
    return Options(
        agent=args.agent,
        url=args.url,
        forward=args.forward,
        answers=answers,
        secret=args.secret,
        token=args.forward_token,
        model=args.model or DEFAULT_MODEL,
        any_sender=args.any_sender,
        dead_letters=args.dead_letters,
    )


def _refuse(args: argparse.Namespace, names: Sequence[str], reason: str) -> None:
    for name in names:
        if getattr(args, name):
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


def _address(text: str) -> str:
    try:
        return parse_address(text).normalized
    except InvalidRecipient as problem:
        raise argparse.ArgumentTypeError(problem.message) from None


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError("must be an http:// or https:// URL")
    return text
