"""`e2a open`: a link into the dashboard."""

from __future__ import annotations

import sys
import webbrowser
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cyclopts import Parameter

from e2a_core.errors import NotFound
from e2a_mcp.program.arguments import Address
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act

__all__ = ["open_"]


def open_(
    *,
    role: Annotated[
        Literal["owner", "reviewer", "viewer"],
        Parameter(help="What the person may do: all, decide, or look."),
    ] = "owner",
    email: Annotated[
        Address | None, Parameter(help="Whom it signs in; the account's owner if left out.")
    ] = None,
    show: Annotated[bool, Parameter(name="--print", help="Print the link and open no browser.")] = False,
    where: Where = HERE,
) -> int:
    """Open the dashboard: at the own home by a link that signs in once, within 15 minutes."""

    async def work(it: Acting) -> None:
        url = await _link(it, role, email)
        if it.output.as_json:
            it.output.json({"url": url})
        else:
            it.output.line(url)
        if not show and sys.stdout.isatty():
            webbrowser.open(url)

    return act(where, work)


async def _link(it: Acting, role: Literal["owner", "reviewer", "viewer"], email: str | None) -> str:
    """Raises `NotFound` if no process serves the home."""
    from e2a_core.local.engine import LocalEngine
    from e2a_core.local.run_file import read_run_file

    if not isinstance(it.engine, LocalEngine):
        told = (await it.engine.info()).public_url or ""
        return told if _is_page(told) else it.settings.api_url
    from e2a_mcp.program.sign_in import owner_link

    if not read_run_file(it.settings.home):
        raise NotFound("nobody serves this home: start `e2a serve` first")
    return await owner_link(it.engine.core, role=role, email=email or "")


def _is_page(url: str) -> bool:
    """Whether a browser opens `url` as a page: a deployment must not start other programs, or show files."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable()
