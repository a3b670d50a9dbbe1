"""MCP Events where another deployment is acted on, whose API has no log for agents: plainly not offered."""

from __future__ import annotations

from typing import Any

import pytest

from .raw_events import over_http
from .relay import Relay

pytestmark = [pytest.mark.anyio, pytest.mark.remote_only("a home of one's own offers them")]

DELIVERY = {"mode": "webhook", "url": "https://example.org/hook", "secret": "whsec_" + "a" * 43 + "="}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("events/poll", {}),
        ("events/stream", {}),
        ("events/subscribe", {"delivery": DELIVERY}),
        ("events/unsubscribe", {"delivery": DELIVERY}),
    ],
)
async def test_no_event_can_be_followed(relay: Relay, method: str, params: dict[str, Any]) -> None:
    box = await relay.inbox()
    async with over_http(relay.base, box.key) as raw:
        assert (await raw.result("events/list"))["events"] == []
        code, name, data = await raw.error(method, name="email.received", **params)
    assert (code, name, data["feature"]) == (-32014, "Unsupported", "deliveryMode")
