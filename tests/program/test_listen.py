"""`e2a listen` against a real deployment: what it shows, hands on and keeps, and how it ends."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import signal
import stat
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import httpx
import pytest
import websockets
from e2a.v1 import construct_event
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from e2a_core.clock import SystemClock
from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.store.statement import sql
from e2a_mcp.program.listen.delivery import Delivery
from e2a_mcp.program.listen.forward import Forwarder, posted
from e2a_mcp.program.listen.source import Ended, Event
from tests.program.listener import acknowledged, at, listener
from tests.support.home import ASSISTANT, SECRET, SHARED, Home, stranger
from tests.support.receiver import DROP, HANG, Receiver, receiving
from tests.support.waiting import PATIENCE_SECONDS, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SIGNED_WITH = "whsec_" + "0123456789abcdef" * 4


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def there(home: Home, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The settings of a listener at the home's URL, with the key of its inbox."""
    async with home.listening() as url:
        yield at(url, home.agent_key, tmp_path)


def own(home: Home) -> dict[str, str]:
    """The settings of a process on the home itself, without a key."""
    settings = home.local.core.settings
    return {
        "E2A_HOME": str(settings.home),
        "E2A_DATABASE_URL": settings.database_url,
        "E2A_SHARED_DOMAIN": SHARED,
        "E2A_HMAC_SECRET": SECRET,
        "E2A_SMTP_LISTEN": "127.0.0.1:0",
        "E2A_HTTP_LISTEN": "127.0.0.1:0",
    }


async def test_mail_is_shown_as_it_comes(home: Home, there: dict[str, str]) -> None:
    async with listener(there) as running:
        await until(lambda: running.is_connected)
        await home.deliver(subject="Grüße\u202e")
        [line] = await until(lambda: running.out)
        assert "alice@example.org" in line
        assert "(verified example.org)" in line
        assert "Grüße[U+202E]" in line
        running.process.send_signal(signal.SIGINT)
        assert await running.status() == 130
    assert not await acknowledged(home)


async def test_json_is_the_envelope_and_sigterm_ends_it(home: Home, there: dict[str, str]) -> None:
    await home.deliver(subject="before")
    async with listener(there, "--json") as running:
        [line] = await until(lambda: running.out)
        envelope = json.loads(line)
        assert (envelope["type"], envelope["data"]["subject"]) == ("email.received", "before")
        running.process.send_signal(signal.SIGTERM)
        assert await running.status() == 0


async def test_a_reader_that_leaves_ends_it_quietly(home: Home, there: dict[str, str]) -> None:
    async with listener(there, "--json") as running:
        await until(lambda: running.is_connected)
        assert running.process.stdout is not None
        running.process.stdout._transport.close()  # type: ignore[attr-defined]
        await home.deliver(subject="to nobody")
        assert await running.status() == 1


async def test_the_key_of_an_inbox_names_it(home: Home, there: dict[str, str]) -> None:
    async with listener(there, agent=None) as running:
        await until(lambda: running.is_connected)
        await home.deliver(subject="unnamed")
        await until(lambda: running.out)


async def test_an_accounts_key_has_to_name_the_inbox(home: Home, there: dict[str, str]) -> None:
    async with listener({**there, "E2A_API_KEY": home.account_key}, agent=None) as running:
        assert await running.status() == 2
        assert running.says("E2A_AGENT_EMAIL")


async def test_what_is_not_taken_twice_is_taken_the_third_time_and_then_acknowledged(
    home: Home, there: dict[str, str], receiver: Receiver
) -> None:
    receiver.then([500, DROP])
    async with listener(there, "--forward", receiver.url(), "--secret", SIGNED_WITH) as running:
        await until(lambda: running.is_connected)
        await home.deliver(subject="once")
        await until(lambda: len(receiver.requests) == 2)
        assert not await acknowledged(home)
        await until(lambda: len(receiver.requests) == 3)
        await until(lambda: acknowledged(home))
        await until(lambda: running.says(" was taken"))
        assert running.says(f"mail of {ASSISTANT} at {there['E2A_API_URL']}")
    signatures = [got.headers["x-e2a-signature"] for got in receiver.requests]
    events = [
        construct_event(got.body, said, SIGNED_WITH)
        for got, said in zip(receiver.requests, signatures, strict=True)
    ]
    assert {event.data["subject"] for event in events} == {"once"}
    assert len({got.headers["webhook-id"] for got in receiver.requests}) == 1
    [stored] = await home.local.core.db.read(sql("SELECT id FROM events WHERE type = 'email.received'"))
    assert {json.loads(got.body)["id"] for got in receiver.requests} == {stored["id"]}


