"""Signing in at an issuer: who is known, and every way in which an issuer or an answer may be wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from e2a_core.store.statement import sql
from tests.pages.people import Visitor, fields_of, mint
from tests.support.home import Home
from tests.support.issuer import AT_DISCOVERY, AT_RETURN, AT_TOKEN, CLIENT, SECRET, Issuer
from tests.support.listening import listening
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.local_only]

PATH = "/settings/sign-in"
TABLES = ("people", "identities", "sessions", "sign_in_links", "passkeys")


@pytest.fixture
async def issuer(home: Home, url: str) -> AsyncIterator[Issuer]:
    """The issuer that the deployment's settings name."""
    found = Issuer(now=lambda: int(home.local.core.clock.now().timestamp()))
    async with listening(found.application()) as address:
        found.url = address
        given = {
            "oidc_issuer": address,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": SECRET,
            "push_allow_loopback": True,
        }
        configure(home, given)
        yield found


def configure(home: Home, given: dict[str, Any]) -> None:
    """Changes settings of a running home."""
    settings = replace(home.local.core.settings, **given)
    object.__setattr__(home.local.core, "settings", settings)


async def everything(home: Home) -> dict[str, list[str]]:
    found = {}
    for table in TABLES:
        rows = await home.local.core.db.read(sql(f"SELECT * FROM {table}"))
        found[table] = [str({**dict(row), "last_seen_at": 0, "last_used_at": 0}) for row in rows]
    return found


async def gone(person: Visitor, fields: dict[str, str] | None = None, page: str = "") -> str:
    """The address at the issuer that a form leads to."""
    if page:
        answer = await person.submit(page, f"{PATH}/identities")
    else:
        answer = await person.post("/sign-in/openid", fields or {})
    assert answer.status_code == 200, answer.text
    target = answer.headers["refresh"].removeprefix("0;url=")
    assert unescape(answer.text.partition('href="http')[2].partition('"')[0]) == target.removeprefix("http")
    return target


async def authorized(target: str) -> str:
    """Where the issuer sends the browser back to, relative."""
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as browser:
        answer = await browser.get(target)
    parts = urlsplit(answer.headers["location"])
    return f"{parts.path}?{parts.query}"


async def round_trip(person: Visitor, fields: dict[str, str] | None = None, page: str = "") -> httpx.Response:
    return await person.get(await authorized(await gone(person, fields, page)))


async def connected(home: Home, url: str, role: str = "owner") -> None:
    """The owner connects subject-1."""
    async with Visitor(home, url) as owner:
        await owner.sign_in()
        answer = await round_trip(owner, page=PATH)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?said=identity-connected")


async def test_who_connected_it_signs_in(home: Home, url: str, issuer: Issuer) -> None:
    await connected(home, url)
    async with Visitor(home, url) as person:
        assert "Continue with 127.0.0.1" in await person.read("/sign-in")
        answer = await round_trip(person, {"next": "/pause"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/pause")
        assert "at " + issuer.url in await person.read(PATH)
    assert (await home.local.core.db.read(sql("SELECT * FROM sign_in_attempts"))) == []
    assert issuer.asked.count("metadata") == 1
    assert issuer.asked.count("keys") == 1


async def test_a_stranger_is_not_made(home: Home, url: str, issuer: Issuer) -> None:
    owner = (await home.local.session(home.account_key)).principal.account_email
    issuer.claims = {"email": owner, "email_verified": True}
    before = await everything(home)
    async with Visitor(home, url) as person:
        answer = await round_trip(person)
        assert (answer.status_code, "nobody here is known" in answer.text) == (403, True)
        assert "e2a_session" not in person.client.cookies
    assert await everything(home) == before


async def test_an_invitation_is_accepted_at_the_issuer(home: Home, url: str, issuer: Issuer) -> None:
    link = await mint(home, "reviewer", "rita@example.org")
    token = link.partition("t=")[2]
    async with Visitor(home, url) as rita, Visitor(home, url) as again:
        answer = await round_trip(rita, {"t": token})
        assert answer.status_code == 303
        assert "reviewer" in await rita.read("/")
        assert (await again.post("/sign-in/openid", {"t": token})).status_code == 410
        assert (await again.post("/sign-in/openid", {"t": "e2a_in_none"})).status_code == 400
        assert (await round_trip(again)).status_code == 303
    rows = await home.local.core.db.read(sql("SELECT * FROM sign_in_attempts"))
    assert token not in str([dict(row) for row in rows])


async def test_a_link_that_was_used_meanwhile_binds_nothing(home: Home, url: str, issuer: Issuer) -> None:
    link = await mint(home, "reviewer", "rita@example.org")
    token = link.partition("t=")[2]
    async with Visitor(home, url) as rita, Visitor(home, url) as thief:
        back = await authorized(await gone(thief, {"t": token}))
        assert (await rita.post("/sign-in", {"t": token})).status_code == 303
        assert (await thief.get(back)).status_code == 410
    assert (await everything(home))["identities"] == []


async def test_an_identity_is_of_one_person(home: Home, url: str, issuer: Issuer) -> None:
    await connected(home, url)
    async with Visitor(home, url) as other:
        await other.sign_in("viewer", "vera@example.org")
        answer = await round_trip(other, page=PATH)
        assert (answer.status_code, "somebody here has this sign-in" in answer.text) == (409, True)
        link = (await mint(home, "viewer", "vera@example.org")).partition("t=")[2]
        assert (await round_trip(other, {"t": link})).status_code == 409
    async with Visitor(home, url) as again:
        assert (await again.post("/sign-in", {"t": link})).status_code == 303, "the link was not used up"


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email": "rita@example.org", "email_verified": True}, 303),
        ({"email": "RITA@example.org", "email_verified": True}, 303),
        ({"email": "{own}", "email_verified": True}, 303),
        ({"email": "rita@example.org", "email_verified": False}, 403),
        ({"email": "rita@example.org", "email_verified": "true"}, 403),
        ({"email": "rita@example.org"}, 403),
        ({"email": "nobody@example.org", "email_verified": True}, 403),
        ({"email": ["rita@example.org"], "email_verified": True}, 403),
        ({"email": "", "email_verified": True}, 403),
        ({"preferred_username": "rita@example.org"}, 403),
    ],
)
async def test_an_address_counts_only_if_a_setting_says_so(
    home: Home, url: str, issuer: Issuer, claims: dict[str, Any], status: int
) -> None:
    await mint(home, "viewer", "rita@example.org")
    own = (await home.local.session(home.account_key)).principal.account_email
    issuer.claims = {**claims, **({"email": own} if claims.get("email") == "{own}" else {})}
    async with Visitor(home, url) as person:
        assert (await round_trip(person)).status_code == 403
        configure(home, {"oidc_match_email": True})
        answer = await round_trip(person)
        assert answer.status_code == status
        configure(home, {"oidc_match_email": False})
        if status == 303:
            issuer.claims = {}
            assert (await round_trip(person)).status_code == 303, "the subject is known from then on"
    assert len((await everything(home))["people"]) == 2


