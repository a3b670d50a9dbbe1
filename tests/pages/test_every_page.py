"""Every page for every role, and what must hold for each: found in the table of pages, so that none is forgotten."""

from __future__ import annotations

import re

import httpx
import pytest

from e2a_core.contract.principal import Role
from e2a_core.http.pages.dashboard import PAGES
from tests.pages.people import Visitor, fields_of
from tests.support.home import Home

pytestmark = pytest.mark.anyio

PATHS = ("/", "/pause")
"""What stands for each page that can be asked for without arguments."""

OWNERS = frozenset({"/pause", "/resume"})
"""Forms that only an owner may send."""
REVIEWERS: frozenset[str] = frozenset()
"""Forms that a reviewer may send too."""


def test_the_lists_are_complete() -> None:
    posts = {page.path for page in PAGES if page.method == "POST"}
    assert posts == OWNERS | REVIEWERS
    plain = {page.path for page in PAGES if page.method == "GET" and "{" not in page.path}
    assert plain | {"/"} == set(PATHS)


@pytest.mark.parametrize("role", ["owner", "reviewer", "viewer"])
async def test_each_page_opens_for_each_role(home: Home, url: str, role: Role) -> None:
    async with Visitor(home, url) as person:
        await person.sign_in(role, "rita@example.org")
        for path in PATHS:
            answer = await person.get(path)
            assert answer.status_code == 200, path
            assert len(answer.content) < 50_000
            assert re.findall(r'(?:src|href|action)="(?!/|#|data:)[^"]*"', answer.text) == []
            assert re.findall(r"<[^>]*\b(?:style|on\w+)=", answer.text) == []
            assert answer.text.count("<h1") == 1
            assert (await person.client.head(path)).status_code == 200


@pytest.mark.parametrize("role", ["reviewer", "viewer"])
async def test_what_a_role_may_not_send_is_refused(home: Home, url: str, role: Role) -> None:
    async with Visitor(home, url) as person:
        await person.sign_in(role, "rita@example.org")
        proof = fields_of(await person.read("/"), "/sign-out")
        for path in OWNERS if role == "reviewer" else OWNERS | REVIEWERS:
            answer = await person.post(path.replace("{message_id}", "msg_0"), proof)
            assert answer.status_code == 403, path
            assert role in answer.text


async def test_who_is_not_signed_in_sees_nothing(stranger: httpx.AsyncClient, url: str) -> None:
    for page in PAGES:
        path = re.sub(r"{\w+}", "x", page.path)
        if page.method == "POST":
            answer = await stranger.post(path, data={"proof": ""}, headers={"Origin": url})
            assert answer.status_code == 401
        else:
            answer = await stranger.get(path)
            assert (answer.status_code, answer.headers["location"][:9]) == (303, "/sign-in?")
        assert "set-cookie" not in answer.headers
    assert "Overview" not in (await stranger.get("/")).text
