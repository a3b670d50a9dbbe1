"""`e2a listen`: shows mail of one inbox as it comes, or hands it to a program."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from e2a_core.clock import SystemClock
from e2a_core.errors import SettingsError
from e2a_core.local.run_file import read_run_file
from e2a_core.settings import Settings, load_settings
from e2a_core.visible import one_line
from e2a_mcp.program.listen.forward import Forwarder
from e2a_mcp.program.listen.stream import Ended, Stream
from e2a_mcp.program.output import note, result

__all__ = ["configure", "run"]

DEAD_LETTERS = "dead-letters.jsonl"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--agent", metavar="ADDRESS", help="the inbox; that of E2A_AGENT_EMAIL if it is left out"
    )
    parser.add_argument(
        "--url", type=_url, metavar="URL", help="the deployment; the home served here if left out"
    )
    parser.add_argument("--json", action="store_true", help="print one event a line as JSON")
    parser.add_argument("--forward", type=_url, metavar="URL", help="post each event, signed, to this URL")
    parser.add_argument("--secret", metavar="SECRET", help="what signs; made and shown if it is left out")
    parser.add_argument("--dead-letters", type=Path, metavar="FILE", help="where events go that nobody took")


def run(args: argparse.Namespace) -> int:
    settings = load_settings()
    try:
        asyncio.run(_listen(settings, args))
    except Ended as end:
        note(str(end))
        return end.status
    return 0


async def _listen(settings: Settings, args: argparse.Namespace) -> None:
    stream = Stream(_deployment(settings, args.url), _key(settings), _inbox(settings, args.agent))
    forwarder = _forwarder(settings, args) if args.forward else None
    async for envelope in stream.envelopes():
        if args.json:
            result(json.dumps(envelope, ensure_ascii=False))
        elif forwarder is None:
            result(_line(envelope))
        if forwarder is not None:
            await forwarder.deliver(envelope)
            await stream.acknowledge(envelope)


def _deployment(settings: Settings, url: str | None) -> str:
    """The deployment that is named, else the home that is served here, else that of `E2A_API_URL`."""
    run_file = read_run_file(settings.home) or {}
    return url or str(run_file.get("http") or settings.api_url)


def _key(settings: Settings) -> str:
    if not settings.api_key:
        raise SettingsError("E2A_API_KEY must be an API key; `e2a bootstrap` makes one")
    return settings.api_key


def _inbox(settings: Settings, agent: str | None) -> str:
    found = agent or settings.agent_email
    if not found:
        raise SettingsError("--agent or E2A_AGENT_EMAIL must name the inbox")
    return found


def _forwarder(settings: Settings, args: argparse.Namespace) -> Forwarder:
    secret = args.secret or settings.webhook_secret
    if not secret:
        secret = f"whsec_{secrets.token_hex(32)}"
        note(f"signing with {secret}")
    dead = args.dead_letters or settings.home / DEAD_LETTERS
    return Forwarder(args.forward, secret, dead, clock=SystemClock())


def _line(envelope: dict[str, Any]) -> str:
    """One line for people: when, who by their own word, whether that is proven, and the subject."""
    data = envelope.get("data") or {}
    verified = data.get("verified_domain")
    author = one_line(str(data.get("header_from") or data.get("envelope_from") or "unknown"))
    subject = one_line(str(data.get("subject") or ""))
    proof = f"verified {one_line(str(verified))}" if verified else "not verified"
    return f"{envelope.get('created_at', '')}  {author}  ({proof})  {subject}"


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise argparse.ArgumentTypeError("must be an http:// or https:// URL")
    return text
