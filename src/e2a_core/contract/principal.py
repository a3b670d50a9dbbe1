"""The authenticated caller: its account, and what its credential may reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from e2a_core.errors import Forbidden, NotFound

__all__ = ["HOME_CREDENTIAL", "PERSON", "Door", "Principal", "Role", "Scope"]

Scope = Literal["account", "agent"]

Role = Literal["owner", "reviewer", "viewer"]
"""What a person may do in the account: everything; read and decide held mail; only read."""

Door = Literal["api", "mcp", "dashboard", "mail_link", "command", "system"]
"""The entrance a call came by."""

HOME_CREDENTIAL = "home"
"""Stands where a key's id would: the owner of the home's files needs no key."""

PERSON = "person:"
"""Begins the credential id of somebody who signed in."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    An `agent` principal is bound to one inbox (`agent_email`) and can never decide a review. `credential_id` is the
    id of the API key, `home` for the owner of the home's files, or `person:` and the id of somebody who signed in.
    Only people have another `role` than owner. `person` is the address of somebody who signed in.
    """

    account_id: str
    account_email: str
    scope: Scope
    agent_email: str | None
    credential_id: str
    role: Role = "owner"
    door: Door = "api"
    person: str = ""

    @property
    def is_person(self) -> bool:
        """Whether somebody acts themselves: signed in, or at the home's command line. A key may be a program's."""
        return self.credential_id.startswith(PERSON) or (
            self.scope == "account" and self.door in {"dashboard", "command"}
        )

    def require_account(self) -> None:
        """Raises `Forbidden` for an agent credential."""
        if self.scope != "account":
            raise Forbidden("this needs an account credential")

    def require_reach(self, agent_email: str, owner_account_id: str) -> None:
        """Raises `NotFound` for an inbox of another account, `Forbidden` for another inbox than the key's own."""
        if owner_account_id != self.account_id:
            raise NotFound("no such agent")
        if self.scope == "agent" and self.agent_email != agent_email:
            raise Forbidden("the credential is bound to another agent")
