"""`e2a doctor` on another deployment: what its API, its MCP endpoint and its webhooks say, and odd answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from e2a_core.clock import SystemClock
from e2a_core.contract.domains import RegisterDomainRequest
from e2a_core.contract.webhooks import CreateWebhookRequest, UpdateWebhookRequest
from e2a_core.settings import Settings, load_settings
from e2a_mcp.program.doctor.clocks import check_clock
from e2a_mcp.program.doctor.deployment import check_reachability, date_of
from e2a_mcp.program.doctor.finding import Cause, Finding
from e2a_mcp.program.doctor.mcp import check_mcp_http
from e2a_mcp.program.doctor.remote import check_account
from e2a_mcp.program.doctor.store import check_store
from e2a_mcp.program.doctor.webhooks import check_webhooks
from e2a_mcp.program.doctor.wishes import Wishes
from tests.support.dns import DnsServer
from tests.support.home import ASSISTANT, Home, Keys, MovableClock, open_home_for_test
from tests.support.listening import listening, vacant_port

Codes = set[tuple[str, str, str]]
INFO = {"shared_domain": "agents.example", "slug_registration_enabled": True, "version": "1.0.0"}


def codes(found: list[Finding]) -> Codes:
    return {(finding.id, finding.status.value, finding.reason_code) for finding in found}


def settings(url: str, key: str, dns: str = "", **given: str) -> Settings:
    named = {f"E2A_{name.upper()}": value for name, value in given.items()}
    return load_settings({"E2A_API_URL": url, "E2A_API_KEY": key, "E2A_DNS_SERVER": dns, **named})


@pytest.fixture
async def home(tmp_path: Path, dns: DnsServer, keys: Keys) -> AsyncIterator[Home]:
    async with open_home_for_test(tmp_path, "", dns, keys) as opened:
        yield opened


async def account(home: Home, url: str, key: str, **wishes: Any) -> list[Finding]:
    dns = home.local.core.settings.dns_server
    return await check_account(settings(url, key, dns), Wishes(**wishes), SystemClock())


@pytest.mark.anyio
async def test_keys_of_the_account_of_an_inbox_and_of_nobody(home: Home) -> None:
    async with home.listening() as url:
        found = await account(home, url, home.account_key)
        assert codes(found) == {
            ("api.auth", "pass", "ok"),
            ("agent.access", "skip", "no_agent_selected"),
            ("domain.registered", "skip", "no_domains"),
            ("webhook.config", "skip", "no_webhooks"),
        }
        found = await account(home, url, home.agent_key)
        assert codes(found) == {
            ("api.auth", "pass", "ok"),
            ("agent.access", "pass", "ok"),
            ("domain.registered", "skip", "requires_account_scope"),
            ("webhook.config", "skip", "requires_account_scope"),
        }
        [refused] = await account(home, url, "e2a_acct_" + "0" * 64)
        assert (refused.id, refused.reason_code, refused.cause) == ("api.auth", "unauthorized", Cause.AUTH)
        assert "0" * 64 not in str(refused.as_json())
        [finding] = [
            f for f in await account(home, url, home.account_key, agent=ASSISTANT) if f.id == "agent.access"
        ]
        assert (finding.reason_code, finding.target) == ("ok", ASSISTANT)
        found = await account(
            home, url, home.account_key, agent="nobody@agents.example", domain="other.example"
        )
        assert {
            ("agent.access", "fail", "agent_not_found"),
            ("domain.registered", "fail", "not_registered"),
        } <= codes(found)
        found = await account(home, url, home.agent_key, agent="nobody@agents.example")
        [finding] = [finding for finding in found if finding.id == "agent.access"]
        assert (finding.reason_code, finding.cause) in {
            ("forbidden", Cause.AUTH),
            ("agent_not_found", Cause.CONFIG),
        }


@pytest.mark.anyio
async def test_domains_of_the_account_are_looked_up_from_here(home: Home) -> None:
    owner = await home.local.home_session(scope="account")
    view = await owner.domains.register(RegisterDomainRequest(domain="mail.example.com"))
    async with home.listening() as url:
        found = await account(home, url, home.account_key)
        assert ("domain.mx", "fail", "record_missing") in codes(found)
        assert ("domain.ownership", "fail", "record_missing") in codes(found)
        zones: dict[str, Any] = {}
        for record in view.dns_records:
            entry = (record.priority, record.value) if record.type == "MX" else record.value
            zones.setdefault(record.name, {}).setdefault(record.type, []).append(entry)
        with DnsServer(zones) as published:
            found = await check_account(
                settings(url, home.account_key, published.address),
                Wishes(domain="mail.example.com"),
                SystemClock(),
            )
    looked = {(finding.id, finding.reason_code) for finding in found}
    expected = ("ownership", "mx", "spf", "dkim", "dmarc")
    assert {(f"domain.{name}", "ok") for name in expected} <= looked
    assert ("domain.sending", "sending_not_provisioned") in looked


@pytest.mark.anyio
async def test_webhooks_and_their_latest_delivery(home: Home) -> None:
    owner = await home.local.home_session(scope="account")
    with vacant_port() as port:
        wanted = {"on": f"http://127.0.0.1:{port}/on", "off": f"http://127.0.0.1:{port}/off"}
        made = {
            name: await owner.webhooks.create(CreateWebhookRequest(url=url, events=["email.received"]))
            for name, url in wanted.items()
        }
        await owner.webhooks.update(made["off"].id, UpdateWebhookRequest(enabled=False))
        async with home.listening() as url:
            found = await account(home, url, home.account_key)
        store, facts = await check_store(home.local.core.settings, SystemClock())
        assert {finding.status.value for finding in store} <= {"pass", "warn"}
        assert facts is not None
        own = {(item.id, item.target): item.reason_code for item in await check_webhooks(facts.webhooks)}
    assert own["webhook.config", made["on"].id] == "ok"
    assert own["webhook.config", made["off"].id] == "webhook_disabled"
    assert own["webhook.delivery", made["on"].id] == "no_deliveries"
    by = {(finding.id, finding.target): finding.reason_code for finding in found}
    assert by["webhook.config", made["on"].id] == "insecure_url"
    assert by["webhook.config", made["off"].id] == "webhook_disabled"
    assert by["webhook.delivery", made["on"].id] == "no_deliveries"
    assert by["webhook.reachability", made["on"].id] == "no_safe_probe"


Handler = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def answering(**paths: Response) -> AsyncIterator[str]:
    """A server with fixed answers: `info` and `mcp`, and by `metadata` where clients sign in."""
    places = {
        "info": "/v1/info",
        "account": "/v1/account",
        "agents": "/v1/agents/{email}",
        "domains": "/v1/domains",
        "webhooks": "/v1/webhooks",
        "deliveries": "/v1/webhooks/{id}/deliveries",
        "mcp": "/mcp",
        "metadata": "/.well-known/oauth-protected-resource",
    }

    def fixed(response: Response) -> Handler:
        async def answer(request: Request) -> Response:
            return response

        return answer

    routes = [
        Route(places[name], fixed(response), methods=["GET", "POST", "DELETE"])
        for name, response in paths.items()
    ]
    async with listening(Starlette(routes=routes)) as url:
        yield url


REACHED = [
    (JSONResponse(INFO), "ok", None),
    (JSONResponse({"hello": 1}), "unexpected_response", Cause.CONFIG),
    (JSONResponse([1]), "unexpected_response", Cause.CONFIG),
    (PlainTextResponse("<html>\x1b[31m"), "unexpected_response", Cause.CONFIG),
    (Response(b"\xff\xfe"), "unexpected_response", Cause.CONFIG),
    (Response(status_code=404), "http_error", Cause.CONFIG),
    (
        Response(status_code=302, headers={"location": "https://elsewhere.example"}),
        "http_error",
        Cause.CONFIG,
    ),
    (Response(status_code=500), "http_error", Cause.TRANSIENT),
    (Response(status_code=503), "http_error", Cause.TRANSIENT),
    (Response(status_code=408), "http_error", Cause.TRANSIENT),
    (Response(status_code=429), "http_error", Cause.TRANSIENT),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("response", "code", "cause"), REACHED)
async def test_what_answers_at_the_url(response: Response, code: str, cause: Cause | None) -> None:
    async with answering(info=response) as url:
        reached = await check_reachability(url)
    assert (reached.finding.reason_code, reached.finding.cause) == (code, cause)
    assert reached.finding.detail.isprintable()


@pytest.mark.anyio
async def test_another_deployment_at_the_public_url() -> None:
    async with answering(info=JSONResponse(INFO)) as url:
        assert (await check_reachability(url, "agents.example")).finding.reason_code == "ok"
        finding = (await check_reachability(url, "other.example")).finding
    assert (finding.reason_code, finding.cause) == ("unexpected_response", Cause.CONFIG)
    assert "agents.example" in finding.detail


@pytest.mark.anyio
async def test_urls_that_lead_nowhere() -> None:
    with vacant_port() as port:
        finding = (await check_reachability(f"http://127.0.0.1:{port}")).finding
    assert (finding.reason_code, finding.cause) == ("connection_failed", Cause.TRANSIENT)
    for url in ("", "e2a.example", "ftp://e2a.example", "http://", "http://e2a.example:99999"):
        finding = (await check_reachability(url)).finding
        assert (finding.reason_code, finding.cause) == ("invalid_deployment_url", Cause.CONFIG)


@pytest.mark.anyio
async def test_the_time_of_the_deployment_is_taken_from_its_answer() -> None:
    clock = MovableClock()
    clock.advance(hours=1)
    async with answering(info=JSONResponse(INFO)) as url:
        date = (await check_reachability(url)).date
    assert date is not None
    finding = check_clock(clock, 0, {url: clock.now() - date})
    assert (finding.status, finding.reason_code) == ("fail", "clock_ahead")


@pytest.mark.parametrize("date", ["", "at noon", "Wed, 01 Foo 2026 12:00:00 GMT", "\x1b", "0" * 9000])
def test_a_date_that_is_none_says_nothing(date: str) -> None:
    assert date_of(httpx.Response(200, headers={"date": date})) is None


ENDPOINTS = [
    (401, "ok", None),
    (405, "ok", None),
    (406, "ok", None),
    (404, "not_routed", Cause.CONFIG),
    (410, "not_routed", Cause.CONFIG),
    (421, "http_error", Cause.CONFIG),
    (500, "http_error", Cause.TRANSIENT),
    (502, "http_error", Cause.TRANSIENT),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "code", "cause"), ENDPOINTS)
async def test_what_answers_at_the_mcp_url(status: int, code: str, cause: Cause | None) -> None:
    async with answering(mcp=Response(status_code=status)) as url:
        found = await check_mcp_http(settings(url, "k"), f"{url}/mcp", discovery=False)
    assert (found[0].id, found[0].reason_code, found[0].cause) == ("mcp.reachability", code, cause)


@pytest.mark.anyio
async def test_mcp_urls_that_lead_nowhere() -> None:
    here = settings("https://e2a.example", "k")
    assert codes(await check_mcp_http(here, "", discovery=True)) == {
        ("mcp.reachability", "skip", "no_mcp_url")
    }
    for url in ("mcp.example", "ftp://mcp.example", "https://"):
        assert codes(await check_mcp_http(here, url, discovery=True)) == {
            ("mcp.reachability", "fail", "invalid_mcp_url")
        }
    with vacant_port() as port:
        found = await check_mcp_http(here, f"http://127.0.0.1:{port}/mcp", discovery=True)
    assert codes(found) == {("mcp.reachability", "fail", "connection_failed")}


SERVERS = {"resource": "https://e2a.example/mcp", "authorization_servers": ["https://e2a.example"]}
METADATA = [
    (JSONResponse(SERVERS), "ok"),
    (JSONResponse({"resource": "x"}), "metadata_invalid"),
    (JSONResponse({**SERVERS, "authorization_servers": []}), "metadata_invalid"),
    (JSONResponse(["x"]), "metadata_invalid"),
    (PlainTextResponse("\x1b[2J"), "metadata_invalid"),
    (Response(status_code=404), "metadata_missing"),
    (Response(status_code=500), "metadata_missing"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("response", "code"), METADATA)
async def test_where_clients_sign_in(response: Response, code: str) -> None:
    async with answering(mcp=Response(status_code=401), metadata=response) as url:
        found = await check_mcp_http(settings(url, "k"), f"{url}/mcp", discovery=True)
    [finding] = [finding for finding in found if finding.id == "mcp.auth_metadata"]
    assert (finding.reason_code, finding.status) == (code, "pass" if code == "ok" else "warn")


@pytest.mark.anyio
async def test_a_session_over_http(home: Home) -> None:
    async with home.listening() as url:
        found = await check_mcp_http(settings(url, home.agent_key), f"{url}/mcp", discovery=False)
        assert ("mcp.handshake", "pass", "ok") in codes(found)
        found = await check_mcp_http(settings(url, "e2a_agt_wrong"), f"{url}/mcp", discovery=False)
        [finding] = [finding for finding in found if finding.id == "mcp.handshake"]
        assert (finding.reason_code, finding.cause) == ("unauthorized", Cause.AUTH)
        [_, unasked] = await check_mcp_http(home.local.core.settings, f"{url}/mcp", discovery=False)
        # The key of a home, without the home's address, would be shown to the hosted service.
        assert (unasked.reason_code, f"--remote {url} --mcp-url {url}/mcp" in unasked.fix) == ("no_key", True)
    for odd in (PlainTextResponse("hello"), JSONResponse({"result": 1}), JSONResponse([])):
        async with answering(mcp=odd) as url:
            found = await check_mcp_http(settings(url, "k"), f"{url}/mcp", discovery=False)
        assert ("mcp.handshake", "fail", "unexpected_response") in codes(found)


USER = {"id": "u", "email": "a@example.org"}
ZEROS = {"max_agents": 0, "max_domains": 0, "max_messages_month": 0, "max_storage_bytes": 0}
ACCOUNT = {
    "user": USER,
    "scope": "account",
    "plan_code": "free",
    "limits": ZEROS,
    "usage": {"agents": 0, "domains": 0, "messages_month": 0, "storage_bytes": 0},
    "upgrade_url": "",
}
WEBHOOK = {
    "id": "wh_1",
    "url": "https://hooks.example/\x1b[31m",
    "description": "",
    "events": ["email.received"],
    "filters": {},
    "enabled": True,
    "created_at": "2026-07-01T12:00:00Z",
}
DELIVERY = {
    "id": "whd_1",
    "type": "email.received",
    "status": "failed",
    "attempts": 8,
    "next_retry_at": "2026-07-01T12:00:00Z",
    "created_at": "2026-07-01T12:00:00Z",
    "last_error": "connection refused \u202e",
}


def page(*items: Any, cursor: str | None = None) -> JSONResponse:
    return JSONResponse({"items": list(items), "next_cursor": cursor})


async def of_answers(**paths: Response) -> list[Finding]:
    given = {"account": JSONResponse(ACCOUNT), "domains": page(), "webhooks": page(), **paths}
    async with answering(**given) as url:
        return await check_account(settings(url, "k"), Wishes(), SystemClock())


@pytest.mark.anyio
async def test_webhooks_that_failed_elsewhere() -> None:
    found = await of_answers(webhooks=page(WEBHOOK), deliveries=page(DELIVERY))
    assert {("webhook.config", "pass", "ok"), ("webhook.delivery", "warn", "deliveries_failing")} <= codes(
        found
    )
    assert all(finding.detail.isprintable() for finding in found)
    off = {
        **WEBHOOK,
        "enabled": False,
        "auto_disabled_at": "2026-07-01T12:00:00Z",
        "auto_disabled_reason": "gone",
    }
    found = await of_answers(webhooks=page(off), deliveries=page({**DELIVERY, "status": "delivered"}))
    assert {("webhook.config", "fail", "webhook_auto_disabled"), ("webhook.delivery", "pass", "ok")} <= codes(
        found
    )


@pytest.mark.anyio
async def test_more_domains_than_are_looked_at_and_parts_that_fail() -> None:
    found = await of_answers(domains=page(cursor="more"))
    assert ("domain.registered", "warn", "too_many_domains") in codes(found)
    error = JSONResponse({"error": {"code": "internal_error", "message": "broken"}}, 500)
    found = await of_answers(domains=error, webhooks=error)
    assert {("domain.registered", "fail"), ("webhook.config", "fail")} <= {
        (f.id, f.status.value) for f in found
    }
    assert {finding.cause for finding in found} == {None, Cause.TRANSIENT}
    [finding] = await of_answers(account=error)
    assert (finding.id, finding.cause) == ("api.auth", Cause.TRANSIENT)
    [finding] = await of_answers(account=JSONResponse({"error": {"code": "forbidden", "message": "no"}}, 403))
    assert (finding.id, finding.reason_code, finding.cause) == ("api.auth", "forbidden", Cause.AUTH)
