"""Asking the owner, on the relay itself and through its API: what is an answer, and what is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pytest

from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.protection import (
    ProtectionConfig,
    ProtectionDirection,
    ProtectionGate,
    ProtectionHolds,
    ProtectionScan,
)
from e2a_core.remote import watching
from e2a_mcp.tools import asking
from mcp import Client
from tests.support.dns import DnsServer
from tests.support.home import SHARED, Home, Keys, open_home_for_test
from tests.support.smtp_client import letter
from tests.support.waiting import until

from .relay import EVERYTHING, Inbox, Relay, local_relay, remote_relay
from .results import text_of

pytestmark = pytest.mark.anyio

OWNER = "alice@example.org"


@pytest.fixture(scope="module")
async def owned_home(
    tmp_path_factory: pytest.TempPathFactory, dns: DnsServer, keys: Keys
) -> AsyncIterator[Home]:
    folder = tmp_path_factory.mktemp("owned")
    async with open_home_for_test(
        folder, "", dns, keys, owner_email=OWNER, poll_rate_per_minute="1000000"
    ) as opened:
        yield opened


@pytest.fixture(scope="module", params=["local", "remote"])
async def owned(request: pytest.FixtureRequest, owned_home: Home) -> AsyncIterator[Relay]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "POLL_SECONDS", 0.05)
        patch.setattr(watching, "LOOK_SECONDS", 0.005)
        async with (local_relay if request.param == "local" else remote_relay)(owned_home) as opened:
            yield opened


class Question:
    """A question that waits for its answer."""

    def __init__(self, box: Inbox, client: Client) -> None:
        self.box = box
        self._client = client
        self.told: list[float] = []
        self.result: Any = None

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.told.append(progress)

    async def ask(self, **arguments: Any) -> Any:
        self.result = await self._client.call_tool(
            "ask_owner", {"timeout_seconds": 1, **arguments}, progress_callback=self.progress
        )
        assert not self.result.is_error, self.result.content
        return self.result.structured_content

    async def begin(self, tasks: Any, **arguments: Any) -> dict[str, str]:
        """Asks, and returns the headers of an answer once the question is there."""
        tasks.start_soon(lambda: self.ask(**{"question": "May I?", "timeout_seconds": 20, **arguments}))
        return await self.headers()

    async def headers(self) -> dict[str, str]:
        async def asked() -> str | None:
            rows = await self.box.relay.owner.messages.list(
                self.box.email, MessageQuery(direction="outbound")
            )
            if not rows.items:
                return None
            return (await self.box.get(rows.items[0].id)).email_message_id

        identifier = await until(asked)
        return {"In-Reply-To": identifier if identifier.startswith("<") else f"<{identifier}>"}


async def answered(box: Inbox, thread: dict[str, str], text: str = "Yes, please.", **parts: Any) -> None:
    more = parts.pop("headers", {})
    exchange = await box.relay.home.deliver(
        to=box.email,
        subject=parts.pop("subject", "Re: May I?"),
        text=text,
        headers={**thread, **more},
        **parts,
    )
    assert exchange.accepted


async def test_the_owner_answers_while_the_call_waits(owned: Relay, era: str) -> None:
    box = await owned.inbox()
    async with box.client(era) as client, anyio.create_task_group() as tasks:
        question = Question(box, client)
        headers = await question.begin(tasks)
        quoted = "Go ahead.\n\nOn Mon, 2 Nov 2026 at 09:30, Box <box@agents.example> wrote:\n> May I?\n"
        await answered(box, headers, quoted)
    found = question.result.structured_content
    assert found["answered"] is True
    marker = found["untrusted"]["marker"]
    assert found["message"]["text"] == f"<<{marker}>>\nGo ahead.\n<</{marker}>>"
    assert f"<<{marker}>>" in text_of(question.result)
    assert question.told[0] == 0.0
    mails = await owned.owner.messages.list(box.email, EVERYTHING)
    assert [row.to for row in mails.items if row.direction == "outbound"] == [[OWNER]]
    assert {row.read_status for row in mails.items if row.direction == "inbound"} == {"read"}


async def test_an_answer_after_the_wait_is_found_by_the_next_one(owned: Relay) -> None:
    box = await owned.inbox()
    async with box.client() as client:
        question = Question(box, client)
        first = await question.ask(question="May I?")
        assert (first["answered"], first["message"]) == (False, None)
        assert first["message_id"] in text_of(question.result)
        again = await question.ask(question="May I?")
        assert again["message_id"] == first["message_id"], "it is not mailed twice"
        await answered(box, await question.headers(), "No.")
        last = await question.ask(message_id=first["message_id"])
        assert last["answered"] is True
        assert "No." in last["message"]["text"]


STRANGER = "mallory@plain.example"
FORWARD = "---------- Forwarded message ---------\nFrom: Bob <bob@plain.example>\nDate: today\nSubject: Re\n\nYes.\n"
NO_ANSWERS: dict[str, dict[str, Any]] = {
    "a stranger": {"sender": "Mallory <mallory@plain.example>", "mail_from": STRANGER},
    "a forged author": {"mail_from": STRANGER},
    "a name like the owner's": {
        "sender": '"alice@example.org" <mallory@plain.example>',
        "mail_from": STRANGER,
    },
    "another local part": {"sender": "alice.b@example.org"},
    "a tagged address": {"sender": "alice+x@example.org"},
    "a letter that looks the same": {"sender": "alice@examp1e.org"},
    "a domain that begins alike": {"sender": "alice@example.org.plain.example", "mail_from": STRANGER},
    "two authors": {"sender": "alice@example.org, mallory@plain.example"},
    "no thread": {"headers": {"In-Reply-To": "<other@example.org>"}},
    "quotes alone": {"text": "> Yes, please.\n"},
    "a forward by its mark": {"text": FORWARD},
    "a forward with a word before": {"text": f"See below.\n\n{FORWARD}"},
    "a forward by its subject": {"subject": "Fwd: May I?"},
    "a German forward": {"subject": "WG: May I?"},
    "sent on": {"headers": {"Resent-From": "bob@plain.example"}},
    "forwarded by a filter": {"headers": {"X-Forwarded-To": "box@agents.example"}},
    "an absence notice": {"headers": {"Auto-Submitted": "auto-replied"}},
    "a list": {"headers": {"List-Id": "<team.example.org>"}},
    "bulk": {"headers": {"Precedence": "bulk"}},
    "the null sender": {"mail_from": ""},
}


async def test_what_is_no_answer(owned: Relay) -> None:
    box = await owned.inbox()
    async with box.client() as client:
        question = Question(box, client)
        asked = await question.ask(question="May I?")
        thread = await question.headers()
        for case, parts in NO_ANSWERS.items():
            text = parts.get("text", f"Yes: {case}.")
            await answered(box, thread, **{"subject": f"Re: {case}", **parts, "text": text})
        found = await question.ask(message_id=asked["message_id"])
        assert found["answered"] is False, found["message"]
        await answered(box, thread, "Yes, in the end.")
        found = await question.ask(message_id=asked["message_id"])
        assert "Yes, in the end." in found["message"]["text"]


async def test_others_in_the_thread_do_not_hide_the_answer(
    owned: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ROWS", 2)
    box = await owned.inbox()
    async with box.client() as client:
        question = Question(box, client)
        asked = await question.ask(question="May I?")
        thread = await question.headers()
        for number in range(3):
            await answered(box, thread, f"No {number}.", sender=f"Mallory <{STRANGER}>", mail_from=STRANGER)
        await answered(box, thread, "Yes, please.")
        found = await question.ask(message_id=asked["message_id"])
        assert "Yes, please." in found["message"]["text"]


async def test_mail_that_protection_holds_is_no_answer(owned: Relay) -> None:
    box = await owned.inbox()
    async with box.client() as client:
        question = Question(box, client)
        asked = await question.ask(question="May I?")
        nobody = ProtectionGate(policy="allowlist", allowlist=["bob@plain.example"], action="review")
        await owned.owner.protection.put(
            box.email,
            ProtectionConfig(
                inbound=ProtectionDirection(gate=nobody, scan=ProtectionScan()),
                outbound=ProtectionDirection(gate=ProtectionGate(), scan=ProtectionScan()),
                holds=ProtectionHolds(),
            ),
        )
        await answered(box, await question.headers())
        assert (await question.ask(message_id=asked["message_id"]))["answered"] is False


@pytest.mark.parametrize(
    ("days", "to_inbox", "counts"), [(0, True, True), (-3, True, False), (0, False, False)]
)
async def test_a_signature_alone_proves_only_new_mail_to_this_inbox(
    owned: Relay, keys: Keys, days: int, to_inbox: bool, counts: bool
) -> None:
    box = await owned.inbox()
    async with box.client() as client:
        question = Question(box, client)
        asked = await question.ask(question="May I?")
        date = format_datetime(datetime.now(UTC) + timedelta(days=days))
        headers = {"Date": date, "MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8"}
        content = letter(
            to=box.email if to_inbox else f"other@{SHARED}",
            text="Yes.",
            message_id=None,
            headers={**headers, **await question.headers()},
        )
        signed = keys.alice.sign(content, b"date", b"mime-version", b"content-type")
        exchange = await owned.home.deliver(signed, mail_from="relay@elsewhere.example", to=box.email)
        assert exchange.accepted
        assert (await question.ask(message_id=asked["message_id"]))["answered"] is counts


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "either"),
        ({"question": "May I?", "message_id": "msg_1"}, "either"),
        ({"question": "  \n"}, "empty"),
        ({"message_id": "msg_unknown"}, "e2a error"),
        ({"question": "May I?", "timeout_seconds": 301}, "timeout_seconds"),
    ],
)
async def test_what_cannot_be_asked_is_refused(owned: Relay, arguments: dict[str, Any], word: str) -> None:
    box = await owned.inbox()
    async with box.client() as client:
        result = await client.call_tool("ask_owner", arguments)
        assert result.is_error
        assert word in text_of(result)


async def test_mail_that_came_in_is_no_question(owned: Relay) -> None:
    box = await owned.inbox()
    message_id = await box.deliver()
    async with box.client() as client:
        result = await client.call_tool("ask_owner", {"message_id": message_id})
        assert result.is_error
        assert "no question" in text_of(result)


async def test_without_an_address_of_the_owner_nobody_is_asked(relay: Relay) -> None:
    box = await relay.inbox()
    async with box.client() as client:
        result = await client.call_tool("ask_owner", {"question": "May I?"})
        assert result.is_error
        assert "E2A_OWNER_ADDRESSES" in text_of(result)
