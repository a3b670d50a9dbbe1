"""What a deployment writes down at its most talkative: that things happened, and nothing of what was said."""

from __future__ import annotations

import base64
import json
import re

import httpx
import pytest
from e2a.v1.errors import E2AError

from tests.client.conftest import Tenant
from tests.client.driving import Driver
from tests.support.serving import Served
from tests.support.smtp_client import letter, submit
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


async def test_no_key_token_or_word_reaches_the_log(served: Served, tenant: Tenant, driver: Driver) -> None:
    inbox = tenant.address("logs")
    await driver.agents.create({"email": inbox})
    bound = await driver.account.api_keys.create({"scope": "agent", "agent_email": inbox})
    file = {
        "filename": "sesamefile.txt",
        "content_type": "text/plain",
        "data": base64.b64encode(b"sesamecontent").decode(),
    }
    mail = {
        "to": ["bob@example.org"],
        "subject": "sesamesubject",
        "text": "sesamebody",
        "attachments": [file],
        "unsubscribe": {"mode": "managed"},
    }
    sent = await driver.messages.send(inbox, mail, wait="sent")
    await submit(
        served.smtp,
        letter(to=inbox, subject="sesamesubject", text="sesamebody"),
        mail_from="a@example.org",
        recipients=[inbox],
    )
    found = await driver.messages.get_attachment(inbox, sent.message_id, 0)
    raw = (await driver.messages.get(inbox, sent.message_id)).raw_message
    link = re.search(r"/u/(u1_[\w-]+)", base64.b64decode(raw).decode())
    assert link is not None
    with pytest.raises(E2AError):
        await driver.messages.send(inbox, {**mail, "to": ["sesamebody"]})
    await driver.messages.list(inbox, subject_contains="sesamesubject").page()
    async with httpx.AsyncClient(
        base_url=served.url, headers={"Authorization": tenant.key}, timeout=PATIENCE_SECONDS
    ) as plain:
        assert (await plain.get(found.download_url)).status_code == 200
        assert (await plain.post(link.group(), data={"confirm": "unsubscribe"})).status_code == 200
        assert (await plain.post("/api/feedback", json={"message": "sesamebody"})).status_code == 200
        await plain.post("/v1/agents", content=json.dumps({"email": "sesamebody", "sesamebody": 1}))
        await plain.get("/v1/approve", params={"t": "sesametoken"})
    log = served.log.read_text(encoding="utf-8")
    assert f"POST /v1/agents/{inbox}/messages 200" in log
    token = found.download_url.partition("token=")[2]
    for secret in (tenant.key, bound.key, token, link.group(1), "sesame", served.key):
        assert secret not in log