@pytest.mark.parametrize("where", ["there", "home"])
async def test_a_secret_that_is_made_is_told_and_the_own_home_needs_no_key(
    home: Home, there: dict[str, str], receiver: Receiver, where: str
) -> None:
    async with listener(there if where == "there" else own(home), "--forward", receiver.url()) as running:
        await until(lambda: running.is_connected)
        await home.deliver(subject="signed")
        [got] = await until(lambda: receiver.requests)
        [line] = [line for line in running.errors if "signing with" in line]
        event = construct_event(got.body, got.headers["x-e2a-signature"], line.split()[-1])
        assert event.data["subject"] == "signed"
        await until(lambda: acknowledged(home))
        running.process.send_signal(signal.SIGINT)
        assert await running.status() == 130


async def test_a_killed_listener_loses_nothing(home: Home, there: dict[str, str], receiver: Receiver) -> None:
    receiver.then([200, HANG])
    options = ("--forward", receiver.url(), "--secret", SIGNED_WITH)
    async with listener(there, *options) as running:
        await until(lambda: running.is_connected)
        for subject in ("first", "second", "third"):
            await home.deliver(subject=subject)
        await until(lambda: len(receiver.requests) == 2)
        running.process.kill()
    async with listener(there, *options):
        await until(lambda: subjects(receiver)[-1] == "third")
    assert subjects(receiver) in (
        ["first", "second", "second", "third"],
        ["first", "second", "first", "second", "third"],
    )


@pytest.mark.apart
async def test_ten_kills_lose_nothing(home: Home, there: dict[str, str], receiver: Receiver) -> None:
    """A program that fails, drops and hangs by turns, and a listener that is killed at random moments."""
    chance = random.Random(7)
    receiver.then(chance.choice([200, 200, 500, DROP, HANG]) for _ in range(40))
    expected = {f"number {number}" for number in range(30)}
    dead = Path(there["E2A_HOME"]) / "dead-letters.jsonl"
    for number, subject in enumerate(sorted(expected)):
        await home.deliver(subject=subject)
        if number % 3 == 0:
            async with listener(there, "--forward", receiver.url()) as running:
                before = len(receiver.requests)
                await until(lambda before=before: len(receiver.requests) > before)  # type: ignore[misc]
                await asyncio.sleep(chance.random() / 10)
                running.process.kill()
    receiver.script.clear()
    async with listener(there, "--forward", receiver.url()):
        await until(lambda: expected <= set(subjects(receiver)))
    assert not dead.exists()


async def test_the_own_homes_listener_gives_way_to_another(home: Home, there: dict[str, str]) -> None:
    async with listener(own(home), agent=None) as first:
        await until(lambda: first.is_connected)
        await home.deliver(subject="at home")
        await until(lambda: first.out)
        async with listener(there) as second:
            assert await first.status() == 5
            assert first.says("another listener")
            await until(lambda: second.is_connected)


async def test_a_newer_listener_ends_it(home: Home, there: dict[str, str]) -> None:
    async with listener(there) as running:
        await until(lambda: running.is_connected)
        where = f"{there['E2A_API_URL'].replace('http', 'ws', 1)}/v1/agents/{ASSISTANT}/ws"
        headers = {"Authorization": f"Bearer {home.agent_key}"}
        async with websockets.connect(where, additional_headers=headers, proxy=None):
            assert await running.status() == 5
        assert running.says("another listener")


