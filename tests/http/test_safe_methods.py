"""Every route of the application, found in the application: what asks changes nothing (RFC 9110 section 9.2.1)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute

from e2a_core.http.pages.assets import asset_url
from e2a_core.people.links import ensure_person, mint_link, redeem
from e2a_core.signing.tokens import ApprovalAction, sign_approval, sign_download, unsubscribe_digest
from e2a_core.store.statement import sql
from e2a_mcp.program.home import home_application
from tests.http.world import SUPPRESSED, World, make_world
from tests.support.home import ASSISTANT, SHARED, Home

pytestmark = pytest.mark.anyio

SAFE = ("HEAD", "OPTIONS", "GET")
PREFETCH = {"Purpose": "prefetch", "Sec-Purpose": "prefetch"}
MESSAGE = "/v1/agents/{email}/messages/{id}"
MARKS_READ = frozenset({MESSAGE, MESSAGE + "/attachments/{index}"})
"""Their GET marks received mail read and tells it in an event, as the API promises (of a message, unless `peek` is
given). Nothing else may change by them.

What `world.VOLATILE` leaves out besides: `api_keys.last_used_at`, which any request with a key moves,
`accounts.mcp_seen_at`, which any use through MCP moves, and `meta`, whose
values are the workers' own."""
NO_PLAIN_GET = frozenset({"/mcp", "/mcp/", "/v1/agents/{email}/ws", "/sign-in/openid/callback"})
"""Speak through POST, with a GET for the session of an earlier one, and through a WebSocket; and what
ends a sign-in that a form began, with the cookie of that browser."""
UNMADE = f"postmaster@{SHARED}"


