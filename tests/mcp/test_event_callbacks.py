"""MCP Events by webhook as clients ask for it: `events/subscribe` and `events/unsubscribe` on the wire.

The names in `sep-9999-...` are those of the checks in the scenarios `events-webhook` and `events-webhook-delivery` of
the conformance suite of the protocol, each beside what shows it here or in `tests/engine/test_event_subscriptions.py`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from e2a_core.subscriptions import limits
from tests.engine import test_event_subscriptions as engine
from tests.support.chatgpt import SECRET, ChatGpt
from tests.support.home import stranger
from tests.support.waiting import until

from .raw_events import EXTENSION, RawHttp, over_http
from .relay import Inbox, Relay

pytestmark = [pytest.mark.anyio, pytest.mark.local_only("the API of another deployment has no subscriptions")]

OTHER = "whsec_" + base64.b64encode(b"z" * 32).decode()
SEP: dict[str, Any] = {EXTENSION: {}}

CHECKS = {
    "sep-9999-subscribe-webhook-only": "test_chatgpt_is_verified_and_told",
    "sep-9999-subscribe-secret-required": "test_a_wrong_request_is_answered_by_the_documented_error",
    "sep-9999-subscribe-secret-format": "test_a_wrong_secret_changes_nothing",
    "sep-9999-subscribe-secret-rejected": "test_a_wrong_secret_changes_nothing",
    "sep-9999-subscribe-url-https-required": "test_a_url_that_may_never_be_called_names_its_member",
    "sep-9999-subscribe-url-non-https-rejected": "test_a_wrong_request_is_answered_by_the_documented_error",
    "sep-9999-subscribe-auth-required": "test_nobody_subscribes_without_a_credential",
    "sep-9999-subscribe-key-composition": "test_the_key_is_the_caller_the_url_the_name_and_the_arguments",
    "sep-9999-subscribe-key-immutable": "test_the_key_is_the_caller_the_url_the_name_and_the_arguments",
    "sep-9999-subscribe-idempotent-upsert": "test_a_refresh_is_the_same_subscription",
    "sep-9999-subscribe-id-derived": "test_a_refresh_is_the_same_subscription",
    "sep-9999-subscribe-id-not-an-input": "test_a_refresh_is_the_same_subscription",
    "sep-9999-subscribe-refresh-replaces-secret": "test_a_refresh_with_another_secret_signs_with_both_for_a_day",
    "sep-9999-subscribe-refresh-reactivates": "test_failures_come_again_and_then_wait_for_a_refresh",
    "sep-9999-subscribe-response-cursor": "test_chatgpt_is_verified_and_told",
    "sep-9999-subscribe-response-truncated": "test_a_cursor_beyond_retention_is_told_as_truncated",
    "sep-9999-subscribe-cross-tenant-isolation": "test_callers_do_not_share_subscriptions",
    "sep-9999-ttl-refresh-before-lte-suggestion": "test_every_time_to_live_is_granted_in_its_bounds",
    "sep-9999-ttl-no-rejection-path": "test_every_time_to_live_is_granted_in_its_bounds",
    "sep-9999-ttl-null-only-when-requested": "test_every_time_to_live_is_granted_in_its_bounds",
    "sep-9999-ttl-omitted-means-default": "test_every_time_to_live_is_granted_in_its_bounds",
    "sep-9999-ttl-long-grant-retained": "test_the_hourly_sweep_ends_and_moves",
    "sep-9999-unsubscribe-by-key": "test_the_end_of_what_is_not_there_is_an_error_in_one_dialect",
    "sep-9999-unsubscribe-unknown-not-found": "test_the_end_of_what_is_not_there_is_an_error_in_one_dialect",
    "sep-9999-delivery-post-json": "test_a_callback_is_verified_once_and_then_told",
    "sep-9999-delivery-standard-webhooks-headers": "test_chatgpt_is_verified_and_told",
    "sep-9999-delivery-subscription-id-header": "test_chatgpt_is_verified_and_told",
    "sep-9999-delivery-signature-formula": "test_chatgpt_is_verified_and_told",
    "sep-9999-delivery-retry-regenerates-signature": "test_failures_come_again_and_then_wait_for_a_refresh",
    "sep-9999-delivery-dual-sign-on-rotation": "test_a_refresh_with_another_secret_signs_with_both_for_a_day",
    "sep-9999-delivery-body-size": "test_a_callback_is_verified_once_and_then_told",
    "sep-9999-delivery-413-non-retryable": "test_an_event_that_is_not_wanted_is_not_sent_again",
    "sep-9999-delivery-410-non-retryable": "test_an_event_that_is_not_wanted_is_not_sent_again",
    "sep-9999-delivery-retries-bounded": "test_failures_come_again_and_then_wait_for_a_refresh",
    "sep-9999-delivery-status-last-error-category": "test_failures_come_again_and_then_wait_for_a_refresh",
    "sep-9999-verification-required-before-delivery": "test_a_callback_that_does_not_agree_is_refused_with_its_reason",
    "sep-9999-verification-challenge-echo": "test_chatgpt_is_verified_and_told",
    "sep-9999-verification-failure-error": "test_a_refused_callback_has_the_number_of_the_dialect",
    "sep-9999-verification-cached-per-principal-url": "test_a_callback_is_verified_once_and_then_told",
    "sep-9999-verification-uses-ssrf-hardened-path": "test_a_host_whose_address_is_not_public_is_refused",
    "sep-9999-verification-no-raw-endpoint-responses": "test_a_refused_callback_has_the_number_of_the_dialect",
    "sep-9999-ssrf-validate-callback-url": "test_a_url_that_may_never_be_called_names_its_member",
    "sep-9999-ssrf-reject-non-routable": "test_a_host_whose_address_is_not_public_is_refused",
    "sep-9999-ssrf-validate-at-delivery-time": "test_an_address_is_checked_again_for_each_delivery",
    "sep-9999-ssrf-no-redirects": "test_a_callback_that_does_not_agree_is_refused_with_its_reason",
    "sep-9999-envelope-type-discriminator": "test_chatgpt_is_verified_and_told",
    "sep-9999-envelope-signed-like-deliveries": "test_chatgpt_is_verified_and_told",
    "sep-9999-envelope-webhook-id-format": "test_chatgpt_is_verified_and_told",
    "sep-9999-envelope-gap": "test_a_gap_is_told_to_who_understands_it",
    "sep-9999-envelope-terminated": "test_a_revoked_key_ends_it_before_the_next_event",
    "sep-9999-error-callback-endpoint-error": "test_a_refused_callback_has_the_number_of_the_dialect",
}
"""Checks that apply. Not among them: what concerns subscriptions without an end, which are not granted, an event that
has no webhooks, and signatures by a key of the server.
"""


def test_every_check_has_its_test() -> None:
    assert set(CHECKS.values()) <= {*globals(), *vars(engine)}


@pytest.fixture
def chatgpt() -> Iterator[ChatGpt]:
    receiver = ChatGpt()
    yield receiver
    receiver.close()


@asynccontextmanager
async def as_agent(box: Inbox, **capabilities: Any) -> AsyncIterator[RawHttp]:
    async with over_http(box.relay.base, box.key, **capabilities) as raw:
        yield raw


def params(url: str, **changes: Any) -> dict[str, Any]:
    delivery = {"mode": "webhook", "url": url, "secret": SECRET}
    return {"name": "email.received", "arguments": {}, "delivery": delivery, "cursor": None, **changes}


async def subscribe(raw: RawHttp, url: str, **changes: Any) -> dict[str, Any]:
    return await raw.result("events/subscribe", **params(url, **changes))


@pytest.mark.each_store
async def test_chatgpt_is_verified_and_told(relay: Relay, box: Inbox, chatgpt: ChatGpt) -> None:
    async with as_agent(box) as raw:
        listed = (await raw.result("events/list"))["events"]
        assert all("webhook" in event["delivery"] for event in listed)
        granted = await subscribe(raw, chatgpt.url)
        assert re.fullmatch("sub_[0-9a-f]{32}", granted["id"])
        assert granted["truncated"] is False
        assert granted["deliveryStatus"] == {"active": True, "lastDeliveryAt": None, "lastError": None}
        [(headers, body, verified)] = chatgpt.challenges()
        assert verified == [SECRET]
        assert re.fullmatch("msg_verification_[0-9a-f]+", headers["webhook-id"])
        assert len(body["challenge"]) >= 32
        await box.deliver("Invoice")
        await until(chatgpt.events)
        [(headers, body, verified)] = chatgpt.events()
        assert verified == [SECRET]
        assert "type" not in body
        assert headers["webhook-id"] == body["eventId"]
        assert headers["x-mcp-subscription-id"] == granted["id"]
        assert (body["name"], body["data"]["subject"]) == ("email.received", "Invoice")
        polled = await raw.poll(arguments={}, cursor=granted["cursor"])
        assert polled["events"] == [{name: value for name, value in body.items() if name != "cursor"}]
        assert (await raw.poll(arguments={}, cursor=body["cursor"]))["events"] == []


async def test_both_eras_subscribe(relay: Relay, box: Inbox, chatgpt: ChatGpt) -> None:
    async with as_agent(box) as modern, as_agent(box) as older:
        await older.handshake()
        first = await subscribe(modern, chatgpt.url)
        assert (await subscribe(older, chatgpt.url))["id"] == first["id"]


@pytest.mark.each_store
async def test_a_refresh_is_the_same_subscription(relay: Relay, box: Inbox, chatgpt: ChatGpt) -> None:
    async with as_agent(box) as raw:
        arguments = {"from": "example.org", "verified_only": False}
        first = await subscribe(raw, chatgpt.url, arguments=arguments)
        turned = dict(reversed(arguments.items()))
        again = await subscribe(raw, chatgpt.url, arguments=turned, id="sub_mine", ttlMs=600_000)
        assert again["id"] == first["id"]
        assert again["refreshBefore"] < first["refreshBefore"]
        assert len(chatgpt.challenges()) == 1


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ({}, timedelta(hours=24)),
        ({"ttlMs": 3_600_000}, timedelta(hours=1)),
        ({"ttlMs": 0}, timedelta(minutes=5)),
        ({"ttlMs": -1}, timedelta(minutes=5)),
        ({"ttlMs": 10**30}, timedelta(days=7)),
        ({"ttlMs": None}, timedelta(days=7)),
    ],
)
async def test_every_time_to_live_is_granted_in_its_bounds(
    relay: Relay, box: Inbox, chatgpt: ChatGpt, asked: dict[str, Any], granted: timedelta
) -> None:
    async with as_agent(box) as raw:
        now = relay.home.clock.now()
        given = await subscribe(raw, chatgpt.url, **asked)
        until_then = datetime.fromisoformat(given["refreshBefore"]) - now
        assert timedelta(0) <= until_then - granted < timedelta(seconds=20)


WRONG: dict[str, tuple[dict[str, Any], int, str, dict[str, Any]]] = {
    "no such event": ({"name": "email.unknown"}, -32011, "NotFound", {"kind": "event"}),
    "no name": ({"name": None}, -32602, "InvalidParams", {"field": "name"}),
    "no such argument": ({"arguments": {"x": 1}}, -32602, "InvalidParams", {"field": "arguments"}),
    "a wrong argument": (
        {"arguments": {"verified_only": "yes"}},
        -32602,
        "InvalidParams",
        {"field": "arguments.verified_only"},
    ),
    "a list of arguments": ({"arguments": []}, -32602, "InvalidParams", {"field": "arguments"}),
    "another inbox": ({"arguments": {"agent_email": "other@agents.example"}}, -32012, "Forbidden", {}),
    "no delivery": ({"delivery": None}, -32602, "InvalidParams", {"field": "delivery"}),
    "no secret": (
        {"delivery": {"mode": "webhook", "url": "https://example.org/"}},
        -32602,
        "InvalidParams",
        {"field": "delivery.secret"},
    ),
    "a number as secret": (
        {"delivery": {"mode": "webhook", "url": "https://example.org/", "secret": 5}},
        -32602,
        "InvalidParams",
        {"field": "delivery.secret"},
    ),
    "no URL": ({"delivery": {"secret": SECRET}}, -32602, "InvalidParams", {"field": "delivery.url"}),
    "not https": (
        {"delivery": {"mode": "webhook", "url": "http://example.org/", "secret": SECRET}},
        -32602,
        "InvalidParams",
        {"field": "delivery.url"},
    ),
    "another mode": (
        {"delivery": {"mode": "push", "url": "https://example.org/", "secret": SECRET}},
        -32014,
        "Unsupported",
        {"feature": "deliveryMode", "value": "push"},
    ),
    "a forged cursor": ({"cursor": "bm90IG91cnM.x"}, -32602, "InvalidParams", {"field": "cursor"}),
    "a number as cursor": ({"cursor": 7}, -32602, "InvalidParams", {"field": "cursor"}),
    "a text as time to live": ({"ttlMs": "1000"}, -32602, "InvalidParams", {"field": "ttlMs"}),
    "a negative age": ({"maxAgeMs": -1}, -32602, "InvalidParams", {"field": "maxAgeMs"}),
}


@pytest.mark.parametrize("kind", WRONG)
async def test_a_wrong_request_is_answered_by_the_documented_error(
    relay: Relay, box: Inbox, chatgpt: ChatGpt, kind: str
) -> None:
    changes, code, name, data = WRONG[kind]
    async with as_agent(box) as raw:
        found = await raw.error("events/subscribe", **params(chatgpt.url, **changes))
        assert found[:2] == (code, name)
        assert data.items() <= found[2].items()
        assert SECRET not in str(found)
    assert not chatgpt.received


@pytest.mark.parametrize(
    ("mode", "reason"), [("wrong", "challenge_failed"), ("error", "http_5xx")], ids=["wrong", "error"]
)
@pytest.mark.parametrize(("capabilities", "code"), [({}, -32015), (SEP, -32027)], ids=["sketch", "sep"])
async def test_a_refused_callback_has_the_number_of_the_dialect(
    relay: Relay,
    box: Inbox,
    chatgpt: ChatGpt,
    capabilities: dict[str, Any],
    code: int,
    mode: str,
    reason: str,
) -> None:
    chatgpt.challenge_mode = mode
    async with as_agent(box, extensions=capabilities) as raw:
        found = await raw.error("events/subscribe", **params(chatgpt.url))
    assert found[:2] == (code, "CallbackEndpointError")
    assert found[2]["reason"] == reason
    assert "nope" not in str(found)


@pytest.mark.each_store
async def test_the_end_of_what_is_not_there_is_an_error_in_one_dialect(
    relay: Relay, box: Inbox, chatgpt: ChatGpt
) -> None:
    key = {"name": "email.received", "arguments": {}, "delivery": {"url": chatgpt.url}}
    async with as_agent(box) as sketch, as_agent(box, extensions=SEP) as sep:
        await subscribe(sketch, chatgpt.url)
        for _ in range(2):
            ended = await sketch.result("events/unsubscribe", **key)
            assert ended.keys() <= {"resultType", "_meta"}  # which the SDK adds
        assert await sep.error("events/unsubscribe", **key) == (
            -32023,
            "NotFound",
            {"kind": "subscription"},
        )
        await subscribe(sep, chatgpt.url)
        await sep.result("events/unsubscribe", **key)
        found = await sep.error("events/unsubscribe", name="email.received")
        assert found == (-32602, "InvalidParams", {"field": "delivery", "reason": "Field required"})


@pytest.mark.each_store
async def test_too_many_subscriptions_are_told_with_their_limit(
    relay: Relay, box: Inbox, chatgpt: ChatGpt
) -> None:
    async with as_agent(box) as raw:
        for number in range(50):
            await subscribe(raw, chatgpt.url, arguments={"subject_contains": str(number)})
        found = await raw.error("events/subscribe", **params(chatgpt.url))
    assert found == (-32013, "ResourceExhausted", {"limit": "subscriptions", "max": 50})


@pytest.mark.parametrize(("capabilities", "code"), [({}, -32013), (SEP, -32025)], ids=["sketch", "sep"])
async def test_too_many_verifications_are_told_with_the_time_to_wait(
    relay: Relay,
    box: Inbox,
    chatgpt: ChatGpt,
    monkeypatch: pytest.MonkeyPatch,
    capabilities: dict[str, Any],
    code: int,
) -> None:
    monkeypatch.setattr(limits, "PER_CALLER", 1)
    chatgpt.challenge_mode = "wrong"
    async with as_agent(box, extensions=capabilities) as raw:
        assert (await raw.error("events/subscribe", **params(chatgpt.url)))[1] == "CallbackEndpointError"
        found = await raw.error("events/subscribe", **params(chatgpt.url))
    assert found[:2] == (code, "ResourceExhausted")
    assert found[2]["limit"] == "requests"
    assert 0 < found[2]["retryAfterSeconds"] <= 61
    assert len(chatgpt.received) == 1


async def test_nobody_subscribes_without_a_credential(relay: Relay, box: Inbox, chatgpt: ChatGpt) -> None:
    foreign = await stranger(relay.home, "foreign@agents.example")
    async with over_http(relay.base, foreign) as raw:
        asked = params(chatgpt.url, arguments={"agent_email": box.email})
        assert (await raw.error("events/subscribe", **asked))[:2] == (-32012, "Forbidden")
    async with over_http(relay.base, "e2a_agt_unknown") as raw:
        response = await raw.http.post(**raw._request(1, "events/subscribe", params(chatgpt.url)))
        assert response.status_code == 401
    assert not chatgpt.received


@pytest.mark.each_store
async def test_a_rotated_secret_reaches_chatgpt_with_both(relay: Relay, box: Inbox, chatgpt: ChatGpt) -> None:
    chatgpt.secrets = [SECRET, OTHER]
    async with as_agent(box) as raw:
        await subscribe(raw, chatgpt.url)
        delivery = {"mode": "webhook", "url": chatgpt.url, "secret": OTHER}
        await subscribe(raw, chatgpt.url, delivery=delivery)
        await box.deliver("Rotated")
        await until(chatgpt.events)
        assert chatgpt.events()[0][2] == [SECRET, OTHER]
