"""Checking recipients against the suppression lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2a_core.core import Core
from e2a_core.errors import RecipientSuppressed
from e2a_core.mail.addresses import parse_address
from e2a_core.suppressions import queries

__all__ = ["Block", "blocks_of", "refuse_suppressed"]


@dataclass(frozen=True, slots=True)
class Block:
    """The suppression of `address`; `scope` is account or agent."""

    address: str
    scope: str
    source: str
    reason: str | None


async def blocks_of(
    core: Core, account_id: str, agent_email: str, addresses: Sequence[str]
) -> dict[str, Block]:
    """The suppressed ones of `addresses` (bare, lower case). If both lists have one, returns the account's entry."""
    if not addresses:
        return {}
    found: dict[str, Block] = {}
    rows = await core.db.read(queries.blocked(account_id, agent_email, list(dict.fromkeys(addresses))))
    for row in rows:
        block = Block(row["address"], row["scope"], row["source"], row["reason"])
        found.setdefault(block.address, block)
    return found


async def refuse_suppressed(core: Core, account_id: str, agent_email: str, recipients: Sequence[str]) -> None:
    """Raises `RecipientSuppressed` with the addresses if any of `recipients` (as given) is on either list."""
    bare = [parse_address(item).normalized for item in recipients]
    blocked = await blocks_of(core, account_id, agent_email, bare)
    if blocked:
        addresses = sorted(blocked)
        raise RecipientSuppressed(
            f"on a suppression list: {', '.join(addresses)}", details={"addresses": addresses}
        )
