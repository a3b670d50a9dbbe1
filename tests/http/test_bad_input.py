"""What the HTTP side does with requests that are wrong, slow, large or too many."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest

from e2a_core.contract.engine import Engine
from e2a_core.http.app import build_api
from tests.support.home import ASSISTANT, Home
from tests.support.listening import listening
from tests.support.loop_lag import LoopLag
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

MESSAGES = f"/v1/agents/{ASSISTANT}/messages"
MAIL = {"to": ["bob@example.org"], "subject": "s", "text": "t"}


@pytest.fixture
def database_kind() -> str:
    """Nothing of this reaches the store."""
    return "sqlite"


@pytest.fixture
async def owner_client(browser: httpx.AsyncClient, home: Home) -> httpx.AsyncClient:
    browser.headers["Authorization"] = f"Bearer {home.account_key}"
    return browser


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert error["request_id"] == response.headers["x-request-id"]
    return error


def fields_of(response: httpx.Response) -> set[tuple[str, str]]:
    return {(item["location"], item["message"]) for item in error_of(response)["details"]["fields"]}


@pytest.mark.parametrize("size", [1024 * 1024, 1024 * 1024 + 1])
async def test_a_declared_body_of_the_limit_is_too_large(size: int, owner_client: httpx.AsyncClient) -> None:
    response = await owner_client.post("/v1/templates", content=b" " * size)
    assert response.status_code == 413
    assert error_of(response)["details"] == {
        "scope": "request_body",
        "actual_bytes": size,
        "max_bytes": 1024 * 1024,
    }


async def test_a_streamed_body_is_cut_off_at_the_limit(owner_client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    response = await owner_client.post("/v1/templates", content=endless())
    assert response.status_code == 413
    assert error_of(response)["details"]["actual_bytes"] == 1024 * 1024


async def test_mail_may_be_larger_than_other_bodies(owner_client: httpx.AsyncClient) -> None:
    body = json.dumps({**MAIL, "text": "x" * 1024 * 1024}).encode() + b" " * 1024 * 1024
    response = await owner_client.post(MESSAGES, content=body)
    assert response.status_code == 202


async def test_a_body_that_does_not_come_is_given_up(home: Home, owner_client: httpx.AsyncClient) -> None:
    url = owner_client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = (
        f"POST /v1/templates HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nAuthorization: {home.account_key}\r\n"
    )
    writer.write(head.encode() + b"Content-Length: 100\r\n\r\n{")
    async with asyncio.timeout(20):
        answer = await reader.readuntil(b"\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_truncated_body_does_nothing(home: Home, owner_client: httpx.AsyncClient) -> None:
    url = owner_client.base_url
    _, writer = await asyncio.open_connection(url.host, url.port)
    body = json.dumps({"email": "cut@agents.example"}).encode()
    head = f"POST /v1/agents HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nAuthorization: {home.account_key}\r\n"
    writer.write(head.encode() + f"Content-Length: {len(body) + 1}\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await owner_client.get("/v1/agents/cut@agents.example")).status_code == 404


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 201),
        ("application/merge-patch+json", 201),
        ("APPLICATION/JSON", 201),
        (None, 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
    ],
)
async def test_bodies_are_json_under_any_of_its_names(
    content_type: str | None, status: int, owner_client: httpx.AsyncClient
) -> None:
    body = json.dumps({"email": "typed@agents.example"}).encode()
    headers = {"Content-Type": content_type} if content_type else {}
    response = await owner_client.post("/v1/agents", content=body, headers=headers)
    assert response.status_code == status, response.text
    if status == 415:
        assert error_of(response)["code"] == "unsupported_media_type"


async def test_what_is_wrong_with_a_body_is_told_by_place(owner_client: httpx.AsyncClient) -> None:
    post = owner_client.post
    empty = await post("/v1/agents", content=b"  ")
    assert (empty.status_code, error_of(empty)["code"]) == (400, "invalid_request")
    assert "details" not in error_of(empty)
    broken = await post("/v1/agents", content=b'{"email":')
    assert (broken.status_code, fields_of(broken)) == (400, {("body", "the body must be JSON")})
    missing = await post("/v1/agents", json={})
    assert (missing.status_code, fields_of(missing)) == (422, {("body", "email is required")})
    unknown = await post("/v1/agents", json={"email": "a1@agents.example", "colour": "red"})
    assert (unknown.status_code, fields_of(unknown)) == (422, {("body.colour", "unexpected member")})
    nested = await post(MESSAGES, json={**MAIL, "to": ["a@example.org", 7]})
    assert nested.status_code == 422
    assert {location for location, _ in fields_of(nested)} == {"body.to[1]"}
    for wrong, place in (
        (5, ""),
        ({}, ""),
        (["a@example.org", 7], "[1]"),
        ("x" * 321, "[0]"),
        ("nobody", ""),
    ):
        answers = await post(MESSAGES, json={**MAIL, "reply_to": wrong})
        assert {location for location, _ in fields_of(answers)} == {f"body.reply_to{place}"}
    instant = await post(MESSAGES, json={**MAIL, "send_at": 5})
    assert {location for location, _ in fields_of(instant)} == {"body.send_at"}
    for value in (b"[]", b'"text"', b"7", b"7.5", b"null"):
        for path in ("/v1/agents", "/v1/templates/validate"):
            assert (await post(path, content=value)).status_code == 422
    gate = b'{"inbound": {"gate": 7.5, "scan": {}}, "outbound": {"gate": {}, "scan": {}}, "holds": {}}'
    number = await owner_client.put(f"/v1/agents/{ASSISTANT}/protection", content=gate)
    assert {location for location, _ in fields_of(number)} == {"body.inbound.gate"}


@pytest.mark.parametrize(
    "instant", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "2026-W01-1T00:00:00Z"]
)
async def test_an_instant_that_could_not_be_told_in_utc_is_refused(
    instant: str, owner_client: httpx.AsyncClient
) -> None:
    agent = f"/v1/agents/{ASSISTANT}"
    for method, path, member, body in (
        ("POST", "/v1/account/api-keys", "expires_at", {}),
        ("PUT", f"{agent}/contacts/z@example.org", "next_action_at", {}),
        ("POST", f"{agent}/delegations", "valid_until", {"human": "h@example.org"}),
        ("POST", f"{agent}/messages", "send_at", MAIL),
    ):
        response = await owner_client.request(method, path, json={**body, member: instant})
        assert response.status_code == 422, response.text
        assert {location for location, _ in fields_of(response)} == {f"body.{member}"}
    for path in ("/v1/account/api-keys", f"{agent}/contacts", f"{agent}/delegations", "/v1/account/export"):
        assert (await owner_client.get(path)).status_code == 200
    for query in ({"start": instant, "end": "0001-01-02T00:00:00Z"}, {"end": "0001-01-02T00:00:00Z"}):
        refused = await owner_client.get("/v1/metrics", params=query)
        assert (refused.status_code, error_of(refused)["code"]) == (400, "invalid_filter")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "1.", "+1"])
async def test_numbers_are_those_of_json(text: str, owner_client: httpx.AsyncClient) -> None:
    for path, member in (("/v1/templates/validate", "test_data"), ("/v1/contacts", "metadata")):
        body = f'{{"subject": "s", "text": "t", "{member}": {{"a": {text}}}}}'
        response = await owner_client.post(path, content=body.encode())
        assert (response.status_code, error_of(response)["code"]) == (400, "invalid_request")
        assert {location for location, _ in fields_of(response)} == {"body"}


async def test_bodies_are_utf8(owner_client: httpx.AsyncClient) -> None:
    for content in ('{"email": "é"}'.encode("utf-16"), b'{"email": "\xed\xa0\x80"}', b'{"email": "\xff"}'):
        response = await owner_client.post("/v1/agents", content=content)
        assert (response.status_code, error_of(response)["code"]) == (400, "invalid_request")


async def test_numbers_are_rendered_as_they_were_written(owner_client: httpx.AsyncClient) -> None:
    numbers = ["1.10", "1E2", "12345678901234567890", "0.1", "-0.50", "1e-7"]
    data = ", ".join(f'"n{index}": {number}' for index, number in enumerate(numbers))
    slots = " ".join(f"{{{{n{index}}}}}" for index in range(len(numbers)))
    body = f'{{"subject": "s", "text": "{slots}", "test_data": {{{data}}}}}'
    rendered = await owner_client.post("/v1/templates/validate", content=body.encode())
    assert rendered.json()["rendered"]["text"] == " ".join(numbers)
    kept = await owner_client.post(
        "/v1/contacts",
        content=b'{"address": "n@example.org", "metadata": {"price": 1.10}}',
        headers={"Idempotency-Key": "numbers"},
    )
    assert (kept.status_code, kept.json()["metadata"]) == (201, {"price": 1.1})


SURROGATE = '"\\ud800"'
DEEP = "[" * 400 + "]" * 400


@pytest.mark.parametrize("key", [None, "the-key"])
@pytest.mark.parametrize(
    ("path", "body", "member"),
    [
        (
            MESSAGES,
            '"attachments": [{"filename": HERE, "content_type": "text/plain", "data": ""}]',
            "attachments",
        ),
        (MESSAGES, '"attachments": [{"filename": "a", "content_type": HERE, "data": ""}]', "attachments"),
        (MESSAGES, '"template_alias": HERE', "template_alias"),
        (MESSAGES, '"template_alias": "greeting", "template_data": {"name": HERE}', "template_data"),
        ("/v1/contacts", '"address": "k@example.org", "metadata": {"a": HERE}', "metadata"),
        (
            "/v1/contacts/import",
            '"contacts": [{"address": "k@example.org", "metadata": {"a": HERE}}]',
            "contacts",
        ),
        ("/v1/account/api-keys", '"scope": "agent", "agent_email": HERE', "agent_email"),
    ],
)
async def test_text_that_is_none_and_depth_without_end_are_refused_by_name(
    path: str, body: str, member: str, key: str | None, owner_client: httpx.AsyncClient
) -> None:
    template = {"name": "n", "alias": "greeting", "subject": "Hello {{name}}", "text": "Hello {{name}}"}
    assert (await owner_client.post("/v1/templates", json=template)).status_code == 201
    mail = '"to": ["bob@example.org"], ' if path == MESSAGES else ""
    content = '"subject": "s", "text": "t", ' if member == "attachments" else ""
    for value in (SURROGATE, DEEP, SURROGATE.replace("ud800", "u0000")):
        given = "{" + mail + content + body.replace("HERE", value) + "}"
        response = await owner_client.post(
            path, content=given.encode(), headers={"Idempotency-Key": key} if key else {}
        )
        if response.status_code == 200:  # an import fails row by row
            assert response.json()["failed"] == 1
            continue
        assert response.status_code in {400, 404, 422}, response.text
        error = error_of(response)
        assert error["code"].startswith("template_") or member in json.dumps(error["details"])
    assert (await owner_client.get("/v1/account/export")).json()["messages"] == []


CROWD = 2_000_000


@pytest.mark.parametrize(
    "values",
    [
        '{"to": [' + "1," * CROWD + "1]}",
        '{"to": ["bob@example.org"], "attachments": [' + "[]," * CROWD + "[]]}",
        '{"to": ["bob@example.org"], "template_data": {' + '"":1,' * CROWD + '"": 1}}',
        '{"to": [' + '"a\\"",' * CROWD + '"a"]}',
        "[" + "{}," * CROWD + "{}]",
        '""' * CROWD + "," * CROWD,
    ],
)
async def test_a_body_of_millions_of_values_stops_nobody(
    values: str, owner_client: httpx.AsyncClient
) -> None:
    async with LoopLag() as lag:
        response = await owner_client.post(MESSAGES, content=values.encode())
    assert response.status_code == 400
    assert {location for location, _ in fields_of(response)} == {"body"}
    assert lag.worst < 1


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({**MAIL, "to": [1] * 20_000}, "body.to"),
        ({**MAIL, "attachments": [{}] * 20_000}, "body.attachments"),
        ({**MAIL, "attachments": [{str(number): 1 for number in range(20_000)}]}, "body"),
        ({**MAIL, **{str(number): [] for number in range(20_000)}}, "body"),
        ([1] * 20_000, "body"),
    ],
)
async def test_values_wrong_by_the_thousand_are_told_of_once(
    body: object, location: str, owner_client: httpx.AsyncClient
) -> None:
    response = await owner_client.post(MESSAGES, json=body)
    assert response.status_code == 422
    assert {found for found, _ in fields_of(response)} == {location}
    assert len(response.content) < 1000


async def test_a_long_text_full_of_commas_and_quotes_is_no_crowd(owner_client: httpx.AsyncClient) -> None:
    response = await owner_client.post(MESSAGES, json={**MAIL, "text": 'a,\\",' * 150_000})
    assert response.status_code == 202


@pytest.mark.parametrize("address", ["nobody", "", "a b@example.org", "a@b@c", "(", "x:;"])
async def test_an_address_that_is_none_is_told_by_its_place(
    address: str, owner_client: httpx.AsyncClient
) -> None:
    made = await owner_client.post("/v1/contacts", json={"address": address})
    assert {location for location, _ in fields_of(made)} == {"body.address"}
    if address:
        path = f"/v1/agents/{ASSISTANT}/contacts/{quote(address)}"
        assert {location for location, _ in fields_of(await owner_client.put(path, json={}))} == {
            "path.address"
        }


async def test_the_case_of_a_member_does_not_matter(owner_client: httpx.AsyncClient) -> None:
    response = await owner_client.post("/v1/agents", json={"EMail": "cased@agents.example", "Name": "C"})
    assert (response.status_code, response.json()["name"]) == (201, "C")


@pytest.mark.parametrize(
    "limit", ["0", "-1", "101", "x", "1.5", "9" * 400, "5.0", "1_0", " 5", "+5", "1e1", "\u0665"]
)
async def test_a_limit_out_of_range_or_not_in_base_10_is_refused(
    limit: str, owner_client: httpx.AsyncClient
) -> None:
    for path in (MESSAGES, "/v1/domains", "/v1/contacts"):
        response = await owner_client.get(path, params={"limit": limit})
        assert response.status_code == 422
        assert {location for location, _ in fields_of(response)} == {"query.limit"}


async def test_empty_and_repeated_parameters(owner_client: httpx.AsyncClient) -> None:
    assert (await owner_client.get(f"{MESSAGES}?limit=&cursor=&direction=")).status_code == 200
    first_counts = await owner_client.get(f"{MESSAGES}?limit=5&limit=0&colour=red")
    assert first_counts.status_code == 200


@pytest.mark.parametrize("cursor", ["x", "e30.AAAA", "%00", "é", "a" * 9000, "..", "eyJhIjoxfQ"])
async def test_a_cursor_of_nobody_is_refused(cursor: str, owner_client: httpx.AsyncClient) -> None:
    response = await owner_client.get(MESSAGES, params={"cursor": cursor})
    assert (response.status_code, error_of(response)["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("name", ["%00", "a%00@agents.example", "%ff%fe", "x" * 5000, "%F0%9F%92%A9"])
async def test_paths_of_any_octets_find_nothing(name: str, owner_client: httpx.AsyncClient) -> None:
    for path in (f"/v1/agents/{name}", f"{MESSAGES}/{name}", f"/v1/templates/{name}", f"/v1/contacts/{name}"):
        response = await owner_client.get(path)
        assert response.status_code in {400, 404}, path
        assert error_of(response)["code"]


async def test_authentication_comes_before_the_body(browser: httpx.AsyncClient) -> None:
    for content in (b"", b"{", b'{"colour":1}', b" " * 2 * 1024 * 1024):
        assert (await browser.post("/v1/agents", content=content)).status_code == 401
    assert (await browser.delete(f"/v1/agents/{ASSISTANT}")).status_code == 401


@pytest.mark.parametrize("given", ["mine", "r" * 128, "with blanks"])
async def test_a_request_id_is_echoed(given: str, browser: httpx.AsyncClient) -> None:
    response = await browser.get("/v1/info", headers={"X-Request-Id": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize(
    "path", ["/v1/info", "/v1/nope", "/nope", "/api/health", "/u/x", "/v1/approve", "/v1/docs"]
)
async def test_every_answer_has_an_id_and_says_what_it_is(path: str, browser: httpx.AsyncClient) -> None:
    for given in (None, "r" * 129):
        response = await browser.get(path, headers={"X-Request-Id": given} if given else {})
        assert response.headers["x-request-id"].startswith("req_")
        assert len(response.headers["x-request-id"]) == 28
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "server" not in response.headers


async def test_methods_that_a_path_lacks(browser: httpx.AsyncClient) -> None:
    for method in ("PUT", "OPTIONS", "TRACE", "BREW"):
        response = await browser.request(method, "/v1/agents")
        assert (response.status_code, error_of(response)["code"]) == (405, "method_not_allowed")
        assert response.headers["allow"] == "GET, POST"
        assert "access-control-allow-origin" not in response.headers
    assert (await browser.head("/v1/agents")).status_code == 405
    assert (await browser.head("/api/health")).status_code == 200
    outside = await browser.put("/api/feedback")
    assert (outside.status_code, outside.headers["content-type"]) == (405, "text/plain; charset=utf-8")


@pytest.mark.settings(poll_rate_per_minute="240")
async def test_polling_is_limited_and_told_of(owner_client: httpx.AsyncClient) -> None:
    response = await owner_client.get(MESSAGES)
    assert response.headers["ratelimit-limit"] == "240"
    assert response.headers["ratelimit-remaining"] == "239"
    assert 1 <= int(response.headers["ratelimit-reset"]) <= 61
    answers = [await owner_client.get(MESSAGES) for _ in range(240)]
    assert [answer.status_code for answer in answers] == [200] * 239 + [429]
    refused = answers[-1]
    assert error_of(refused)["code"] == "rate_limited"
    assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
    assert "ratelimit-limit" not in (await owner_client.get("/v1/account")).headers


async def test_past_the_bound_requests_are_told_to_come_back(home: Home) -> None:
    settings = home.local.core.settings
    app = build_api(home.local, settings, clock=home.local.core.clock, ids=home.local.core.ids)
    app._max_in_flight = 2  # type: ignore[attr-defined]
    async with (
        listening(app) as served,
        httpx.AsyncClient(base_url=served, timeout=PATIENCE_SECONDS) as client,
    ):
        url = client.base_url
        held = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection(url.host, url.port)
            head = f"POST /v1/agents HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nAuthorization: {home.account_key}\r\n"
            writer.write(head.encode() + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
            held.append(writer)
        busy = await client.get("/v1/info")
        assert (busy.status_code, error_of(busy)["code"]) == (503, "unavailable")
        assert int(busy.headers["retry-after"]) >= 1
        assert (await client.get("/api/health")).status_code == 200
        for writer in held:
            writer.write(b"{}       ")
            await writer.drain()
        async with asyncio.timeout(10):
            while (await client.get("/v1/info")).status_code != 200:  # noqa: ASYNC110 - it is what is tested
                await asyncio.sleep(0.01)
        for writer in held:
            writer.close()


async def test_after_a_failure_the_connection_is_closed_with_notice(home: Home) -> None:
    class Failing:
        async def info(self) -> None:
            raise RuntimeError("on purpose")

    core = home.local.core
    app = build_api(cast(Engine, Failing()), core.settings, clock=core.clock, ids=core.ids)
    async with (
        listening(app) as served,
        httpx.AsyncClient(base_url=served, timeout=PATIENCE_SECONDS) as client,
    ):
        for _ in range(2):
            failed = await client.get("/v1/info")
            assert (failed.status_code, error_of(failed)["code"]) == (500, "internal_error")
            assert failed.headers["connection"] == "close"
            assert "on purpose" not in failed.text


async def test_the_access_log_has_one_line_for_each_request(
    owner_client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "e2a.http")
    await owner_client.get(f"{MESSAGES}?query=sesame", headers={"X-Request-Id": "the-id"})
    await owner_client.get("/u/u1_sesame")
    lines = [record.getMessage() for record in caplog.records if record.name == "e2a.http"]
    assert len(lines) == 2
    assert re.fullmatch(rf"GET {MESSAGES} 200 \d+ ms the-id", lines[0])
    assert re.fullmatch(r"GET /u/\.\.\. 404 \d+ ms req_[0-9a-f]{24}", lines[1])
