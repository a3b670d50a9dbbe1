"""`e2a bootstrap`: makes an account and a key for it, without a running server."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from e2a_core.accounts.credentials import ensure_account, mint_key
from e2a_core.audit.entry import by_home
from e2a_core.audit.log import AuditLog
from e2a_core.clock import SystemClock
from e2a_core.ids import Ids
from e2a_core.local.home import open_home
from e2a_core.settings import Settings, load_settings
from e2a_mcp.program.arguments import Address
from e2a_mcp.program.output import note, result, result_json

__all__ = ["bootstrap"]

KEY_NAME = "bootstrap"


def bootstrap(
    *,
    email: Annotated[Address, Parameter(help="Whose account; made if there is none.")],
    json: Annotated[bool, Parameter(help="Print account_id, email and api_key as JSON.")] = False,
) -> int:
    """Make or find an account and print a new API key for it, without a running server."""
    account_id, key, created = asyncio.run(_bootstrap(load_settings(), email))
    note(f"{'made' if created else 'found'} the account of {email}")
    if json:
        result_json({"account_id": account_id, "email": email, "api_key": key})
        return 0
    result(f"account  {account_id}  {email}")
    result(f"api key  {key}")
    note("the key is not shown again")
    return 0


async def _bootstrap(settings: Settings, email: str) -> tuple[str, str, bool]:
    # On a fresh home this account is the first one, so it gets the default inbox.
    core, made = await open_home(settings, SystemClock(), Ids(), first_owner=email)
    try:
        for line in made:
            note(line)
        account_id, created = await ensure_account(core, email)
        async with AuditLog(core).during(by_home(account_id, "create_api_key")) as subjects:
            key = await mint_key(core, account_id, name=KEY_NAME)
            subjects["id"] = key.row.id
        return account_id, key.plaintext, created or any(line.startswith("made the account") for line in made)
    finally:
        await core.db.close()
