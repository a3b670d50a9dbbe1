"""`kill -9` at random moments: what was acknowledged is there once, what was submitted is not submitted again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from e2a_core.contract.api_keys import CreateAPIKeyRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.contract.sending import SendEmailRequest, SendOptions
from tests.processes.serving import (
    ASSISTANT,
    Correspondent,
    Server,
    beside,
    environment,
    open_relay,
    rows,
)
from tests.support.dns import DnsServer
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.apart, pytest.mark.timeout(600)]

ROUNDS = 25
LANES = 4
AHEAD = 12
"""Messages accepted and not yet submitted: more than the relay is offered at once, so a kill finds some under way."""


class Supervisor:
    """Keeps one server of the home running, and kills it when told to."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self._server: Server | None = None
        self.smtp: tuple[str, int] | None = None
        self.http: str | None = None

    async def start(self) -> None:
        self._server = Server(self._environ)
        self.smtp = await self._server.smtp()
        self.http = (await self._server.leading())["http"]

    async def kill(self) -> None:
        self.smtp = self.http = None
        if self._server is not None:
            await self._server.kill()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


@pytest.fixture
def chance() -> random.Random:
    """Its seed is printed when the test fails."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    return random.Random(seed)


@asynccontextmanager
async def supervised(environ: dict[str, str]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(environ)
    try:
        await supervisor.start()
        yield supervisor
    finally:
        supervisor.close()


async def test_acknowledged_mail_is_stored_once(
    tmp_path: Path, dns: DnsServer, chance: random.Random
) -> None:
    home = tmp_path / "home"
    async with supervised(environment(home, dns)) as supervisor:
        sender = Correspondent(lambda: supervisor.smtp)
        async with asyncio.TaskGroup() as lanes:
            for lane in range(LANES):
                lanes.create_task(sender.keep_sending(lane))
            for _ in range(ROUNDS):
                await sender.until_acknowledged(chance.randrange(6))
                await asyncio.sleep(chance.uniform(0, 0.02))
                await supervisor.kill()
                await supervisor.start()
            sender.stop()
    stored = Counter(message_id for (message_id,) in rows(home, "SELECT email_message_id FROM messages"))
    assert stored == Counter(sender.acknowledged)
    assert max(stored.values()) == 1
    assert sender.repeated >= ROUNDS
    assert rows(home, "PRAGMA integrity_check") == [("ok",)]
    indexed = rows(home, "SELECT count(*) FROM message_search WHERE message_search MATCH 'number'")
    received = rows(home, "SELECT count(DISTINCT message_id) FROM events WHERE type = 'email.received'")
    assert indexed == received == [(len(stored),)]


async def test_mail_acknowledged_just_before_a_kill_is_there(tmp_path: Path, dns: DnsServer) -> None:
    home = tmp_path / "home"
    async with supervised(environment(home, dns)) as supervisor:
        sender = Correspondent(lambda: supervisor.smtp)
        for number in range(5):
            await sender.send(f"<{number}@example.org>")
            await supervisor.kill()
            found = rows(home, "SELECT email_message_id FROM messages")
            assert (f"<{number}@example.org>",) in found
            await supervisor.start()


async def test_mail_is_submitted_once_or_its_fate_is_unknown(
    tmp_path: Path, dns: DnsServer, chance: random.Random
) -> None:
    home = tmp_path / "home"
    async with open_relay(reply_seconds=0.004) as relay:
        environ = environment(home, dns, **relay.settings, send_rate_per_minute="10000")
        async with supervised(environ) as supervisor, beside(environ) as engine:
            accepted: dict[str, str] = {}
            session = await engine.home_session()
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(keep_sending(home, session, accepted))
                for _ in range(ROUNDS):
                    await relay.until_taken(chance.randrange(1, 6))
                    await asyncio.sleep(chance.uniform(0, 0.02))
                    await supervisor.kill()
                    await supervisor.start()
                sending.cancel()
            await until(lambda: not unsettled(home))
            taken = Counter(relay.taken)
    fates = {
        message_id: (status, outcome, subject)
        for message_id, status, outcome, subject in rows(
            home,
            "SELECT m.id, m.delivery_status, r.outcome, m.subject FROM messages m "
            "JOIN message_recipients r ON r.message_id = m.id WHERE m.direction = 'outbound'",
        )
    }
    assert fates.keys() == accepted.keys()
    assert Counter(fates[key][:2] for key in fates).keys() <= {("sent", "succeeded"), ("failed", "unknown")}
    for _, outcome, subject in fates.values():
        assert taken[subject] == 1 if outcome == "succeeded" else taken[subject] <= 1, (subject, outcome)
    ended = Counter(
        message_id
        for (message_id,) in rows(
            home, "SELECT message_id FROM events WHERE type IN ('email.sent', 'email.failed')"
        )
    )
    assert ended == Counter(accepted.keys())
    assert rows(home, "SELECT count(*) FROM jobs WHERE kind = 'submit'") == [(0,)]


async def keep_sending(home: Path, session: Session, accepted: dict[str, str]) -> None:
    """Has mail accepted, some of it ahead of what was submitted."""
    while True:
        subject = f"number {len(accepted)}"
        request = SendEmailRequest(to=["bob@example.org"], subject=subject, text="Hello.")
        result = await asyncio.shield(session.messages.send(ASSISTANT, request, SendOptions()))
        accepted[result.message_id] = subject
        await until(lambda: len(unsettled(home)) < AHEAD)


def unsettled(home: Path) -> list[tuple[object, ...]]:
    return rows(
        home,
        "SELECT id FROM messages WHERE direction = 'outbound' AND delivery_status IN ('accepted', 'sending')",
    )


async def test_a_draft_is_decided_once(tmp_path: Path, dns: DnsServer, chance: random.Random) -> None:
    home = tmp_path / "home"
    async with open_relay(reply_seconds=0.004) as relay:
        environ = environment(home, dns, **relay.settings, send_rate_per_minute="10000")
        async with supervised(environ) as supervisor, beside(environ) as engine:
            owner = await engine.home_session(scope="account")
            await owner.protection.put(ASSISTANT, HOLD_EVERYTHING)
            key = (await owner.api_keys.create(CreateAPIKeyRequest(name="reviewer"))).key
            reviewer = Reviewer(supervisor, key)
            drafts = await hold_many(await engine.home_session())
            async with asyncio.TaskGroup() as lanes:
                for lane in range(LANES):
                    lanes.create_task(reviewer.decide_all(drafts[lane::LANES]))
                for _ in range(ROUNDS):
                    await reviewer.until_decided(chance.randrange(1, 4))
                    await asyncio.sleep(chance.uniform(0, 0.02))
                    await supervisor.kill()
                    await supervisor.start()
            await until(lambda: not unsettled(home))
            taken = Counter(relay.taken)
    stored = {
        message_id: (status, deleted, outcome, subject)
        for message_id, status, deleted, outcome, subject in rows(
            home,
            "SELECT m.id, m.status, m.deleted_at IS NOT NULL, r.outcome, m.subject FROM messages m "
            "LEFT JOIN message_recipients r ON r.message_id = m.id",
        )
    }
    assert stored.keys() == reviewer.decided.keys() == set(drafts)
    for message_id, (status, deleted, outcome, subject) in stored.items():
        decision = reviewer.decided[message_id]
        assert status == ("sent" if decision == "approve" else "review_rejected"), (decision, status)
        assert bool(deleted) == (decision == "withdraw")
        most = 1 if decision == "approve" else 0
        unsure = outcome == "unknown"
        assert taken[subject] <= most if unsure else taken[subject] == most, (subject, decision, outcome)
    told = Counter(
        message_id
        for (message_id,) in rows(
            home,
            "SELECT message_id FROM events WHERE type IN ('email.review_approved', 'email.review_rejected')",
        )
    )
    assert told == Counter(drafts)


HOLD_EVERYTHING = ProtectionConfig.model_validate(
    {
        "inbound": {"gate": {}, "scan": {}},
        "outbound": {"gate": {"policy": "allowlist", "action": "review"}, "scan": {}},
        "holds": {},
    }
)
DECISIONS = ("approve", "reject", "withdraw")


async def hold_many(agent: Session) -> list[str]:
    """Has drafts held, more than are decided between the kills."""
    drafts = []
    for number in range(4 * ROUNDS):
        request = SendEmailRequest(to=["bob@example.org"], subject=f"draft {number}", text="Hello.")
        drafts.append((await agent.messages.send(ASSISTANT, request, SendOptions())).message_id)
    return drafts


class Reviewer:
    """Decides drafts over HTTP, and asks again until it knows that each is decided."""

    def __init__(self, supervisor: Supervisor, key: str) -> None:
        self._supervisor = supervisor
        self._headers = {"Authorization": f"Bearer {key}"}
        self.decided: dict[str, str] = {}

    async def decide_all(self, drafts: Sequence[str]) -> None:
        for number, message_id in enumerate(drafts):
            decision = DECISIONS[number % len(DECISIONS)]
            await until(partial(self._decided, message_id, decision))
            self.decided[message_id] = decision

    async def until_decided(self, more: int) -> None:
        target = len(self.decided) + more
        await until(lambda: len(self.decided) >= target)

    async def _decided(self, message_id: str, decision: str) -> bool:
        """Asks once. Returns True if the answer says that the draft is decided, now or before."""
        address = await until(lambda: self._supervisor.http)
        path = f"/v1/agents/{ASSISTANT}/messages/{message_id}"
        try:
            async with httpx.AsyncClient(base_url=address, headers=self._headers, timeout=30) as client:
                if decision == "withdraw":
                    answer = await client.delete(path)
                else:
                    answer = await client.post(f"{path}/{decision}", json={})
        except httpx.TransportError:
            return False
        assert answer.is_success or answer.json()["error"]["code"] == "message_not_pending", answer.text
        return True
