"""`e2a account`: gives an account another address, without a running server."""

from __future__ import annotations

import argparse
import asyncio

from e2a_core.clock import SystemClock
from e2a_core.ids import Ids
from e2a_core.local.home import move_account, open_home
from e2a_core.settings import Settings, load_settings
from e2a_mcp.program.bootstrap import address
from e2a_mcp.program.output import note, result, result_json

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--email", required=True, type=address, metavar="ADDRESS", help="the address the account has"
    )
    parser.add_argument(
        "--new-email",
        required=True,
        type=address,
        metavar="ADDRESS",
        help="the one it gets, where notices of held mail go from then on",
    )
    parser.add_argument("--json", action="store_true", help="print account_id and email as JSON")


def run(args: argparse.Namespace) -> int:
    account_id = asyncio.run(_move(load_settings(), args.email, args.new_email))
    note(f"the account of {args.email} is the account of {args.new_email} now")
    if args.json:
        result_json({"account_id": account_id, "email": args.new_email})
    else:
        result(f"account  {account_id}  {args.new_email}")
    return 0


async def _move(settings: Settings, email: str, new_email: str) -> str:
    core, made = await open_home(settings, SystemClock(), Ids())
    try:
        for line in made:
            note(line)
        return await move_account(core, email, new_email)
    finally:
        await core.db.close()
