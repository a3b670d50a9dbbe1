"""Signing in the command line: `e2a login` asks in the browser for a key, and a person hands it over.

The key goes in a form to the program that asked, on this machine (RFC 8252 section 7.3), and only after two buttons. A
link alone does nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.responses import Response

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.errors import InvalidRequest
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.visit import HEADERS, Visit
from e2a_core.visible import one_line

__all__ = ["PAGES"]

PATH = "/api/auth/login"
"""The path that the public command line asks for."""
MAX_NAME = 100
CODE_DIGITS = 6
"""Digits of the state that the terminal shows too, so that a person sees that it was theirs."""
_STATE = re.compile(r"[\w-]{16,200}", re.ASCII)
_CALLBACK_PATH = re.compile(r"/[\w/-]{0,100}", re.ASCII)


class _Asked(NamedTuple):
    callback: str
    state: str
    name: str

    @property
    def code(self) -> str:
        return self.state[:CODE_DIGITS]


async def ask(visit: Visit) -> Response:
    asked = _read(visit.asked("cli_callback"), visit.asked("cli_state"), visit.asked("cli_name"))
    return await visit.page("command_line.html", title="Sign in the command line", asked=asked, path=PATH)


async def hand_over(visit: Visit) -> Response:
    """Makes an account key and shows the form that carries it to the program."""
    form = visit.form
    asked = _read(form.text("cli_callback"), form.text("cli_state"), form.text("cli_name"))
    name = f"e2a on {asked.name}" if asked.name else "e2a"
    made = await visit.session.api_keys.create(CreateAPIKeyRequest(name=name, scope="account"))
    page = await visit.page(
        "command_line_key.html", title="Sign in the command line", asked=asked, key=made.key
    )
    origin = asked.callback[: asked.callback.index("/", len("http://"))]
    policy = HEADERS["Content-Security-Policy"].replace("form-action 'self'", f"form-action 'self' {origin}")
    page.headers["Content-Security-Policy"] = policy
    return page


def _read(callback: str, state: str, name: str) -> _Asked:
    """Raises `InvalidRequest` unless the key would stay on the machine of the browser."""
    try:
        parts = urlsplit(callback)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    usable = parts.scheme == "http" and parts.netloc == f"127.0.0.1:{port}" and port
    if not usable or not _CALLBACK_PATH.fullmatch(parts.path) or parts.query or parts.fragment:
        raise InvalidRequest(
            "a key is handed to a program on this machine only", location="query.cli_callback"
        )
    if not _STATE.fullmatch(state):
        raise InvalidRequest("this is no sign-in that a command line began", location="query.cli_state")
    return _Asked(f"http://127.0.0.1:{port}{parts.path}", state, one_line(name.strip())[:MAX_NAME])


PAGES = (Page("GET", PATH, ask), Page("POST", PATH, hand_over))
