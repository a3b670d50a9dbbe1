"""`e2a keys`: API keys, shown once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Annotated

from cyclopts import App, Parameter

from e2a_core.contract.api_keys import APIKeyView, CreateAPIKeyRequest
from e2a_core.errors import SettingsError
from e2a_mcp.program.arguments import Address
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act
from e2a_mcp.program.commands.derive import Verb, add
from e2a_mcp.program.commands.requesting import requested
from e2a_mcp.program.commands.show import ago

__all__ = ["keys"]


def _lines(key: APIKeyView) -> Iterator[str]:
    """The id, which `delete` is given, and what the key is; and below, where it is known from and used."""
    reach = key.agent_email or "the whole account"
    yield f"{key.id}  {key.name or 'no name'}: {reach}"
    used = f"last used {ago(key.last_used_at)}" if key.last_used_at else "never used"
    ends = f"; ends {ago(key.expires_at)}" if key.expires_at else ""
    yield f"    {key.key_prefix}...; made {ago(key.created_at)}; {used}{ends}"


keys = App(name="keys")
add(
    keys,
    "api_keys",
    Verb(
        name="list",
        operation="list_api_keys",
        shown=_lines,
    ),
    Verb(name="delete", operation="delete_api_key"),
)


@keys.command
def create(
    *,
    agent: Annotated[
        Address | None, Parameter(help="The inbox that the key reaches, and nothing else.")
    ] = None,
    account: Annotated[
        bool, Parameter(help="Make a key of the whole account, which can decide reviews and make keys.")
    ] = False,
    name: Annotated[
        str | None, Parameter(help="What the key is for; the name of this machine if left out.")
    ] = None,
    expires_at: Annotated[str | None, Parameter(help="When it stops working: time, date, or 90d.")] = None,
    only_key: Annotated[bool, Parameter(help="Print the key and nothing else.")] = False,
    where: Where = HERE,
) -> int:
    """Create an API key. It is shown this once."""
    if (agent is None) == (not account):
        raise SettingsError(
            "--agent ADDRESS makes a key of one inbox, --account one of everything: name one of them"
        )
    given = {
        "name": name or f"e2a on {socket.gethostname()}"[:200],
        "scope": "account" if account else "agent",
        "agent_email": agent,
        "expires_at": expires_at,
    }

    async def work(it: Acting) -> None:
        members = {name: value for name, value in given.items() if value is not None}
        made = await it.session.api_keys.create(requested(CreateAPIKeyRequest, members))
        if only_key:
            it.output.line(made.key)
        else:
            it.output.one(made)
        it.output.note("the key is not shown again")

    return act(where, work, agent=agent)
