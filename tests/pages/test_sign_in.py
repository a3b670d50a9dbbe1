"""Signing in and out, sessions, and what every page asks of a request."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest

from e2a_core.contract.principal import Role
from e2a_core.errors import InvalidRequest
from e2a_core.people.links import mint_link
from e2a_core.store.statement import sql
from tests.pages.people import Visitor, account_id, fields_of, mint
from tests.support.home import Home
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

COOKIE = "e2a_session"


def relative(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


async def sessions(home: Home) -> list[dict[str, object]]:
    return [
        dict(row) for row in await home.local.core.db.read(sql("SELECT * FROM sessions ORDER BY created_at"))
    ]


async def test_a_link_signs_in_once(home: Home, url: str, stranger: httpx.AsyncClient) -> None:
    link = relative(await mint(home))
    for _ in range(2):
        for method in ("HEAD", "GET"):
            asked = await stranger.request(method, link, headers={"Purpose": "prefetch"})
            assert asked.status_code == 200
            assert "set-cookie" not in asked.headers
    assert await sessions(home) == []
    fields = fields_of((await stranger.get(link)).text, "/sign-in")
    answer = await stranger.post("/sign-in", data=fields, headers={"Origin": url})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=e2a_ses_")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}
    assert (await stranger.get("/")).status_code == 200
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as other:
        again = await other.post("/sign-in", data=fields, headers={"Origin": url})
        assert again.status_code == 410
        assert "used already" in again.text
        assert (await other.get(link)).status_code == 410
    [session] = await sessions(home)
    assert str(session["token_hash"]) not in cookie


async def test_links_that_do_not_count(home: Home, url: str, stranger: httpx.AsyncClient) -> None:
    link = await mint(home)
    for altered in (
        link + "0",
        link[:-1],
        link.replace("e2a_in_", "e2a_"),
        link[:-1] + "%00",
        link[:-9] + "a" * 5000,
    ):
        assert (await stranger.get(relative(altered))).status_code == 400
        token = altered.partition("t=")[2]
        answer = await stranger.post("/sign-in", data={"t": token}, headers={"Origin": url})
        assert answer.status_code in {400, 413, 429}
    home.clock.advance(minutes=15)
    late = await stranger.get(relative(link))
    assert (late.status_code, "expired" in late.text) == (410, True)
    assert await sessions(home) == []


async def test_a_key_of_the_account_signs_in_and_ends_with_it(
    home: Home, url: str, stranger: httpx.AsyncClient
) -> None:
    refused = {"": 401, "e2a_acct_wrong": 401, home.agent_key: 403}
    for key, status in refused.items():
        answer = await stranger.post("/sign-in", data={"key": key}, headers={"Origin": url})
        assert (answer.status_code, "set-cookie" in answer.headers) == (status, False)
        assert not key or key not in answer.text
    answer = await stranger.post(
        "/sign-in", data={"key": home.account_key, "next": "/pause"}, headers={"Origin": url}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/pause")
    assert (await stranger.get("/pause")).status_code == 200
    owner = await home.local.session(home.account_key)
    [key_id] = [item.id for item in (await owner.api_keys.list()).items if item.name == "owner"]
    await owner.api_keys.delete(key_id)
    assert (await stranger.get("/pause")).status_code == 303


async def test_attempts_are_limited(home: Home, url: str, stranger: httpx.AsyncClient) -> None:
    found = [
        (await stranger.post("/sign-in", data={"key": "wrong"}, headers={"Origin": url})).status_code
        for _ in range(12)
    ]
    assert found == [401] * 10 + [429] * 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "{url}"}, 303),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "{url}"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({}, 403),
    ],
)
async def test_forms_of_other_sites_do_nothing(
    visitor: Visitor, url: str, headers: dict[str, str], status: int
) -> None:
    fields = fields_of(await visitor.read("/pause"), "/pause")
    given = {name: value.format(url=url) for name, value in headers.items()}
    answer = await visitor.client.post("/pause", data=fields, headers=given)
    assert answer.status_code == status
    owner = await visitor.home.local.session(visitor.home.account_key)
    assert ((await owner.account.get()).sending_paused == "account") == (status == 303)
    entered = await visitor.client.post("/sign-in", data={"key": "wrong"}, headers=given)
    assert entered.status_code == (401 if status == 303 else 403)


async def test_a_form_needs_the_proof_of_its_own_session(visitor: Visitor, home: Home, url: str) -> None:
    async with Visitor(home, url) as other:
        await other.sign_in()
        foreign = fields_of(await other.read("/pause"), "/pause")
    for fields in ({}, {"proof": ""}, {"proof": "\ud800".encode("utf-8", "replace").decode()}, foreign):
        assert (await visitor.post("/pause", fields)).status_code == 403
    owner = await home.local.session(home.account_key)
    assert (await owner.account.get()).sending_paused is None


async def test_signing_in_again_ends_the_session_before(visitor: Visitor, home: Home) -> None:
    before = visitor.client.cookies[COOKIE]
    await visitor.sign_in()
    assert visitor.client.cookies[COOKIE] != before
    answer = await visitor.client.get("/pause", headers={"Cookie": f"{COOKIE}={before}"})
    live = [row for row in await sessions(home) if row["revoked_at"] is None]
    assert len(live) == 1
    assert answer.status_code in {200, 303}
    visitor.client.cookies.clear()
    old = await visitor.client.get("/pause", headers={"Cookie": f"{COOKIE}={before}"})
    assert (old.status_code, old.headers["location"]) == (303, "/sign-in?next=%2Fpause")


async def test_signing_out_ends_the_session(visitor: Visitor, home: Home) -> None:
    token = visitor.client.cookies[COOKIE]
    answer = await visitor.submit("/pause", "/sign-out")
    assert answer.status_code == 200
    assert COOKIE not in visitor.client.cookies
    assert (await visitor.get("/pause", Cookie=f"{COOKIE}={token}")).status_code == 303
    posted = await visitor.post("/pause", {"proof": "x"}, Cookie=f"{COOKIE}={token}")
    assert (posted.status_code, "signed out" in posted.text) == (401, True)


@pytest.mark.parametrize(("busy", "days"), [(False, 1), (True, 14)])
async def test_sessions_end_when_idle_and_however_busy(
    visitor: Visitor, home: Home, busy: bool, days: int
) -> None:
    for _ in range(days * 2 - 1):
        home.clock.advance(hours=12)
        assert not busy or (await visitor.get("/pause")).status_code == 200
    home.clock.advance(hours=12)
    assert (await visitor.get("/pause")).status_code == 303


async def test_a_page_left_open_does_not_keep_its_session(visitor: Visitor, home: Home) -> None:
    for _ in range(2):
        home.clock.advance(hours=11)
        assert (await visitor.get("/reviews/list", **{"HX-Request": "true"})).status_code == 200
    home.clock.advance(hours=2)
    late = await visitor.get("/reviews/list", **{"HX-Request": "true"})
    assert (late.status_code, late.headers["hx-redirect"]) == (401, "/sign-in?next=%2Freviews%2Flist")


@pytest.mark.parametrize(
    ("follow", "led"),
    [
        ("/pause", "/pause"),
        ("/pause?a=b", "/pause?a=b"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\nSet-Cookie: b=c", "/"),
        ("/" + "a" * 1000, "/"),
        ("/\u00fc", "/"),
    ],
)
async def test_nobody_is_led_to_another_site(home: Home, url: str, follow: str, led: str) -> None:
    async with Visitor(home, url) as visitor:
        token = (await mint(home)).partition("t=")[2]
        answer = await visitor.post("/sign-in", {"t": token, "next": follow})
        assert (answer.status_code, answer.headers["location"]) == (303, led)


async def test_what_every_page_says_to_the_browser(visitor: Visitor, stranger: httpx.AsyncClient) -> None:
    for answer in (await visitor.get("/"), await visitor.get("/pause"), await stranger.get("/sign-in")):
        policy = dict(
            part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy == {
            "default-src": "'none'",
            "style-src": "'self'",
            "script-src": "'self'",
            "connect-src": "'self'",
            "img-src": "'self' data:",
            "frame-src": "'self'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert len(answer.content) < 50_000
        assert " style=" not in answer.text
        assert "onclick" not in answer.text


async def test_files_are_kept_by_their_hash(stranger: httpx.AsyncClient) -> None:
    page = (await stranger.get("/sign-in")).text
    names = [part.partition('"')[0] for part in page.replace("href=", "src=").split('src="/static')[1:]]
    assert len(names) == 5
    for name in names:
        answer = await stranger.get(f"/static{name}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        if name.endswith(".css"):
            assert len(answer.content) < 12_000
    for path in (
        "/static/0/style.css",
        "/static/x/../../routes.py",
        "/static/x/NOTICE",
        "/static/x/%2e%2e/routes.py",
    ):
        assert (await stranger.get(path)).status_code == 404


@pytest.mark.parametrize("role", ["reviewer", "viewer"])
async def test_only_an_owner_pauses(home: Home, url: str, role: Role) -> None:
    async with Visitor(home, url) as person:
        await person.sign_in(role, "rita@example.org")
        page = await person.read("/")
        assert "Pause all sending" not in page
        assert role in page
        proof = fields_of(page, "/sign-out")
        assert (await person.post("/pause", proof)).status_code == 403
    owner = await home.local.session(home.account_key)
    assert (await owner.account.get()).sending_paused is None


async def test_a_role_that_the_home_gives_counts_at_once_and_is_logged(home: Home, url: str) -> None:
    async with Visitor(home, url) as person:
        await person.sign_in("owner", "rita@example.org")
        assert "Pause all sending" in await person.read("/")
        await mint(home, "owner", "rita@example.org")
        assert (await person.get("/pause")).status_code == 200
        await mint(home, "viewer", "rita@example.org")
        assert (await person.get("/pause")).status_code == 303
        await person.sign_in("viewer", "rita@example.org")
        assert "Pause all sending" not in await person.read("/")
    rows = await home.local.core.db.read(
        sql("SELECT actor_kind, outcome FROM audit_log WHERE operation = 'set_role' ORDER BY number")
    )
    assert [(row["actor_kind"], row["outcome"]) for row in rows] == [("home", "ok")]


async def test_a_reviewer_needs_an_address(home: Home) -> None:
    mine = await account_id(home)
    session = await home.local.session(home.account_key)
    for email in ("", session.principal.account_email):
        with pytest.raises(InvalidRequest, match="address of their own"):
            await mint_link(home.local.core, mine, role="viewer", email=email)


async def test_a_store_that_does_not_answer_is_told_on_a_page(visitor: Visitor, home: Home) -> None:
    await home.local.core.db.close()
    for path in ("/", "/pause", "/reviews"):
        answer = await visitor.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "This could not be done" in answer.text


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 403),
        ("text/plain", b"proof=x", 403),
        ("multipart/form-data; boundary=x", b"--x\r\n", 403),
        ("application/x-www-form-urlencoded", b"a=1&" * 400, 400),
        ("application/x-www-form-urlencoded", b"proof=" + b"a" * 70_000, 413),
    ],
)
async def test_what_is_no_form_does_nothing(
    visitor: Visitor, content_type: str, body: bytes, status: int
) -> None:
    headers = {**visitor.origin, "Content-Type": content_type}
    answer = await visitor.client.post("/pause", content=body, headers=headers)
    assert answer.status_code == status
    owner = await visitor.home.local.session(visitor.home.account_key)
    assert (await owner.account.get()).sending_paused is None
