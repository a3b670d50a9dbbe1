"""`e2a account`: gives an account another address, without a running server."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from e2a_core.clock import SystemClock
from e2a_core.ids import Ids
from e2a_core.local.home import move_account, open_home
from e2a_core.settings import Settings, load_settings
from e2a_mcp.program.arguments import Address
from e2a_mcp.program.output import note, result, result_json

__all__ = ["account"]


def account(
    *,
    email: Annotated[Address, Parameter(help="The address the account has.")],
    new_email: Annotated[
        Address, Parameter(help="The one it gets, where notices of held mail go from then on.")
    ],
    json: Annotated[bool, Parameter(help="Print account_id and email as JSON.")] = False,
) -> int:
    """Give an account another address, without a running server."""
    account_id = asyncio.run(_move(load_settings(), email, new_email))
    note(f"the account of {email} is the account of {new_email} now")
    if json:
        result_json({"account_id": account_id, "email": new_email})
    else:
        result(f"account  {account_id}  {new_email}")
    return 0


async def _move(settings: Settings, email: str, new_email: str) -> str:
    core, made = await open_home(settings, SystemClock(), Ids())
    try:
        for line in made:
            note(line)
        return await move_account(core, email, new_email)
    finally:
        await core.db.close()
