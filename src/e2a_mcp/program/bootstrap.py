"""`e2a bootstrap`: makes an account and a key for it, without a running server."""

from __future__ import annotations

import argparse
import asyncio

from e2a_core.accounts.credentials import ensure_account, mint_key
from e2a_core.clock import SystemClock
from e2a_core.errors import InvalidRecipient
from e2a_core.ids import Ids
from e2a_core.local.home import open_home
from e2a_core.mail.addresses import parse_address
from e2a_core.settings import Settings, load_settings
from e2a_mcp.program.output import note, result, result_json

__all__ = ["address", "configure", "run"]

KEY_NAME = "bootstrap"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--email",
        required=True,
        type=address,
        metavar="ADDRESS",
        help="whose account; made if there is none",
    )
    parser.add_argument("--json", action="store_true", help="print account_id, email and api_key as JSON")


def run(args: argparse.Namespace) -> int:
    account_id, key, created = asyncio.run(_bootstrap(load_settings(), args.email))
    note(f"{'made' if created else 'found'} the account of {args.email}")
    if args.json:
        result_json({"account_id": account_id, "email": args.email, "api_key": key})
        return 0
    result(f"account  {account_id}  {args.email}")
    result(f"api key  {key}")
    note("the key is not shown again")
    return 0


def address(text: str) -> str:
    """An address given as an option, in the form that accounts have."""
    try:
        return parse_address(text).normalized
    except InvalidRecipient as problem:
        raise argparse.ArgumentTypeError(problem.message) from None


async def _bootstrap(settings: Settings, email: str) -> tuple[str, str, bool]:
    # On a fresh home this account is the first one, so it gets the default inbox.
    core, made = await open_home(settings, SystemClock(), Ids(), first_owner=email)
    try:
        for line in made:
            note(line)
        account_id, created = await ensure_account(core, email)
        key = await mint_key(core, account_id, name=KEY_NAME)
        return account_id, key.plaintext, created or any(line.startswith("made the account") for line in made)
    finally:
        await core.db.close()
