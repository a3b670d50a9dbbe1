"""One-time links into the pages of a home, for whoever may read its files."""

from __future__ import annotations

from e2a_core.contract.principal import Role
from e2a_core.core import Core
from e2a_core.local.home import home_principal
from e2a_core.local.run_file import read_run_file
from e2a_core.people.links import mint_link

__all__ = ["owner_link"]


async def owner_link(core: Core, *, role: Role = "owner", email: str = "") -> str:
    """Returns the URL of a new link that signs in once, as the home's owner or as another person of the account.

    It begins with the public URL, or else with the address at which a process serves the home now. Raises as
    `mint_link`.
    """
    if not core.links.base_url:
        core.links.base_url = str((read_run_file(core.settings.home) or {}).get("http", ""))
    owner = await home_principal(core, scope="account")
    return await mint_link(core, owner.account_id, role=role, email=email)
