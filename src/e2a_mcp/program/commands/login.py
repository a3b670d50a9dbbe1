"""`e2a login`, `e2a logout`: a key of a deployment, kept for the next command."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import threading
import webbrowser
from dataclasses import replace
from getpass import getpass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Annotated
from urllib.parse import parse_qs, urlencode

from cyclopts import Parameter

from e2a_core.contract.account import AccountView
from e2a_core.errors import E2AError, NotFound
from e2a_core.settings import Settings, load_settings
from e2a_mcp.program.arguments import Url
from e2a_mcp.program.commands.config import masked
from e2a_mcp.program.failed import Failed
from e2a_mcp.program.output import note, result
from e2a_mcp.program.saved import IN_KEYRING, read_saved, write_key
from e2a_mcp.program.statuses import CREDENTIALS, EXPIRED, status_of
from e2a_mcp.program.system_keyring import key_of, require_keyring

__all__ = ["login", "logout"]

WAIT_SECONDS = 120.0
STATE_OCTETS = 16
CODE_DIGITS = 6
"""Digits of the state that the page shows too, so that a person sees that it is this sign-in."""
MAX_FORM_OCTETS = 16 * 1024
LOGIN_PATH = "/api/auth/login"


def login(
    url: Annotated[Url | None, Parameter(help="The deployment; E2A_API_URL if left out.")] = None,
    /,
    *,
    with_key: Annotated[
        bool, Parameter(help="Ask for a key, or read it from standard input, and open no browser.")
    ] = False,
    keyring: Annotated[
        bool, Parameter(help="Keep the key in the system's keyring; needs the extra `keyring`.")
    ] = False,
) -> int:
    """Sign in to a deployment in the browser, and keep its key for the next commands in `config.json` of the home."""
    settings = load_settings()
    if keyring:
        require_keyring()
    there = (url or str(read_saved(settings.home).get("api_url") or settings.api_url)).rstrip("/")
    try:
        asyncio.run(_reached(replace(settings, api_url=there, api_key="")))
        key = _key_typed() if with_key else _key_from_browser(there)
        account = asyncio.run(_account(replace(settings, api_url=there, api_key=key)))
    except E2AError as problem:
        raise Failed(problem.message, status_of(problem), code=problem.code) from None
    write_key(settings.home, key, in_keyring=keyring, api_url=there, key_scope=account.scope)
    where = ", which is in the system's keyring" if keyring else ""
    result(f"signed in to {there} as {account.user.email} with {masked(key)}{where}")
    note("`e2a whoami` says whom commands act as; `--local` acts on the home on this machine")
    return 0


def logout(
    *,
    revoke: Annotated[bool, Parameter(help="End the key at the deployment too.")] = False,
) -> int:
    """Forget the key that `e2a login` kept."""
    settings = load_settings()
    kept = read_saved(settings.home)
    if not kept.get("api_key") and not kept.get(IN_KEYRING):
        raise Failed("nobody is signed in", CREDENTIALS, code="unauthorized")
    if revoke:
        key = str(kept.get("api_key") or key_of(str(kept[IN_KEYRING])))
        there = str(kept.get("api_url") or settings.api_url)
        try:
            asyncio.run(_revoked(replace(settings, api_url=there, api_key=key)))
        except E2AError as problem:
            raise Failed(
                f"the key was not ended: {problem.message}", status_of(problem), code=problem.code
            ) from None
    write_key(settings.home, None, key_scope=None)
    result(
        "signed out"
        if revoke
        else "signed out; the key itself stays valid until it is deleted under API keys"
    )
    return 0


def _key_typed() -> str:
    key = getpass("API key: ") if sys.stdin.isatty() else sys.stdin.readline()
    return _checked(key.strip())


def _checked(key: str) -> str:
    if not key.startswith("e2a_") or not key.isascii():
        raise Failed("this is no key of e2a", CREDENTIALS, code="unauthorized")
    return key


def _key_from_browser(url: str) -> str:
    """The key that the deployment's page posts to this machine, once the person at the browser agrees."""
    state = secrets.token_hex(STATE_OCTETS)
    with _Callback(state) as callback:
        query = urlencode(
            {"cli_callback": callback.url, "cli_state": state, "cli_name": socket.gethostname()}
        )
        page = f"{url}{LOGIN_PATH}?{query}"
        note(f"open {page} (code {state[:CODE_DIGITS]})")
        if sys.stderr.isatty():
            webbrowser.open(page)
        answer = callback.wait(WAIT_SECONDS)
    if answer is None:
        raise Failed(f"nobody signed in within {WAIT_SECONDS:g} s", EXPIRED, code="expired")
    if answer.get("error"):
        raise Failed(f"the deployment refused: {answer['error']}", CREDENTIALS, code="forbidden")
    return _checked(answer.get("api_key", ""))


class _Callback:
    """Hears one form on a free port of this machine; what does not know the state is refused and changes nothing."""

    def __init__(self, state: str) -> None:
        self._answer: dict[str, str] | None = None
        self._came = threading.Event()
        self._server = HTTPServer(("127.0.0.1", 0), self._handler(state))
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback"

    def __enter__(self) -> _Callback:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds: float) -> dict[str, str] | None:
        self._came.wait(seconds)
        return self._answer

    def _handler(self, state: str) -> type[BaseHTTPRequestHandler]:
        heard = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self) -> None:
                length = self.headers.get("content-length", "")
                if not length.isdigit() or int(length) > MAX_FORM_OCTETS:
                    self._say(HTTPStatus.BAD_REQUEST, "This is not what was expected.")
                    return
                form = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
                answer = {name: values[0] for name, values in form.items()}
                if not secrets.compare_digest(answer.get("cli_state", "").encode(), state.encode()):
                    self._say(HTTPStatus.BAD_REQUEST, "This is not the sign-in that was begun.")
                    return
                self._say(HTTPStatus.OK, "You are signed in. This page can be closed.")
                heard._answer = heard._answer or answer
                heard._came.set()

            def do_GET(self) -> None:
                self._say(HTTPStatus.METHOD_NOT_ALLOWED, "Only the sign-in page may come here.")

            do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET

            def _say(self, status: HTTPStatus, text: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the request holds a key."""

        return Handler


async def _reached(settings: Settings) -> None:
    """Raises `E2AError` if nobody answers; that one of another kind answers is no matter yet."""
    from e2a_core.remote.engine import open_remote_engine

    engine = await open_remote_engine(settings)
    try:
        await engine.info()
    except E2AError as problem:
        if problem.retryable:
            raise
    finally:
        await engine.close()


async def _account(settings: Settings) -> AccountView:
    from e2a_core.remote.engine import open_remote_engine

    engine = await open_remote_engine(settings)
    try:
        return await (await engine.session(settings.api_key)).account.get()
    finally:
        await engine.close()


async def _revoked(settings: Settings) -> None:
    """Ends the key in use, which the list tells by its beginning. Raises `NotFound` unless exactly one begins so."""
    from e2a_core.remote.engine import open_remote_engine

    engine = await open_remote_engine(settings)
    try:
        session = await engine.session(settings.api_key)
        keys = (await session.api_keys.list(limit=100)).items
        found = [key for key in keys if key.key_prefix and settings.api_key.startswith(key.key_prefix)]
        if len(found) != 1:
            raise NotFound("the deployment does not say which key it is; `e2a keys delete` ends it")
        await session.api_keys.delete(found[0].id)
    finally:
        await engine.close()
