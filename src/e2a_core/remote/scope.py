"""An account's key that is to act as one inbox, as an agent's key would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from e2a_core.contract.base import View
from e2a_core.contract.engine import all_operations
from e2a_core.contract.operation import Access
from e2a_core.errors import Forbidden, InvalidRequest
from e2a_core.remote.client import ApiClient, Deployment
from e2a_core.remote.requests import matches

__all__ = ["ScopedClient"]

INBOXES = "/v1/agents/"

Model = TypeVar("Model", bound=View)


class ScopedClient(ApiClient):
    """Requests about `email` and about who is asking; all others are refused before they are made.

    The deployment would grant them. Whoever asked for the scope `agent` did not want them.
    """

    def __init__(
        self, deployment: Deployment, credential: str, email: str | None, *, setting: str = ""
    ) -> None:
        super().__init__(deployment, credential, setting=setting)
        self._email = email

    async def call(self, model: type[Model], method: str, url: str, **options: Any) -> Model:
        self._require_within(method, url, options.get("query") or {})
        return await super().call(model, method, url, **options)

    def _require_within(self, method: str, url: str, query: Mapping[str, Any]) -> None:
        if not _is_an_agents(method, url) or query.get("permanent"):
            raise Forbidden("this needs a session of the account")
        if not url.startswith(INBOXES):
            return
        if self._email is None:
            raise InvalidRequest("no inbox is chosen: set E2A_AGENT_EMAIL to the one this server acts for")
        asked = unquote(url.removeprefix(INBOXES).partition("/")[0])
        if asked.strip().lower() != self._email:
            raise Forbidden("this server acts for the inbox that E2A_AGENT_EMAIL names, and for no other")


def _is_an_agents(method: str, url: str) -> bool:
    """Whether an agent's key may make the request: protection, decisions and deletions for good are its owner's."""
    return any(
        row.method == method and row.access is not Access.ACCOUNT and matches(row.template, url)
        for row in all_operations()
    )
