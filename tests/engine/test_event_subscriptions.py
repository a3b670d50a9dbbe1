"""Events at the callback of an MCP client: verified first, signed, in order, resumed, and ended in time."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from e2a_core.clock import from_micros
from e2a_core.contract.engine import Session
from e2a_core.contract.event_subscriptions import SubscriptionGrant, SubscriptionRequest
from e2a_core.contract.sending import SendEmailRequest, SendOptions
from e2a_core.errors import CallbackFailed, E2AError, Forbidden, InvalidRequest, LimitExceeded
from e2a_core.local.event_subscriptions import MAX_OF_DEPLOYMENT, MAX_OF_PRINCIPAL
from e2a_core.store.statement import sql
from e2a_core.subscriptions.signed import MAX_BODY_OCTETS
from tests.support.dns import DnsServer
from tests.support.home import ASSISTANT, Home, stranger
from tests.support.receiver import DROP, HANG, Received, Receiver, receiving
from tests.support.waiting import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.local_only("what a deployment sends by itself"),
]


def secret_of(octet: bytes, octets: int = 32) -> str:
    return "whsec_" + base64.b64encode(octet * octets).decode()


SECRET, OTHER = secret_of(b"k"), secret_of(b"z")


def echo(received: Received) -> bytes:
    """As a client does that wants to be called."""
    return json.dumps({"challenge": json.loads(received.body).get("challenge")}).encode()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        opened.answer = echo
        yield opened


@pytest.fixture
async def agent(home: Home) -> Session:
    return await home.local.session(home.agent_key)


def events(receiver: Receiver, path: str = "/hook") -> list[dict[str, Any]]:
    return [body for item in receiver.on(path) if "type" not in (body := json.loads(item.body))]


def controls(receiver: Receiver, type: str) -> list[Received]:
    return [item for item in receiver.requests if json.loads(item.body).get("type") == type]


def asked(receiver: Receiver, **changes: Any) -> SubscriptionRequest:
    return SubscriptionRequest(
        **{"name": "email.received", "url": receiver.url(), "secret": SECRET, **changes}
    )


async def rows(home: Home) -> list[dict[str, Any]]:
    found = await home.local.core.db.read(sql("SELECT * FROM event_subscriptions ORDER BY id"))
    return [dict(row) for row in found]


async def state(home: Home, **wanted: Any) -> bool:
    [row] = await rows(home)
    return all(row[name] == value for name, value in wanted.items())


async def test_a_callback_is_verified_once_and_then_told(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    grant = await agent.event_subscriptions.subscribe(asked(receiver))
    [challenge] = receiver.requests
    assert challenge.headers["webhook-id"].startswith("msg_verification_")
    assert challenge.headers["x-mcp-subscription-id"] == grant.id
    Webhook(SECRET).verify(challenge.body, challenge.headers)
    await home.deliver(subject="First")
    await home.deliver(subject="Second")
    await until(lambda: len(events(receiver)) == 2)
    first, second = events(receiver)
    assert [first["data"]["subject"], second["data"]["subject"]] == ["First", "Second"]
    assert (first["name"], first["data"]["agent_email"]) == ("email.received", ASSISTANT)
    assert len({grant.cursor, first["cursor"], second["cursor"]}) == 3
    for item, event in zip(receiver.requests[1:], (first, second), strict=True):
        Webhook(SECRET).verify(item.body, item.headers)
        assert item.headers["webhook-id"] == event["eventId"]
        assert item.headers["x-mcp-subscription-id"] == grant.id
        assert item.headers["content-type"] == "application/json"
        assert len(item.body) <= MAX_BODY_OCTETS
    again = await agent.event_subscriptions.subscribe(asked(receiver, name="email.sent"))
    assert again.id != grant.id
    assert len(controls(receiver, "verification")) == 1


async def test_the_key_is_the_caller_the_url_the_name_and_the_arguments(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    owner = await home.local.session(home.account_key)
    both = {"agent_email": ASSISTANT, "from": "alice@example.org"}
    turned = dict(reversed(both.items()))
    ids = [
        (await session.event_subscriptions.subscribe(asked(receiver, **changes))).id
        for session, changes in (
            (agent, {"arguments": both}),
            (agent, {"arguments": turned}),
            (owner, {"arguments": both}),
            (agent, {"arguments": both, "name": "email.sent"}),
            (agent, {"arguments": both, "url": receiver.url("/other")}),
            (agent, {"arguments": None}),
            (agent, {"arguments": {}}),
        )
    ]
    assert ids[0] == ids[1]
    assert ids[5] == ids[6]
    assert len(set(ids)) == 5
    assert all(id.startswith("sub_") for id in ids)
    assert len(await rows(home)) == 5


async def test_filters_hold_before_anything_is_sent(home: Home, agent: Session, receiver: Receiver) -> None:
    await agent.event_subscriptions.subscribe(asked(receiver, arguments={"subject_contains": "invoice"}))
    await home.deliver(subject="Lunch")
    await home.deliver(subject="Your INVOICE")
    await until(lambda: events(receiver))
    assert [event["data"]["subject"] for event in events(receiver)] == ["Your INVOICE"]


SECRETS = {
    "none": "",
    "no prefix": base64.b64encode(b"k" * 32).decode(),
    "23 octets": secret_of(b"k", 23),
    "65 octets": secret_of(b"k", 65),
    "not base64": "whsec_" + "!" * 44,
    "a space": secret_of(b"k") + " ",
    "no padding": secret_of(b"k").rstrip("="),
    "another prefix": "WHSEC_" + base64.b64encode(b"k" * 32).decode(),
    "url-safe": "whsec_" + base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    "not ASCII": "whsec_" + "é" * 44,
}


@pytest.mark.parametrize("kind", SECRETS)
async def test_a_wrong_secret_changes_nothing(
    home: Home, agent: Session, receiver: Receiver, kind: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await agent.event_subscriptions.subscribe(asked(receiver, secret=SECRETS[kind]))
    assert raised.value.fields[0][0] == "delivery.secret"
    assert not receiver.requests
    assert not await rows(home)


@pytest.mark.parametrize("octets", [24, 64])
async def test_the_shortest_and_the_longest_secret(
    home: Home, agent: Session, receiver: Receiver, octets: int
) -> None:
    await agent.event_subscriptions.subscribe(asked(receiver, secret=secret_of(b"k", octets)))


URLS = [
    "http://example.org/hook",
    "https://user:password@example.org/hook",
    "https://10.0.0.1/hook",
    "https://2130706433/hook",
    "https://localhost./hook",
    "https://example.org/hook#part",
    "https://example.org:0/hook",
    "https:///hook",
    "ftp://example.org/hook",
    "example.org/hook",
    "",
    "https://example.org/a b",
    "https://example.org/\0",
    "https://example.org/" + "a" * 2048,
]


@pytest.mark.parametrize("url", URLS)
async def test_a_url_that_may_never_be_called_names_its_member(
    home: Home, agent: Session, receiver: Receiver, url: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await agent.event_subscriptions.subscribe(asked(receiver, url=url))
    assert raised.value.fields[0][0] == "delivery.url"
    assert not await rows(home)


def says(body: bytes) -> Callable[[Receiver], None]:
    def script(receiver: Receiver) -> None:
        receiver.answer = lambda _: body

    return script


def status(code: int, **fields: str) -> Callable[[Receiver], None]:
    def script(receiver: Receiver) -> None:
        receiver.status, receiver.extra = code, fields

    return script


CALLBACKS: dict[str, tuple[Callable[[Receiver], None], str]] = {
    "another nonce": (says(b'{"challenge":"nope"}'), "challenge_failed"),
    "no nonce": (says(b"{}"), "challenge_failed"),
    "a number": (says(b'{"challenge":1}'), "challenge_failed"),
    "a list": (says(b"[]"), "challenge_failed"),
    "not JSON": (says(b"ok"), "challenge_failed"),
    "nothing": (says(b""), "challenge_failed"),
    "not ASCII": (says('{"challenge":"é"}'.encode()), "challenge_failed"),
    "half a surrogate": (says(b'{"challenge":"\\ud800"}'), "challenge_failed"),
    "deep": (says(b"[" * 60_000), "challenge_failed"),
    "ten megabytes": (says(b'{"challenge":"' + b"a" * 10_000_000), "challenge_failed"),
    "a redirect": (status(302, location="/elsewhere"), "challenge_failed"),
    "a permanent redirect": (status(308, location="http://127.0.0.1:1/"), "challenge_failed"),
    "refuses": (status(403), "http_4xx"),
    "gone": (status(410), "http_4xx"),
    "fails": (status(500), "http_5xx"),
    "is busy": (status(503), "http_5xx"),
    "drops": (status(DROP), "connection_refused"),
}


@pytest.mark.parametrize("kind", CALLBACKS)
async def test_a_callback_that_does_not_agree_is_refused_with_its_reason(
    home: Home, agent: Session, receiver: Receiver, kind: str
) -> None:
    script, reason = CALLBACKS[kind]
    script(receiver)
    with pytest.raises(CallbackFailed) as raised:
        await agent.event_subscriptions.subscribe(asked(receiver))
    assert raised.value.reason == reason
    assert "nope" not in str(raised.value.message)
    assert not await rows(home)
    await home.deliver()
    assert len(receiver.requests) == 1


async def test_a_callback_that_hangs_is_refused_after_ten_seconds(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    receiver.status = HANG
    with pytest.raises(CallbackFailed) as raised:
        await agent.event_subscriptions.subscribe(asked(receiver))
    assert raised.value.reason == "timeout"
    assert not await rows(home)


UNREACHABLE = {
    "a private address": {"A": ["10.1.2.3"]},
    "one of two is private": {"A": ["93.184.216.34", "192.168.1.1"]},
    "link-local": {"A": ["169.254.169.254"]},
    "NAT64 of a private one": {"AAAA": ["64:ff9b::a00:1"]},
    "no address": {"TXT": ["nothing"]},
}


@pytest.mark.parametrize("kind", UNREACHABLE)
async def test_a_host_whose_address_is_not_public_is_refused(
    home: Home, agent: Session, receiver: Receiver, kind: str, dns: DnsServer
) -> None:
    host = f"{kind.replace(' ', '-').lower()}.inside.example.com"
    dns.zones = {**dns.zones, host: UNREACHABLE[kind]}
    with pytest.raises(CallbackFailed) as raised:
        await agent.event_subscriptions.subscribe(asked(receiver, url=f"https://{host}/hook"))
    assert raised.value.reason == "connection_refused"
    assert not await rows(home)


async def test_nobody_subscribes_to_the_inbox_of_another(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    foreign = await home.local.session(await stranger(home, "other@agents.example"))
    for session, email in ((agent, "other@agents.example"), (foreign, ASSISTANT)):
        with pytest.raises(E2AError) as raised:
            await session.event_subscriptions.subscribe(asked(receiver, arguments={"agent_email": email}))
        assert raised.value.status in {403, 404}
    with pytest.raises(InvalidRequest):
        await foreign.event_subscriptions.subscribe(asked(receiver))
    assert not receiver.requests


async def test_callers_do_not_share_subscriptions(home: Home, agent: Session, receiver: Receiver) -> None:
    owner = await home.local.session(home.account_key)
    arguments = {"agent_email": ASSISTANT}
    await agent.event_subscriptions.subscribe(asked(receiver, arguments=arguments))
    gone = await owner.event_subscriptions.unsubscribe("email.received", arguments, receiver.url())
    assert not gone
    await owner.event_subscriptions.subscribe(asked(receiver, arguments=arguments))
    assert len(controls(receiver, "verification")) == 2


async def test_time_to_live_is_clamped_and_never_refused(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    async def granted(ttl: timedelta | None) -> timedelta:
        now = home.clock.now()
        grant = await agent.event_subscriptions.subscribe(asked(receiver, ttl=ttl))
        return grant.refresh_before - now

    for asked_for, got in (
        (None, timedelta(hours=24)),
        (timedelta(0), timedelta(minutes=5)),
        (timedelta(hours=1), timedelta(hours=1)),
        (timedelta(days=30), timedelta(days=7)),
    ):
        assert abs(await granted(asked_for) - got) < timedelta(seconds=20)


async def test_what_is_not_refreshed_ends_and_begins_again_at_the_cursor(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    grant = await agent.event_subscriptions.subscribe(asked(receiver, ttl=timedelta(minutes=5)))
    await home.deliver(subject="First")
    await until(lambda: events(receiver))
    await home.advance(minutes=6)
    await home.deliver(subject="Missed")
    await home.deliver(subject="Missed too")
    again = await agent.event_subscriptions.subscribe(
        asked(receiver, cursor=events(receiver)[-1]["cursor"], ttl=timedelta(minutes=5))
    )
    assert (again.id, again.truncated) == (grant.id, False)
    assert len(controls(receiver, "verification")) == 2
    await until(lambda: len(events(receiver)) == 3)
    assert [item["data"]["subject"] for item in events(receiver)] == ["First", "Missed", "Missed too"]


async def test_a_refresh_with_another_secret_signs_with_both_for_a_day(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    week = timedelta(days=7)
    await agent.event_subscriptions.subscribe(asked(receiver, ttl=week))
    await agent.event_subscriptions.subscribe(asked(receiver, ttl=week, secret=OTHER))
    await home.deliver()
    await until(lambda: events(receiver))
    both = receiver.requests[-1]
    assert len(both.headers["webhook-signature"].split()) == 2
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(both.body, both.headers)
    assert len(controls(receiver, "verification")) == 1
    [row] = await rows(home)
    assert SECRET not in str(row)
    assert OTHER not in str(row)
    await home.advance(hours=25)
    await home.deliver()
    await until(lambda: len(events(receiver)) == 2)
    assert len(receiver.requests[-1].headers["webhook-signature"].split()) == 1


async def test_failures_come_again_and_then_wait_for_a_refresh(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    week = timedelta(days=7)
    grant = await agent.event_subscriptions.subscribe(asked(receiver, ttl=week))
    receiver.status = 500
    await home.deliver(subject="First")
    await home.deliver(subject="Second")
    for attempt, seconds in enumerate((31, 121, 601), start=1):
        await until(lambda attempt=attempt: state(home, attempts=attempt))  # type: ignore[misc]
        await home.advance(seconds=seconds)
    await until(lambda: state(home, attempts=4, active=0))
    sent = [item for item in receiver.requests if "type" not in json.loads(item.body)]
    assert len(sent) == 4
    assert len({item.body for item in sent}) == 1
    assert len({item.headers["webhook-id"] for item in sent}) == 1
    assert len({item.headers["webhook-timestamp"] for item in sent}) > 1
    await home.deliver(subject="Third")
    await home.advance(hours=1)
    receiver.status = 200
    resumed = await agent.event_subscriptions.subscribe(asked(receiver, ttl=week, cursor=None))
    assert (resumed.id, resumed.cursor, resumed.truncated) == (grant.id, grant.cursor, False)
    assert (resumed.status.active, resumed.status.last_error) == (True, "http_5xx")
    assert resumed.status.failed_since is not None
    await until(lambda: state(home, attempts=0, last_error=None))
    await until(lambda: len(events(receiver)) == 4 + 3)
    assert [item["data"]["subject"] for item in events(receiver)[4:]] == ["First", "Second", "Third"]
    later = await agent.event_subscriptions.subscribe(asked(receiver, ttl=week))
    assert (later.status.last_error, later.status.failed_since) == (None, None)
    # The hourly sweep may have moved it on; it is not before the last event, which does not come again.
    again = await agent.event_subscriptions.subscribe(asked(receiver, ttl=week, cursor=later.cursor))
    assert (again.id, again.truncated) == (grant.id, False)
    assert len(events(receiver)) == 4 + 3


@pytest.mark.parametrize(
    ("code", "wish", "wait"), [(429, "3000", 3000), (503, "9999999", 3600), (429, "1", 30), (500, "3000", 30)]
)
async def test_a_callback_that_asks_for_time_is_left_alone_so_long(
    home: Home, agent: Session, receiver: Receiver, code: int, wish: str, wait: int
) -> None:
    await agent.event_subscriptions.subscribe(asked(receiver))
    receiver.status, receiver.extra["retry-after"] = code, wish
    before = home.clock.now()
    await home.deliver()
    await until(lambda: state(home, attempts=1))
    [row] = await rows(home)
    assert 0 <= (from_micros(row["due_at"]) - before).total_seconds() - wait < 15


@pytest.mark.parametrize("code", [410, 413])
async def test_an_event_that_is_not_wanted_is_not_sent_again(
    home: Home, agent: Session, receiver: Receiver, code: int
) -> None:
    await agent.event_subscriptions.subscribe(asked(receiver))
    receiver.then([code])
    await home.deliver(subject="First")
    await home.deliver(subject="Second")
    await until(lambda: len(events(receiver)) == 2)
    await home.advance(minutes=20)
    await home.deliver(subject="Third")
    await until(lambda: len(events(receiver)) == 3)
    assert [item["data"]["subject"] for item in events(receiver)] == ["First", "Second", "Third"]
    await until(lambda: state(home, active=1, gone=0))


async def test_five_events_in_a_row_that_are_gone_suspend(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    await agent.event_subscriptions.subscribe(asked(receiver))
    receiver.status = 410
    for _ in range(5):
        await home.deliver()
    await until(lambda: state(home, active=0, gone=5))
    await home.deliver(subject="Sixth")
    receiver.status = 200
    await agent.event_subscriptions.subscribe(asked(receiver))
    await until(lambda: len(events(receiver)) == 6)
    assert events(receiver)[-1]["data"]["subject"] == "Sixth"


async def test_nothing_arrives_after_the_end(home: Home, agent: Session, receiver: Receiver) -> None:
    await agent.event_subscriptions.subscribe(asked(receiver))
    async with receiving() as other:
        other.answer = echo
        await agent.event_subscriptions.subscribe(asked(other))
        assert await agent.event_subscriptions.unsubscribe("email.received", None, receiver.url())
        assert not await agent.event_subscriptions.unsubscribe("email.received", {}, receiver.url())
        await home.deliver()
        await until(lambda: events(other))
    assert not events(receiver)


async def test_a_revoked_key_ends_it_before_the_next_event(home: Home, receiver: Receiver) -> None:
    owner = await home.local.session(home.account_key)
    agent = await home.local.session(home.agent_key)
    for name, understands in (("/plain", False), ("/sep", True)):
        await agent.event_subscriptions.subscribe(
            asked(receiver, url=receiver.url(name), controls=understands)
        )
    await owner.api_keys.delete(agent.principal.credential_id)
    await home.deliver()
    await until(lambda: ended(home))
    assert not events(receiver, "/plain")
    assert not events(receiver, "/sep")
    [told] = controls(receiver, "terminated")
    assert told.path == "/sep"
    assert told.headers["webhook-id"].startswith("msg_terminated_")
    Webhook(SECRET).verify(told.body, told.headers)
    assert json.loads(told.body)["error"]["message"] == "Forbidden"


async def test_a_deleted_inbox_ends_it(home: Home, agent: Session, receiver: Receiver) -> None:
    owner = await home.local.session(home.account_key)
    await agent.event_subscriptions.subscribe(asked(receiver))
    receiver.status = 500
    await home.deliver()
    await until(lambda: state(home, attempts=1))
    await owner.agents.delete(ASSISTANT)
    receiver.status = 200
    await home.advance(seconds=31)
    await until(lambda: ended(home))
    assert len(events(receiver)) == 1


async def ended(home: Home) -> bool:
    return not await rows(home)


async def test_the_hourly_sweep_ends_and_moves(home: Home, agent: Session, receiver: Receiver) -> None:
    await agent.event_subscriptions.subscribe(asked(receiver, ttl=timedelta(days=7)))
    await agent.event_subscriptions.subscribe(asked(receiver, name="email.sent"))
    [before, _] = await rows(home)
    await home.advance(hours=30)
    await until(lambda: count(home, 1))

    async def moved() -> bool:
        [row] = await rows(home)
        return bool(row["reached_at"] > before["reached_at"])

    await until(moved)


async def count(home: Home, wanted: int) -> bool:
    return len(await rows(home)) == wanted


async def test_a_cursor_beyond_retention_is_told_as_truncated(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    grant = await agent.event_subscriptions.subscribe(asked(receiver))
    await agent.event_subscriptions.unsubscribe("email.received", None, receiver.url())
    await home.advance(days=31)
    again = await agent.event_subscriptions.subscribe(asked(receiver, cursor=grant.cursor))
    assert again.truncated
    aged = await agent.event_subscriptions.subscribe(
        asked(receiver, url=receiver.url("/aged"), cursor=again.cursor, max_age=timedelta(minutes=1))
    )
    assert aged.truncated


@pytest.mark.parametrize("understands", [True, False])
async def test_a_gap_is_told_to_who_understands_it(
    home: Home, agent: Session, receiver: Receiver, *, understands: bool
) -> None:
    request = asked(receiver, controls=understands, ttl=timedelta(days=7))
    await agent.event_subscriptions.subscribe(request)
    receiver.status = 500
    await home.deliver(subject="Lost")
    for attempt, seconds in enumerate((31, 121, 601), start=1):
        await until(lambda attempt=attempt: state(home, attempts=attempt))  # type: ignore[misc]
        await home.advance(seconds=seconds)
    await until(lambda: state(home, active=0))
    for _ in range(6):
        await home.advance(days=6)
        await home.local.core.db.write(
            [sql("UPDATE event_subscriptions SET expires_at = expires_at + :more", more=6 * 86_400 * 10**6)]
        )
    await home.local.core.db.write([sql("DELETE FROM events")])
    receiver.status = 200
    receiver.requests.clear()
    resumed = await agent.event_subscriptions.subscribe(request)
    assert resumed.truncated
    await home.deliver(subject="Kept")
    await until(lambda: events(receiver))
    assert [item["data"]["subject"] for item in events(receiver)] == ["Kept"]
    gaps = controls(receiver, "gap")
    assert len(gaps) == int(understands)
    for gap in gaps:
        assert gap.headers["webhook-id"].startswith("msg_gap_")
        sent = datetime.fromtimestamp(int(gap.headers["webhook-timestamp"]), UTC)
        signed = Webhook(SECRET).sign(gap.headers["webhook-id"], sent, gap.body.decode())
        assert gap.headers["webhook-signature"] == signed
        assert json.loads(gap.body)["cursor"] != resumed.cursor


async def test_a_caller_has_fifty_subscriptions_and_a_deployment_five_hundred(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    grants: list[SubscriptionGrant] = []
    for number in range(MAX_OF_PRINCIPAL):
        arguments = {"subject_contains": str(number)}
        grants.append(await agent.event_subscriptions.subscribe(asked(receiver, arguments=arguments)))
    with pytest.raises(LimitExceeded) as raised:
        await agent.event_subscriptions.subscribe(asked(receiver, url=receiver.url("/more")))
    assert (raised.value.details or {})["limit"] == MAX_OF_PRINCIPAL
    assert len(receiver.requests) == 1
    await agent.event_subscriptions.subscribe(asked(receiver, arguments={"subject_contains": "0"}))
    others = MAX_OF_DEPLOYMENT - MAX_OF_PRINCIPAL
    columns = [name for name in (await rows(home))[0] if name not in {"id", "principal"}]
    copied = ", ".join(columns)
    await home.local.core.db.write(
        [
            sql(
                f"INSERT INTO event_subscriptions (id, principal, {copied})"
                f" SELECT :id, :principal, {copied} FROM event_subscriptions WHERE id = :one",
                id=f"sub_{number}",
                principal=f"{number}",
                one=grants[0].id,
            )
            for number in range(others)
        ]
    )
    owner = await home.local.session(home.account_key)
    with pytest.raises(LimitExceeded) as raised:
        await owner.event_subscriptions.subscribe(asked(receiver, arguments={"agent_email": ASSISTANT}))
    assert (raised.value.details or {})["limit"] == MAX_OF_DEPLOYMENT


async def test_the_limit_holds_for_those_who_come_at_once(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    await agent.event_subscriptions.subscribe(asked(receiver))
    tries = (
        agent.event_subscriptions.subscribe(asked(receiver, arguments={"subject_contains": str(number)}))
        for number in range(MAX_OF_PRINCIPAL + 9)
    )
    found = await asyncio.gather(*tries, return_exceptions=True)
    refused = [item for item in found if isinstance(item, BaseException)]
    assert len(refused) == 10
    assert {type(item) for item in refused} == {LimitExceeded}
    assert len(await rows(home)) == MAX_OF_PRINCIPAL


async def test_requests_for_one_subscription_at_once_make_one(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    tries = (agent.event_subscriptions.subscribe(asked(receiver)) for _ in range(8))
    grants = await asyncio.gather(*tries)
    assert len({grant.id for grant in grants}) == 1
    assert len(await rows(home)) == 1


async def test_what_an_agent_sends_itself_comes_back_only_when_asked(home: Home, receiver: Receiver) -> None:
    owner = await home.local.session(home.account_key)
    for path, arguments in (("/plain", {}), ("/own", {"from": ASSISTANT})):
        await owner.event_subscriptions.subscribe(
            asked(receiver, url=receiver.url(path), arguments={"agent_email": ASSISTANT, **arguments})
        )
    await owner.messages.send(
        ASSISTANT, SendEmailRequest(to=[ASSISTANT], subject="Note", text="To myself"), SendOptions()
    )
    await until(lambda: events(receiver, "/own"))
    await home.deliver(subject="Other")
    await until(lambda: events(receiver, "/plain"))
    assert [item["data"]["subject"] for item in events(receiver, "/plain")] == ["Other"]


async def test_forbidden_is_an_agent_that_names_another(
    home: Home, agent: Session, receiver: Receiver
) -> None:
    with pytest.raises(Forbidden):
        await agent.event_subscriptions.subscribe(
            asked(receiver, arguments={"agent_email": "x@agents.example"})
        )


async def test_an_address_is_checked_again_for_each_delivery(
    home: Home, agent: Session, receiver: Receiver, dns: DnsServer
) -> None:
    """The host had a public address when it was verified, and has a private one now."""
    await agent.event_subscriptions.subscribe(asked(receiver))
    dns.zones = {**dns.zones, "rebound.inside.example.com": {"A": ["10.0.0.1"]}}
    await home.local.core.db.write(
        [sql("UPDATE event_subscriptions SET url = 'https://rebound.inside.example.com/'")]
    )
    await home.deliver()
    await until(lambda: state(home, attempts=1, last_error="connection_refused"))
    assert not events(receiver)