@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize(
    ("case", "status"), [("unknown key", 4), ("key of a sibling", 4), ("unknown inbox", 5), ("stranger's", 5)]
)
async def test_a_refusal_ends_it_with_its_status(
    home: Home, there: dict[str, str], receiver: Receiver, case: str, status: int, answers: bool
) -> None:
    key, inbox = home.account_key, ASSISTANT
    owner = await home.local.session(home.account_key)
    match case:
        case "unknown key":
            key = "e2a_agt_" + "0" * 64
        case "key of a sibling":
            sibling = await owner.agents.create(CreateAgentRequest(email=f"sibling@{SHARED}"))
            made = await owner.api_keys.create(CreateAPIKeyRequest(scope="agent", agent_email=sibling.email))
            key = made.key
        case "unknown inbox":
            inbox = f"nobody@{SHARED}"
        case _:
            key = await stranger(home, f"theirs@{SHARED}")
    options = ("--forward", receiver.url("/v1/responses")) if answers else ()
    async with listener({**there, "E2A_API_KEY": key}, *options, agent=inbox) as running:
        assert await running.status() == status
        assert running.errors
    assert receiver.requests == []


async def test_a_key_that_is_revoked_ends_it(home: Home, there: dict[str, str]) -> None:
    owner = await home.local.session(home.account_key)
    made = await owner.api_keys.create(CreateAPIKeyRequest(scope="agent", agent_email=ASSISTANT))
    async with listener({**there, "E2A_API_KEY": made.key}) as running:
        await until(lambda: running.is_connected)
        await owner.api_keys.delete(made.id)
        assert await running.status() == 4


Step = int | tuple[int, str] | Literal["tell"]


@asynccontextmanager
async def deployment(*steps: Step) -> AsyncIterator[tuple[str, list[str]]]:
    """A deployment that goes through the steps, and tells an event to the connection after them.

    A step is a status to refuse a handshake with, a close code with its reason, or `tell` for a connection that
    ends once its event is acknowledged. The real one does nothing of this when it is asked to. Yields its URL and the
    frames that it got.
    """
    left, got = list(steps), list[str]()

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        if left and isinstance(left[0], int):
            return connection.respond(HTTPStatus(left.pop(0)), "{}")  # type: ignore[arg-type]
        return None

    async def tell(connection: ServerConnection) -> None:
        step = left.pop(0) if left else None
        if isinstance(step, tuple):
            await connection.close(*step)
            return
        for frame in ("no envelope", "[]", '{"type": "later"}', b"\xff", json.dumps(envelope())):
            await connection.send(frame)
        async for frame in connection:
            got.append(str(frame))
            if step == "tell":
                return

    async with serve(tell, "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", got


def envelope() -> dict[str, object]:
    data = {"message_id": "msg_1", "subject": "\ud83d", "header_from": "a@example.org"}
    return {"type": "email.received", "id": "evt_1", "schema_version": "1", "created_at": "now", "data": data}


@pytest.mark.parametrize(
    "refusal",
    [429, 408, 500, 503, (1001, "shutting_down"), (1000, ""), (1011, ""), (1013, "store_unavailable")],
)
async def test_what_may_pass_is_waited_for(tmp_path: Path, refusal: Step) -> None:
    async with deployment(refusal) as (url, _), listener(at(url, "e2a_agt_1", tmp_path)) as running:
        [line] = await until(lambda: running.out)
        assert "a@example.org" in line
        assert running.says("connecting again")


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        *((401, 4), (403, 4), (404, 5), (400, 5), (410, 5), (426, 5)),
        *(((4000, "replaced"), 5), ((1008, "unauthorized"), 4), ((1008, "not_found"), 5), ((4321, ""), 5)),
    ],
)
async def test_what_will_not_pass_ends_it(tmp_path: Path, refusal: Step, status: int) -> None:
    async with deployment(refusal) as (url, _), listener(at(url, "e2a_agt_1", tmp_path)) as running:
        assert await running.status() == status
        assert running.out == []
        wrong_key = refusal == 401 or refusal == (1008, "unauthorized")
        assert bool(running.says("set E2A_API_KEY")) == wrong_key


