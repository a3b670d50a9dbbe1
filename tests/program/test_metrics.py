"""What `/metrics` shows of a home that runs, and that the documentation has all of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import websockets

from e2a_core.accounts.credentials import mint_key
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.contract.sending import SendEmailRequest, SendOptions
from e2a_core.contract.webhooks import CreateWebhookRequest
from e2a_core.errors import StoreUnavailable
from e2a_core.local.engine import LocalEngine
from e2a_core.local.run_file import read_run_file
from e2a_core.settings import load_settings
from e2a_core.store.statement import sql
from e2a_mcp.program.home import open_home_engine
from e2a_mcp.program.metrics import ProcessMetrics
from tests.docs.documents import table_rows, ticked
from tests.mcp.raw_events import over_http
from tests.support.dns import DnsServer
from tests.support.home import environment_of
from tests.support.receiver import receiving
from tests.support.waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.anyio

HOLD = ProtectionConfig.model_validate(
    {
        "inbound": {"gate": {}, "scan": {}},
        "outbound": {"gate": {"policy": "allowlist", "action": "review"}, "scan": {}},
        "holds": {},
    }
)


@pytest.fixture(scope="module")
def dns() -> Iterator[DnsServer]:
    with DnsServer({}) as server:
        yield server


@pytest.fixture
async def engine(tmp_path: Path, database_url: str, dns: DnsServer) -> AsyncIterator[LocalEngine]:
    """A home as `e2a serve` runs it."""
    settings = load_settings(environment_of(tmp_path, database_url, dns))
    opened = await open_home_engine(settings, strict=True)
    try:
        await opened.wait_until_leading()
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def page(engine: LocalEngine) -> AsyncIterator[httpx.AsyncClient]:
    run = read_run_file(engine.core.settings.home) or {}
    async with httpx.AsyncClient(base_url=str(run["http"]), timeout=PATIENCE_SECONDS) as client:
        yield client


async def send(engine: LocalEngine, **parts: str) -> str:
    session = await engine.home_session()
    request = SendEmailRequest.model_validate(
        {"to": ["bob@example.org"], "subject": "Hello", "text": "Hello", **parts}
    )
    sender = session.principal.agent_email or ""
    return (await session.messages.send(sender, request, SendOptions(wait="sent"))).status


async def test_every_metric_is_documented(page: httpx.AsyncClient) -> None:
    shown = set(re.findall(r"^# TYPE (\S+)", (await page.get("/metrics")).text, re.MULTILINE))
    rows = table_rows("deployment.md")
    documented = {name for row in rows for name in ticked(row[0]) if name.startswith("e2a_")}
    assert shown == documented


async def test_what_was_done_and_what_waits(engine: LocalEngine, page: httpx.AsyncClient) -> None:
    assert await send(engine) == "sent"
    tomorrow = engine.core.clock.now() + timedelta(days=1)
    assert await send(engine, send_at=tomorrow.isoformat()) == "scheduled"
    owner = await engine.home_session(scope="account")
    await owner.protection.put(owner.principal.agent_email or "", HOLD)
    assert await send(engine) == "pending_review"
    lines = (await page.get("/metrics")).text.splitlines()
    for line in (
        'e2a_submission_seconds_count{outcome="succeeded",transport="sandbox"} 1.0',
        'e2a_jobs_queued{kind="submit"} 1.0',
        'e2a_jobs_due{kind="submit"} 0.0',
        'e2a_jobs_queued{kind="hold_expiry"} 1.0',
        "e2a_holds_pending 1.0",
        "e2a_http_connections_open 1.0",
        "e2a_smtp_connections_open 0.0",
    ):
        assert line in lines, line


async def test_the_store_is_asked_once_however_many_look(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, asked = ProcessMetrics(), []
    look = engine.backlog

    async def counted() -> object:
        asked.append(1)
        return await look()

    monkeypatch.setattr(engine, "backlog", counted)
    metrics.watch_home(engine)
    for _ in range(3):
        assert b"e2a_holds_pending 0.0" in await metrics.render()
    assert len(asked) == 1


async def test_a_store_that_does_not_answer_takes_only_its_own_figures(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable() -> None:
        raise StoreUnavailable("the database does not answer")

    monkeypatch.setattr(engine, "backlog", unavailable)
    metrics = ProcessMetrics()
    metrics.watch_home(engine)
    shown = await metrics.render()
    assert b"e2a_smtp_accepted_total 0.0" in shown
    assert b"e2a_holds_pending" not in shown


async def test_api_requests_are_counted_by_operation_and_status() -> None:
    metrics = ProcessMetrics()
    metrics.request("send_message", 202, 0.02)
    metrics.request("send_message", 429, 0.001)
    shown = (await metrics.render()).decode()
    assert 'e2a_http_requests_total{operation="send_message",status="202"} 1.0' in shown
    assert 'e2a_http_request_seconds_count{operation="send_message"} 2.0' in shown
    assert 'e2a_http_request_seconds_bucket{le="0.01",operation="send_message"} 1.0' in shown


async def test_requests_to_callbacks_are_counted(engine: LocalEngine, page: httpx.AsyncClient) -> None:
    owner = await engine.home_session(scope="account")
    paths = {"/good": 204, "/bad": 500}
    async with receiving() as receiver:
        receiver.path_status.update(paths)
        for url in (*map(receiver.url, paths), "http://127.0.0.1:1/dead"):
            await owner.webhooks.create(CreateWebhookRequest(url=url, events=["email.sent"]))
        assert await send(engine) == "sent"
        attempts = sql("SELECT COUNT(*) AS n FROM webhook_deliveries WHERE attempts > 0")

        async def all_tried() -> bool:
            [row] = await engine.core.db.read(attempts)
            return bool(row["n"] == 3)

        await until(all_tried)
    expected = {
        'e2a_push_callback_seconds_count{channel="webhook",outcome="ok"} 1.0',
        'e2a_push_callback_seconds_count{channel="webhook",outcome="http_5xx"} 1.0',
        'e2a_push_callback_seconds_count{channel="webhook",outcome="connection_refused"} 1.0',
        'e2a_push_arrival_seconds_count{channel="webhook"} 1.0',
        "e2a_webhook_deliveries_pending 2.0",
        "e2a_event_subscriptions_active 0.0",
        'e2a_jobs_queued{kind="webhook"} 2.0',
        'e2a_jobs_due{kind="webhook"} 0.0',
    }

    async def shown() -> bool:
        # The job of the delivery that arrived stays for a moment, in case more follows.
        return expected <= {*(await page.get("/metrics")).text.splitlines()}

    await until(shown)
    lines = (await page.get("/metrics")).text.splitlines()
    [arrived] = [line for line in lines if line.startswith("e2a_push_arrival_seconds_sum")]
    assert 0 < float(arrived.split()[1]) < 10


async def test_open_websockets_and_streams_are_counted(engine: LocalEngine, page: httpx.AsyncClient) -> None:
    session = await engine.home_session()
    inbox = session.principal.agent_email or ""
    key = (await mint_key(engine.core, session.principal.account_id)).plaintext

    async def shows(line: str) -> bool:
        return line in (await page.get("/metrics")).text.splitlines()

    base = str(page.base_url).rstrip("/")
    socket = f"{base}/v1/agents/{inbox}/ws".replace("http", "ws", 1)
    headers = {"Authorization": f"Bearer {key}"}
    async with websockets.connect(socket, additional_headers=headers, proxy=None):
        await until(lambda: shows("e2a_websockets_open 1.0"))
    await until(lambda: shows("e2a_websockets_open 0.0"))
    async with over_http(base, key) as raw:
        asked = {"name": "email.received", "arguments": {"agent_email": inbox}}
        async with raw.stream(1, **asked) as stream:
            assert (await stream.next())[0] == "active"
            await until(lambda: shows('e2a_mcp_streams_open{kind="events"} 1.0'))
    await until(lambda: shows('e2a_mcp_streams_open{kind="events"} 0.0'))