@pytest.mark.parametrize("wrong", AT_DISCOVERY)
async def test_an_issuer_that_says_something_else_is_not_gone_to(
    home: Home, url: str, issuer: Issuer, wrong: str
) -> None:
    issuer.wrong = wrong
    before = await everything(home)
    async with Visitor(home, url) as person:
        answer = await person.post("/sign-in/openid", {})
        assert answer.status_code in {401, 503}
        assert "refresh" not in answer.headers
        assert "e2a_attempt" not in person.client.cookies
        issuer.wrong = ""
        assert (await person.post("/sign-in/openid", {})).status_code == 200, "what was wrong is not kept"
    assert await everything(home) == before


AT_KEYS = {"no keys", "odd keys", "keys for encryption", "a shared key"}
"""Its keys must not be known before."""
WHY = {"no keys": 401, "a broken token endpoint": 503, "a token endpoint that redirects": 503}
WHY |= dict.fromkeys(("another state", "no state", "no code", "an endless code", "two codes"), 400)


@pytest.mark.parametrize("wrong", [*AT_RETURN, *AT_TOKEN])
async def test_a_wrong_answer_signs_nobody_in(home: Home, url: str, issuer: Issuer, wrong: str) -> None:
    if wrong not in AT_KEYS:
        await connected(home, url)
    before = await everything(home)
    issuer.wrong = wrong
    async with Visitor(home, url) as person:
        answer = await round_trip(person)
        assert answer.status_code == WHY.get(wrong, 401), answer.text
        assert 'role="alert"' in answer.text
        assert "<script>alert" not in answer.text
        assert "e2a_session" not in person.client.cookies
        assert (await person.get(PATH)).status_code == 303
    assert await everything(home) == before


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [CLIENT]},
        {"aud": ["other", CLIENT], "azp": CLIENT},
        {"azp": CLIENT},
        {"nbf": 1},
        {"iat": 1.5},
        {"at_hash": "LXEWQrcmsEQBYnyp-6wy9Q"},
        {"exp": 4102444800},
    ],
)
async def test_answers_that_fit(home: Home, url: str, issuer: Issuer, claims: dict[str, Any]) -> None:
    await connected(home, url)
    issuer.claims = claims
    async with Visitor(home, url) as person:
        assert (await round_trip(person)).status_code == 303


async def test_an_answer_counts_once_soon_and_in_its_browser(home: Home, url: str, issuer: Issuer) -> None:
    await connected(home, url)
    async with Visitor(home, url) as first, Visitor(home, url) as second:
        back = await authorized(await gone(first))
        cookie = first.client.cookies["e2a_attempt"]
        await gone(second)
        assert (await second.get(back)).status_code == 400
        assert (await first.client.head(back)).status_code == 405
        assert (await first.get(back)).status_code == 303
        replayed = await second.get(back, Cookie=f"e2a_attempt={cookie}")
        assert replayed.status_code == 400
        late = await authorized(await gone(second))
        home.clock.advance(minutes=10)
        assert (await second.get(late)).status_code == 400
        assert "e2a_session" not in second.client.cookies