def paths(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Every path template, mounted ones too, and whether it takes a GET. A route without a path fails here."""
    for route in routes:
        path: str = prefix + route.path  # type: ignore[attr-defined]
        nested = getattr(route, "routes", None)
        if nested is None:
            methods = getattr(route, "methods", None)
            yield path, methods is None or "GET" in methods
        else:
            yield from paths(nested, path)


def templates(home: Home) -> dict[str, bool]:
    """By path template: whether a GET has an answer there."""
    application: Any = home_application(home.local)
    found: dict[str, bool] = {}
    for path, takes_get in paths(application.app.routes):
        found[path] = takes_get or found.get(path, False)
    assert {"/mcp", "/healthz", "/u/{token:path}", "/v1/approve", "/v1/docs", *MARKS_READ} <= set(found)
    assert len(found) > 50
    return found


@pytest.fixture
async def world(home: Home, browser: httpx.AsyncClient) -> World:
    made = await make_world(home, browser)
    account_id = (await home.local.session(home.account_key)).principal.account_id
    other = await ensure_person(home.local.core, account_id, role="viewer", email="rita@example.org")
    made.ids["person"] = other.id
    return made


async def unsubscribe_token(home: Home) -> str:
    token = "u1_" + "A" * 43
    await home.local.core.db.write(
        [
            sql(
                "INSERT INTO unsubscribe_tokens (token_hash, account_id, agent_email, address, created_at) "
                "SELECT :hash, account_id, email, 'bob@example.org', 1 FROM agents WHERE email = :email",
                hash=unsubscribe_digest(token),
                email=ASSISTANT,
            )
        ]
    )
    return token


async def signed_in(home: Home) -> dict[str, str]:
    """What the browser of the owner sends, who has signed in to the pages."""
    account_id = (await home.local.session(home.account_key)).principal.account_id
    link = await mint_link(home.local.core, account_id)
    session = await redeem(home.local.core, link.partition("t=")[2], "Browser/1")
    return {"Cookie": f"e2a_session={session.token}", "Accept": "text/html"}


def filled(world: World, template: str, email: str, unsubscribing: str) -> str:
    """The path with the owner's own things in it. A parameter that is not known here fails by name."""
    ids = world.ids
    by_place = {
        "/templates/": ids["template"],
        "/conversations/": ids["conversation"],
        "/reviews/": ids["held"],
        "/delegations/": ids["delegation"],
        "/api-keys/": ids["key"],
        "/webhooks/": ids["webhook"],
        "/events/": ids["event"],
        "/people/": ids["person"],
    }
    values = {
        "email": email,
        "address": SUPPRESSED if "suppressions" in template else "bob@example.org",
        "domain": "owned.example.com",
        "alias": "welcome",
        "index": "0",
        "batch_id": ids["batch"],
        "message_id": ids["message"],
        "token": unsubscribing,
        "asset_id": asset_url("style.css").removeprefix("/static/"),
    }

    def value(match: re.Match[str]) -> str:
        name = match[1].partition(":")[0]
        if name in values:
            return values[name]
        assert "id" in name, f"what is {match[0]} of {template}?"
        held = ids["held"] if template.endswith(("/approve", "/reject")) else ids["message"]
        return next((known for part, known in by_place.items() if f"{part}{match[0]}" in template), held)

    return re.sub(r"\{([^}]+)\}", value, template)


def query(world: World, template: str) -> dict[str, str]:
    home, message_id = world.home, world.ids["message"]
    expires = home.clock.now() + timedelta(minutes=5)
    if template.endswith("/thread"):
        return {"id": world.ids["conversation"]}
    if template == "/contacts/one":
        return {"address": "bob@example.org"}
    if template.endswith("/download"):
        return {"token": sign_download(message_id, 0, expires, home.secret)}
    if template == "/api/auth/login":
        return {"cli_callback": "http://127.0.0.1:9/callback", "cli_state": "0123456789abcdef"}
    actions: tuple[ApprovalAction, ...] = ("approve", "reject")
    for action in actions:
        if template == f"/v1/{action}":
            return {"t": sign_approval(world.ids["held"], action, expires, home.secret)}
    return {}


async def asked(browser: httpx.AsyncClient, method: str, url: str, **options: Any) -> int:
    """The status; a body that streams is left unread."""
    async with browser.stream(method, url, **options) as response:
        return response.status_code


@pytest.mark.timeout(600)
async def test_no_safe_method_changes_anything(world: World, browser: httpx.AsyncClient) -> None:
    home = world.home
    unsubscribing = await unsubscribe_token(home)
    callers = [
        {},
        await signed_in(home),
        {"Authorization": f"Bearer {home.agent_key}"},
        {"Authorization": f"Bearer {home.account_key}"},
    ]
    before = await world.everything()
    answered = set()
    for template in templates(home):
        for email in (ASSISTANT, UNMADE) if "{email}" in template else (ASSISTANT,):
            path, given = filled(world, template, email, unsubscribing), query(world, template)
            for headers in callers:
                for method in SAFE:
                    if method == "GET" and template in MARKS_READ and template != MESSAGE:
                        continue
                    params = {**given, "peek": "true"} if template == MESSAGE and method == "GET" else given
                    for extra in ({}, PREFETCH):
                        status = await asked(
                            browser, method, path, params=params, headers={**headers, **extra}
                        )
                        assert status < 500, (method, path, status)
                        if method == "GET" and email == ASSISTANT and status < 300:
                            answered.add(template)
        assert await world.everything() == before, template
    expected = {template for template, takes_get in templates(home).items() if takes_get}
    assert answered == expected - NO_PLAIN_GET - (MARKS_READ - {MESSAGE}), (
        "a GET that was refused proves nothing"
    )


@pytest.mark.parametrize("template", sorted(MARKS_READ))
async def test_reading_mail_marks_it_read_and_does_nothing_else(
    world: World, browser: httpx.AsyncClient, template: str
) -> None:
    path = filled(world, template, ASSISTANT, "")
    headers = {"Authorization": f"Bearer {world.home.agent_key}"}
    before = await world.everything()
    assert (await browser.get(path, headers=headers)).status_code == 200
    after = await world.everything()
    for table, rows in after.items():
        if table == "messages":
            assert [without_read_mark(row) for row in rows] == [
                without_read_mark(row) for row in before[table]
            ]
            assert rows != before[table], "the message was read before"
        elif table == "conversations":
            # It counts what is unread.
            continue
        elif table == "events":
            [told] = set(rows) - set(before[table])
            assert '"change":"read"' in told
        else:
            assert rows == before[table], table
    assert (await browser.get(path, headers=headers)).status_code == 200
    assert await world.everything() == after


def without_read_mark(row: str) -> dict[str, Any]:
    values: dict[str, Any] = ast.literal_eval(row)
    del values["read_at"]
    return values
