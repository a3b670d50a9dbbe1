"""The authenticated caller: its account, and what its credential may reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from e2a_core.errors import Forbidden, NotFound

__all__ = ["Principal", "Scope"]

Scope = Literal["account", "agent"]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    An `agent` principal is bound to one inbox (`agent_email`) and can never decide a review. `credential_id` is the
    id of the API key, or `home` for the owner of the home's files.
    """

    account_id: str
    account_email: str
    scope: Scope
    agent_email: str | None
    credential_id: str

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
