"""A person with a browser that runs no script: keeps cookies, reads forms, and posts them as browsers do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from e2a_core.contract.principal import Role
from e2a_core.people.links import mint_link
from tests.support.home import Home
from tests.support.waiting import PATIENCE_SECONDS

__all__ = ["Visitor", "account_id", "fields_of", "mint"]

_INPUT = re.compile(r"<(?:input|textarea)\b[^>]*>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


async def account_id(home: Home) -> str:
    return (await home.local.session(home.account_key)).principal.account_id


async def mint(home: Home, role: Role = "owner", email: str = "") -> str:
    return await mint_link(home.local.core, await account_id(home), role=role, email=email)


def fields_of(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form of a page that posts to `action`."""
    for form in re.findall(r"<form\b.*?</form>", page, re.DOTALL):
        opening = dict(_ATTRIBUTE.findall(form.partition(">")[0]))
        if unescape(opening.get("action", "")) == action:
            inputs = [dict(_ATTRIBUTE.findall(tag)) for tag in _INPUT.findall(form)]
            return {
                unescape(item["name"]): unescape(item.get("value", ""))
                for item in inputs
                if item.get("type") == "hidden"
            }
    raise AssertionError(f"no form posts to {action}")


class Visitor:
    """`get` and `post` as a browser that runs no script would; redirects are not followed."""

    def __init__(self, home: Home, url: str) -> None:
        self.home = home
        self.client = httpx.AsyncClient(
            base_url=url, headers={"Accept": "text/html", "User-Agent": "Browser/1"}, timeout=PATIENCE_SECONDS
        )
        self.origin = {"Origin": url, "Sec-Fetch-Site": "same-origin"}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def sign_in(self, role: Role = "owner", email: str = "") -> httpx.Response:
        return await self.open_link(await mint(self.home, role, email))

    async def open_link(self, link: str) -> httpx.Response:
        parts = urlsplit(link)
        asked = await self.client.get(f"{parts.path}?{parts.query}")
        assert asked.status_code == 200, asked.text
        answer = await self.post("/sign-in", fields_of(asked.text, "/sign-in"))
        assert answer.status_code == 303, answer.text
        return answer

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def read(self, path: str) -> str:
        answer = await self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    async def post(
        self, path: str, fields: Mapping[str, str | Sequence[str]], **headers: str
    ) -> httpx.Response:
        return await self.client.post(path, data=dict(fields), headers={**self.origin, **headers})

    async def submit(self, page: str, action: str, **fields: str | Sequence[str]) -> httpx.Response:
        """Posts the form of `page` (a path) to `action`, with its hidden fields and `fields`."""
        hidden = fields_of(await self.read(page), action)
        return await self.post(action, {**hidden, **fields})
