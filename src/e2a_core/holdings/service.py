"""The account as its owner asks for it: what it is, everything it holds, and its end."""

from __future__ import annotations

from e2a_core.accounts import service
from e2a_core.core import Core
from e2a_core.holdings.erasure import erase_account
from e2a_core.holdings.export import export_account
from e2a_core.principal import Principal
from e2a_core.wire.account import AccountView
from e2a_core.wire.export import DeleteUserDataResult, UserExport

__all__ = ["Account"]


class Account:
    """`engine.Account`."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def get(self) -> AccountView:
        return await service.account_view(self._core, self._principal)

    async def export(self) -> UserExport:
        self._principal.require_account()
        return await export_account(self._core, self._principal.account_id)

    async def delete(self) -> DeleteUserDataResult:
        self._principal.require_account()
        return await erase_account(self._core, self._principal.account_id)