async def test_what_is_no_deployment_yet_is_waited_for(tmp_path: Path, receiver: Receiver) -> None:
    async with listener(at(receiver.url(""), "e2a_agt_1", tmp_path)) as running:
        await until(lambda: running.says("connecting again"))
        running.process.send_signal(signal.SIGINT)
        assert await running.status() == 130


async def test_what_comes_again_is_posted_once_and_acknowledged_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with deployment("tell") as (url, got):
        options = ("--forward", receiver.url())
        async with listener(at(url, "e2a_agt_1", tmp_path), *options) as running:
            await until(lambda: running.says("connecting again"))
            await until(lambda: len(got) == 2)
    assert [json.loads(frame) for frame in got] == [{"type": "ack", "id": "evt_1"}] * 2
    assert len(receiver.requests) == 1


def event() -> Event:
    found = Event.read(json.dumps(envelope()))
    assert found is not None
    return found


async def test_what_is_not_taken_in_the_last_attempt_is_kept(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 503
    dead = tmp_path / "new" / "dead.jsonl"
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        forwarder = Forwarder(http, receiver.url(), SIGNED_WITH, clock=SystemClock())
        delivery = Delivery(forwarder.attempt, dead, waits=[0, 0])
        assert not await delivery.deliver(event())
        assert not await delivery.deliver(event())
    assert len(receiver.requests) == 6
    assert [json.loads(line) for line in dead.read_text().splitlines()] == [envelope()] * 2
    assert (stat.S_IMODE(dead.stat().st_mode), stat.S_IMODE(dead.parent.stat().st_mode)) == (0o600, 0o700)


async def test_an_answer_is_not_unpacked(receiver: Receiver) -> None:
    """A thousand octets could be a gigabyte."""
    bomb = gzip.compress(gzip.compress(bytes(50 << 20)))
    receiver.answer = lambda _: bomb
    receiver.extra = {"content-encoding": "gzip, gzip"}
    tracemalloc.start()
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
            read = await posted(http, receiver.url(), b"{}", {}, seconds=20, read_octets=1 << 20)
            await Forwarder(http, receiver.url(), SIGNED_WITH, clock=SystemClock()).attempt(event())
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == bomb
    assert most < 8 << 20
    assert [got.headers["accept-encoding"] for got in receiver.requests] == ["identity"] * 2


async def test_what_can_be_kept_nowhere_ends_it_unacknowledged(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 302
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        forwarder = Forwarder(http, receiver.url(), SIGNED_WITH, clock=SystemClock())
        with pytest.raises(Ended) as ended:
            await Delivery(forwarder.attempt, tmp_path, waits=[]).deliver(event())
    assert ended.value.status == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--secret", "s"], "--forward"),
        (["--forward-token", "t"], "--forward"),
        (["--dead-letters", "f"], "--forward"),
        (["--any-sender"], "--forward-token"),
        (["--model", "small"], "--forward-token"),
        (["--forward", "http://127.0.0.1:1/v1/responses", "--secret", "s"], "--forward-token"),
        (["--any-sender", "--forward", "http://127.0.0.1:1/hook"], "--forward-token"),
        (["--forward", "127.0.0.1:1"], "http"),
        (["--forward", "ftp://127.0.0.1"], "http"),
        (["--url", "http://127.0.0.1:99999"], "http"),
        (["--url", "http://"], "http"),
        (["--agent", ""], "--agent"),
        (["--agent", "nobody"], "--agent"),
    ],
)
async def test_wrong_usage_is_told(tmp_path: Path, arguments: list[str], said: str) -> None:
    async with listener(at("http://127.0.0.1:1", "e2a_agt_1", tmp_path), *arguments) as running:
        assert await running.status() == 2
        assert running.says(said)


async def test_another_deployment_needs_a_key(home: Home) -> None:
    async with listener(own(home), "--url", "http://127.0.0.1:1") as running:
        assert await running.status() == 2
        assert running.says("E2A_API_KEY")


def subjects(receiver: Receiver) -> list[str]:
    return [json.loads(got.body)["data"]["subject"] for got in receiver.requests] or [""]