async def test_an_answer_of_another_browser_uses_nothing_up(home: Home, url: str, issuer: Issuer) -> None:
    await connected(home, url)
    async with Visitor(home, url) as person:
        back = await authorized(await gone(person))
        for foreign in (
            "?code=x&state=y",
            "?",
            f"?{urlsplit(back).query}".replace("state=", "state=x"),
            "?error=access_denied&state=",
        ):
            assert (await person.get(urlsplit(back).path + foreign)).status_code == 400
        assert (await person.get(back)).status_code == 303


async def test_connecting_needs_the_session_that_began_it(home: Home, url: str, issuer: Issuer) -> None:
    async with Visitor(home, url) as person:
        await person.sign_in()
        back = await authorized(await gone(person, page=PATH))
        attempt = person.client.cookies["e2a_attempt"]
        await person.submit("/", "/sign-out")
        await person.sign_in("viewer", "vera@example.org")
        person.client.cookies.set("e2a_attempt", attempt)
        assert (await person.get(back)).status_code == 403
    assert (await everything(home))["identities"] == []


async def test_disconnecting_is_for_its_person_and_ends_their_other_sessions(
    home: Home, url: str, issuer: Issuer
) -> None:
    await connected(home, url)
    [row] = await home.local.core.db.read(sql("SELECT id FROM identities"))
    path = f"{PATH}/identities/{row['id']}/remove"
    async with Visitor(home, url) as other, Visitor(home, url) as mine, Visitor(home, url) as here:
        await other.sign_in("owner", "olga@example.org")
        proof = fields_of(await other.read("/"), "/sign-out")
        assert (await other.post(path, proof)).status_code == 404
        assert (await round_trip(mine)).status_code == 303
        await here.sign_in()
        assert (await here.submit(PATH, path)).status_code == 303
        assert (await mine.get(PATH)).status_code == 303
        assert (await round_trip(mine)).status_code == 403
        assert (await other.get(PATH)).status_code == 200


async def test_what_a_key_connected_ends_with_it(home: Home, url: str, issuer: Issuer) -> None:
    async with Visitor(home, url) as person:
        await person.post("/sign-in", {"key": home.account_key})
        assert (await round_trip(person, page=PATH)).status_code == 303
        assert (await round_trip(person)).status_code == 303
        owner = await home.local.session(home.account_key)
        [key_id] = [item.id for item in (await owner.api_keys.list()).items if item.name == "owner"]
        await owner.api_keys.delete(key_id)
        assert (await person.get(PATH)).status_code == 303
        assert (await round_trip(person)).status_code == 403


async def test_forms_of_other_sites_begin_nothing(
    home: Home, stranger: httpx.AsyncClient, issuer: Issuer
) -> None:
    for headers in ({}, {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await stranger.post("/sign-in/openid", headers=headers)
        assert (answer.status_code, "e2a_attempt" in answer.cookies) == (403, False)
    assert issuer.asked == []


async def test_beginning_is_limited(home: Home, url: str, issuer: Issuer) -> None:
    async with Visitor(home, url) as person:
        found = [(await person.post("/sign-in/openid", {})).status_code for _ in range(12)]
    assert found == [200] * 10 + [429] * 2


async def test_loopback_is_for_trying_out(home: Home, url: str, issuer: Issuer) -> None:
    configure(home, {"push_allow_loopback": False})
    async with Visitor(home, url) as person:
        assert (await person.post("/sign-in/openid", {})).status_code in {401, 503}
        configure(home, {"push_allow_loopback": True, "env": "production"})
        assert (await person.post("/sign-in/openid", {})).status_code in {401, 503}
    assert issuer.asked == []


async def test_without_an_issuer_nothing_is_offered(home: Home, url: str) -> None:
    async with Visitor(home, url) as person:
        assert "Continue with" not in await person.read("/sign-in")
        assert (await person.post("/sign-in/openid", {})).status_code == 404
        assert (await person.get("/sign-in/openid/callback?state=x")).status_code == 404


@pytest.mark.parametrize("wrong", ["", "another key", "a refusal"])
async def test_a_failure_is_logged_where_its_account_is_known(
    home: Home, url: str, issuer: Issuer, wrong: str
) -> None:
    await connected(home, url)
    link = (await mint(home, "viewer", "vera@example.org")).partition("t=")[2]
    issuer.wrong = wrong
    async with Visitor(home, url) as person:
        assert (await round_trip(person, {"t": link})).status_code in {401, 409}
        if not wrong:
            assert (await person.post("/sign-in", {"t": link})).status_code == 303
            assert (await person.post("/sign-in/openid", {"t": link})).status_code == 410
    rows = await home.local.core.db.read(
        sql("SELECT operation, person, code FROM audit_log WHERE outcome = 'refused' ORDER BY number")
    )
    told = [(row["operation"], row["person"], row["code"]) for row in rows]
    vera = "vera@example.org"
    if wrong:
        assert told == [("sign_in", vera, "unauthorized")]
    else:
        assert told == [("connect_identity", vera, "conflict"), ("sign_in", vera, "link_used")]
