"""The account as its owner asks for it: what it is, everything it holds, and its end."""

from __future__ import annotations

from e2a_core.accounts.views import account_view
from e2a_core.contract.account import AccountView
from e2a_core.contract.export import DeleteUserDataResult, UserExport
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.erasure.accounts import erase_account
from e2a_core.export.bundle import export_account

__all__ = ["Account"]


class Account:
    """`engine.Account`."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def get(self) -> AccountView:
        return await account_view(self._core, self._principal)

    async def export(self) -> UserExport:
        self._principal.require_account()
        return await export_account(self._core, self._principal.account_id)

    async def delete(self) -> DeleteUserDataResult:
        self._principal.require_account()
        return await erase_account(self._core, self._principal.account_id)
