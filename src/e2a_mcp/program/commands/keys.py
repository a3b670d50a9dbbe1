"""`e2a keys`: API keys, shown once."""

from __future__ import annotations

import socket
from typing import Annotated

from cyclopts import App, Parameter

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.errors import SettingsError
from e2a_mcp.program.arguments import Address
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act
from e2a_mcp.program.commands.derive import Verb, add
from e2a_mcp.program.commands.requesting import requested

__all__ = ["keys"]

keys = App(name="keys")
add(
    keys,
    "api_keys",
    Verb(
        name="list",
        operation="list_api_keys",
        shown=("id", "name", "scope", "agent_email", "key_prefix", "last_used_at", "expires_at"),
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
