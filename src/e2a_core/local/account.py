"""The account as its owner asks for it: what it is, everything it holds, and its end."""

from __future__ import annotations

from e2a_core.accounts import queries
from e2a_core.accounts.views import account_view
from e2a_core.clock import to_micros
from e2a_core.contract.account import AccountView
from e2a_core.contract.export import DeleteUserDataResult, UserExport
from e2a_core.contract.principal import Principal
from e2a_core.core import Core
from e2a_core.erasure.accounts import erase_account
from e2a_core.export.bundle import export_account
from e2a_core.submission.queue import wake_paused

__all__ = ["Account"]


class Account:
    """`engine.Account`."""

    def __init__(self, core: Core, principal: Principal) -> None:
        self._core = core
        self._principal = principal

    async def get(self) -> AccountView:
        return await account_view(self._core, self._principal)

    async def pause(self) -> AccountView:
        self._principal.require_account()
        now = to_micros(self._core.clock.now())
        await self._core.db.write([queries.set_paused(self._principal.account_id, now)])
        return await self.get()

    async def resume(self) -> AccountView:
        self._principal.require_account()
        account_id, now = self._principal.account_id, to_micros(self._core.clock.now())
        await self._core.db.write([queries.set_paused(account_id, None), wake_paused(account_id, None, now)])
        return await self.get()

    async def export(self) -> UserExport:
        self._principal.require_account()
        return await export_account(self._core, self._principal.account_id)

    async def delete(self) -> DeleteUserDataResult:
        self._principal.require_account()
        return await erase_account(self._core, self._principal.account_id)
