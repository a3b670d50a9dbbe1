"""Passkeys: added by who is signed in, and signing in with them; every answer that does not fit is refused."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from e2a_core.contract.audit import AuditQuery
from e2a_core.people.passkeys import RelyingParty, relying_party
from e2a_core.store.statement import sql
from tests.pages.people import Visitor, fields_of
from tests.support.authenticator import Authenticator
from tests.support.home import Home

pytestmark = pytest.mark.anyio

PATH = "/settings/sign-in"
REFUSED = "this passkey did not sign you in"


@pytest.fixture
def device(url: str) -> Authenticator:
    return Authenticator(f"http://localhost:{urlsplit(url).port}")


async def added(visitor: Visitor, device: Authenticator, name: str = "Phone", **wrong: Any) -> httpx.Response:
    proof = fields_of(await visitor.read(PATH), "/sign-out")
    options = await visitor.post(f"{PATH}/device", proof)
    assert options.status_code == 200, options.text
    fields = {**proof, "passkey": device.create(options.json(), **wrong), "name": name}
    return await visitor.post(f"{PATH}/passkeys", fields)


async def asked(person: Visitor) -> dict[str, Any]:
    answer = await person.post("/sign-in/passkey", {})
    assert answer.status_code == 200, answer.text
    options: dict[str, Any] = answer.json()
    return options


async def rows(home: Home, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await home.local.core.db.read(sql(f"SELECT * FROM {table}"))]


async def test_a_passkey_is_added_and_signs_in(
    visitor: Visitor, home: Home, url: str, device: Authenticator
) -> None:
    answer = await added(visitor, device)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?said=passkey-added")
    assert "Phone" in await visitor.read(PATH)
    async with Visitor(home, url) as other:
        options = await asked(other)
        assert (options["rpId"], options["userVerification"]) == ("localhost", "required")
        assert options.get("allowCredentials", []) == []
        entered = await other.post("/sign-in", {"passkey": device.get(options), "next": "/pause"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/pause")
        assert (await other.get("/pause")).status_code == 200
    [passkey] = await rows(home, "passkeys")
    assert passkey["sign_count"] == 1
    assert passkey["last_used_at"] is not None
    assert await rows(home, "sign_in_attempts") == []


OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
WRONG: dict[str, dict[str, Any]] = {
    "another challenge": {"challenge": "AAAA"},
    "another site": {"origin": "https://elsewhere.example"},
    "the address instead of the name": {"origin": "http://127.0.0.1:1"},
    "another relying party": {"rp_id": "elsewhere.example"},
    "a user who was not verified": {"flags": 0x01},
    "a user who was not there": {"flags": 0x04},
    "the answer of an addition": {"type": "webauthn.create"},
    "a count that went back": {"step": -1},
    "a count that stood still": {"step": 0},
    "the key of another device": {"key": OTHER_KEY},
    "another person": {"handle": b"per_other"},
    "nobody": {"handle": b""},
}


@pytest.mark.parametrize("case", WRONG)
async def test_answers_that_do_not_fit_sign_nobody_in(
    visitor: Visitor, home: Home, url: str, device: Authenticator, case: str
) -> None:
    device.count = 5
    await added(visitor, device)
    sessions = await rows(home, "sessions")
    async with Visitor(home, url) as other:
        answer = await other.post("/sign-in", {"passkey": device.get(await asked(other), **WRONG[case])})
        assert (answer.status_code, REFUSED in answer.text) == (401, True)
        assert "e2a_session" not in other.client.cookies
    assert await rows(home, "sessions") == sessions
    [passkey] = await rows(home, "passkeys")
    assert (passkey["sign_count"], passkey["last_used_at"]) == (5, None)


async def test_a_challenge_counts_once_soon_and_in_its_browser(
    visitor: Visitor, home: Home, url: str, device: Authenticator
) -> None:
    await added(visitor, device)
    async with Visitor(home, url) as first, Visitor(home, url) as second:
        options = await asked(first)
        credential = device.get(options)
        cookie = first.client.cookies["e2a_attempt"]
        await asked(second)
        assert (await second.post("/sign-in", {"passkey": credential})).status_code == 401
        assert (await first.post("/sign-in", {"passkey": credential})).status_code == 303
        again = await second.post("/sign-in", {"passkey": credential}, Cookie=f"e2a_attempt={cookie}")
        assert again.status_code == 401
        late = await asked(second)
        home.clock.advance(minutes=5)
        assert (await second.post("/sign-in", {"passkey": device.get(late)})).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"challenge": "AAAA"},
        {"origin": "https://elsewhere.example"},
        {"rp_id": "elsewhere.example"},
        {"flags": 0x01},
        {"type": "webauthn.get"},
    ],
)
async def test_what_does_not_fit_is_not_added(
    visitor: Visitor, home: Home, device: Authenticator, wrong: dict[str, Any]
) -> None:
    answer = await added(visitor, device, **wrong)
    assert (answer.status_code, "nothing was added" in answer.text) == (400, True)
    assert await rows(home, "passkeys") == []


JUNK = [
    "",
    "null",
    "[]",
    "{",
    "{}",
    '"x"',
    '{"rawId": 5}',
    '{"rawId": "\\ud800"}',
    '{"rawId": "AAAA", "response": 1}',
    '{"rawId": "AAAA", "id": "AAAA", "type": "x", "response": {}}',
    '{"rawId": "AAAA", "response": {"userHandle": null}}',
    '{"rawId": "AAAA", "response": {"userHandle": []}}',
    '{"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {"clientDataJSON": "AAAA", '
    '"attestationObject": "v____w", "authenticatorData": "AA", "signature": "AA", "userHandle": "AA"}}',
    "[" * 15_000,
    '{"a": "' + "x" * 40_000 + '"}',
]


@pytest.mark.parametrize("junk", JUNK)
async def test_junk_is_refused(visitor: Visitor, home: Home, url: str, junk: str) -> None:
    proof = fields_of(await visitor.read(PATH), "/sign-out")
    await visitor.post(f"{PATH}/device", proof)
    answer = await visitor.post(f"{PATH}/passkeys", {**proof, "passkey": junk})
    assert answer.status_code == 400
    async with Visitor(home, url) as other:
        await asked(other)
        assert (await other.post("/sign-in", {"passkey": junk})).status_code in {400, 401}
    assert await rows(home, "passkeys") == []


@pytest.mark.parametrize("part", ["clientDataJSON", "attestationObject"])
async def test_altered_answers_add_nothing(
    visitor: Visitor, home: Home, device: Authenticator, part: str
) -> None:
    proof = fields_of(await visitor.read(PATH), "/sign-out")
    for place in range(0, 120, 7):
        options = (await visitor.post(f"{PATH}/device", proof)).json()
        given = json.loads(device.create(options))
        text = given["response"][part]
        given["response"][part] = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        for altered in (given, {**given, "response": {**given["response"], part: text[:place]}}):
            answer = await visitor.post(f"{PATH}/passkeys", {**proof, "passkey": json.dumps(altered)})
            assert answer.status_code in {400, 303}, answer.text
            if answer.status_code == 303:
                # The first octet of the identifier of the model is nobody's secret and signed by nobody.
                await home.local.core.db.write([sql("DELETE FROM passkeys")])


async def test_an_addition_is_of_its_session(
    visitor: Visitor, home: Home, url: str, device: Authenticator
) -> None:
    async with Visitor(home, url) as other:
        await other.sign_in("viewer", "rita@example.org")
        proof = fields_of(await other.read(PATH), "/sign-out")
        options = await visitor.post(f"{PATH}/device", fields_of(await visitor.read(PATH), "/sign-out"))
        stolen = visitor.client.cookies["e2a_attempt"]
        other.client.cookies.set("e2a_attempt", stolen)
        fields = {**proof, "passkey": device.create(options.json()), "name": "x"}
        assert (await other.post(f"{PATH}/passkeys", fields)).status_code == 400
    assert await rows(home, "passkeys") == []


async def test_passkeys_are_renamed_and_removed_by_their_person_alone(
    visitor: Visitor, home: Home, url: str, device: Authenticator
) -> None:
    await added(visitor, device)
    [passkey] = await rows(home, "passkeys")
    path = f"{PATH}/passkeys/{passkey['id']}"
    async with Visitor(home, url) as other, Visitor(home, url) as mine:
        await other.sign_in("owner", "olga@example.org")
        await mine.sign_in()
        proof = fields_of(await other.read("/"), "/sign-out")
        assert (await other.post(f"{path}/rename", {**proof, "name": "Theirs"})).status_code == 404
        assert (await other.post(f"{path}/remove", proof)).status_code == 404
        assert (await visitor.submit(PATH, f"{path}/rename", name="<b>Key</b>")).status_code == 303
        page = await visitor.read(PATH)
        assert "&lt;b&gt;Key&lt;/b&gt;" in page
        for name in ("x" * 61, "a\u202eb"):
            assert (await visitor.submit(PATH, f"{path}/rename", name=name)).status_code == 400
        assert (await visitor.submit(PATH, f"{path}/remove")).status_code == 303
        assert (await visitor.get(PATH)).status_code == 200
        assert (await mine.get(PATH)).status_code == 303
        options = await asked(mine)
        assert (await mine.post("/sign-in", {"passkey": device.get(options)})).status_code == 401


async def test_one_that_was_added_with_a_key_ends_with_it(
    home: Home, url: str, device: Authenticator
) -> None:
    async with Visitor(home, url) as person:
        assert (await person.post("/sign-in", {"key": home.account_key})).status_code == 303
        assert (await added(person, device)).status_code == 303
        assert (
            await person.post("/sign-in", {"passkey": device.get(await asked(person))})
        ).status_code == 303
        owner = await home.local.session(home.account_key)
        [key_id] = [item.id for item in (await owner.api_keys.list()).items if item.name == "owner"]
        await owner.api_keys.delete(key_id)
        assert (await person.get(PATH)).status_code == 303
        assert (
            await person.post("/sign-in", {"passkey": device.get(await asked(person))})
        ).status_code == 401


async def test_a_removed_person_has_no_passkey(
    visitor: Visitor, home: Home, url: str, device: Authenticator
) -> None:
    async with Visitor(home, url) as rita:
        await rita.sign_in("reviewer", "rita@example.org")
        await added(rita, device)
        [person] = [row for row in await rows(home, "people") if row["email"]]
        path = f"/settings/people/{person['id']}/remove"
        assert (await visitor.submit(path, path)).status_code == 303
        assert await rows(home, "passkeys") == []
        assert (await rita.post("/sign-in", {"passkey": device.get(await asked(rita))})).status_code == 401


async def test_one_device_is_added_once(visitor: Visitor, device: Authenticator) -> None:
    assert (await added(visitor, device)).status_code == 303
    assert (await added(visitor, device)).status_code == 409
    proof = fields_of(await visitor.read(PATH), "/sign-out")
    options = (await visitor.post(f"{PATH}/device", proof)).json()
    assert len(options["excludeCredentials"]) == 1


async def test_asking_a_device_is_limited_and_of_this_site(
    home: Home, url: str, stranger: httpx.AsyncClient
) -> None:
    assert (await stranger.post("/sign-in/passkey")).status_code == 403
    cross = {"Sec-Fetch-Site": "cross-site", "Origin": url}
    assert (await stranger.post("/sign-in/passkey", headers=cross)).status_code == 403
    found = [
        (await stranger.post("/sign-in/passkey", headers={"Origin": url})).status_code for _ in range(12)
    ]
    assert found == [200] * 10 + [429] * 2
    assert len(await rows(home, "sign_in_attempts")) == 10


async def test_what_passkeys_do_is_logged(
    visitor: Visitor, home: Home, url: str, device: Authenticator
) -> None:
    await added(visitor, device)
    async with Visitor(home, url) as other:
        await other.post("/sign-in", {"passkey": device.get(await asked(other), key=OTHER_KEY)})
    owner = await home.local.session(home.account_key)
    items = (await owner.audit.list(AuditQuery())).items
    told = [(item.operation, item.outcome) for item in items][::-1]
    assert told[-2:] == [("add_passkey", "ok"), ("sign_in", "refused")]


@pytest.mark.parametrize(
    ("url_of_deployment", "party"),
    [
        ("https://mail.example.com", RelyingParty("mail.example.com", "https://mail.example.com")),
        ("https://mail.example.com:8443", RelyingParty("mail.example.com", "https://mail.example.com:8443")),
        ("https://Mail.Example.com", RelyingParty("mail.example.com", "https://mail.example.com")),
        ("https://mail.example.com:443", RelyingParty("mail.example.com", "https://mail.example.com")),
        ("http://localhost:8080", RelyingParty("localhost", "http://localhost:8080")),
        ("http://127.0.0.1:8080", RelyingParty("localhost", "http://localhost:8080")),
        ("http://[::1]:8080", RelyingParty("localhost", "http://localhost:8080")),
        ("http://192.0.2.1:8080", None),
        ("https://[2001:db8::1]", None),
        ("", None),
    ],
)
def test_the_relying_party_is_a_domain(url_of_deployment: str, party: RelyingParty | None) -> None:
    assert relying_party(url_of_deployment) == party
