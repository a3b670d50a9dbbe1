"""Waiting for mail, on the relay itself and through its API."""

from __future__ import annotations

import re
from typing import Any, get_args

import anyio
import httpx2
import pytest

from e2a_core.clock import rfc3339
from e2a_core.contract.message_views import Verdict
from e2a_core.contract.protection import (
    ProtectionConfig,
    ProtectionDirection,
    ProtectionGate,
    ProtectionHolds,
    ProtectionScan,
)
from e2a_core.contract.reviews import ApproveRequest, RejectRequest
from e2a_core.remote import watching
from mcp import Client
from tests.support.home import SHARED
from tests.support.waiting import until

from .relay import Inbox, Relay
from .results import text_of

pytestmark = pytest.mark.anyio


class Waiting:
    """A wait that has looked at what is there and now waits for more."""

    def __init__(self, client: Client, tool: str = "wait_for_message", **arguments: Any) -> None:
        self._client = client
        self._tool = tool
        self._arguments = {"timeout_seconds": 15, **arguments}
        self.begun = anyio.Event()
        self.told: list[tuple[float, float | None]] = []
        self.result: Any = None

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.told.append((progress, total))
        self.begun.set()

    async def run(self) -> None:
        self.result = await self._client.call_tool(
            self._tool, self._arguments, progress_callback=self.progress
        )

    async def begin(self, tasks: anyio.abc.TaskGroup) -> None:
        tasks.start_soon(self.run)
        with anyio.fail_after(10):
            await self.begun.wait()

    @property
    def found(self) -> Any:
        assert not self.result.is_error, self.result.content
        return self.result.structured_content


async def waited(client: Client, **arguments: Any) -> Any:
    result = await client.call_tool("wait_for_message", {"timeout_seconds": 1, **arguments})
    assert not result.is_error, result.content
    return result.structured_content


async def test_mail_that_arrives_is_returned_with_codes_and_links(relay: Relay, era: str) -> None:
    box = await relay.inbox()
    async with box.client(era) as client, anyio.create_task_group() as tasks:
        wait = Waiting(client)
        await wait.begin(tasks)
        message_id = await box.deliver(
            "Verify your address",
            "Your verification code is 482913.\nOr open https://example.org/verify?token=abc123",
        )
    assert wait.found["timed_out"] is False
    assert wait.found["message"]["id"] == message_id
    assert wait.found["codes"] == ["482913"]
    assert wait.found["verification_links"] == ["https://example.org/verify?token=abc123"]
    assert (await box.get(message_id)).read_status == "read"
    fences = re.findall(r"\n<<([0-9a-f]+)>>\n(.*?)\n<</\1>>", text_of(wait.result), re.DOTALL)
    assert any("Code found: 482913" in words for _, words in fences)
    assert wait.told[0] == (0.0, 15.0)


async def test_only_mail_that_passes_every_filter_ends_the_wait(relay: Relay) -> None:
    box, other = await relay.inbox(), await relay.inbox()
    async with box.client() as client, anyio.create_task_group() as tasks:
        wait = Waiting(client, from_="plain.example", subject_contains="order")
        await wait.begin(tasks)
        await box.deliver("your order")
        await box.deliver("newsletter", sender="news@plain.example")
        await other.deliver("your order", sender="news@plain.example")
        wanted = await box.deliver("Your ORDER 7", sender="sales@plain.example")
    assert wait.found["message"]["id"] == wanted


async def test_a_timeout_is_a_result_that_tells_how_to_go_on(relay: Relay) -> None:
    box = await relay.inbox()
    async with box.client() as client:
        result = await client.call_tool("wait_for_message", {"timeout_seconds": 1})
    assert not result.is_error
    content = result.structured_content
    assert (content["message"], content["timed_out"]) == (None, True)
    assert content["waited_since"] in text_of(result)


async def test_unread_mail_of_the_last_minute_counts_and_read_mail_since_an_instant(relay: Relay) -> None:
    box = await relay.inbox()
    first = await box.deliver("your code", "It is 123456.")
    second = await box.deliver("another")
    since = rfc3339((await box.get(first)).created_at)
    async with box.client() as client:
        assert (await waited(client, subject_contains="code"))["message"]["id"] == first
        assert (await waited(client))["message"]["id"] == second
        assert (await waited(client))["timed_out"] is True, "both have been read by now"
        assert (await waited(client, since=since))["message"]["id"] == second, (
            "the newest code is the valid one"
        )
        assert (await waited(client, since="2m", subject_contains="code"))["message"]["id"] == first


FORGED = {"sender": "bank@elsewhere.example", "mail_from": "eve@elsewhere.example"}
"""Its domain says that this mail is not its own."""


async def test_a_forged_code_is_marked_and_can_be_left_out(relay: Relay) -> None:
    box = await relay.inbox()
    real = await box.deliver("554433 is your Example code", "Someone signs in.")
    await box.deliver("Code", "Your code: 666666", **FORGED)
    async with box.client() as client:
        forged = await client.call_tool("wait_for_message", {"timeout_seconds": 1})
        proven = await waited(client, verified_only=True)
    assert forged.structured_content["trust"] == "failed"
    assert forged.structured_content["found"] == [{"kind": "code", "value": "666666", "trust": "failed"}]
    assert "Code found (sender failed DMARC): 666666" in text_of(forged)
    assert (proven["message"]["id"], proven["codes"], proven["trust"]) == (real, ["554433"], "verified")
    assert [item["trust"] for item in proven["found"]] == ["verified"]


LINK = "https://example.org/verify?token=abc123"
FINDINGS: list[tuple[str, str, list[str], list[str]]] = [
    ("Code", "Your code: 482913", ["482913"], []),
    ("554433 is your Example code", "Someone signs in.", ["554433"], []),
    ("Confirm", f"Confirm your address: {LINK}", [], [LINK]),
    ("Sign in", f"Your verification code: a8k2zq\nor open {LINK} to sign in", ["a8k2zq"], [LINK]),
    ("確認", "認証コード：qR7tz", ["qR7tz"], []),
    ("Lunch", "Are you free on Friday?", [], []),
]


@pytest.mark.parametrize("forged", [False, True])
@pytest.mark.parametrize(("subject", "text", "codes", "links"), FINDINGS)
async def test_a_message_that_is_read_shows_codes_and_links_each_with_the_verdict(
    relay: Relay, subject: str, text: str, codes: list[str], links: list[str], forged: bool
) -> None:
    box = await relay.inbox()
    message_id = await box.deliver(subject, text, **(FORGED if forged else {}))
    async with box.client() as client:
        for shape in ("text", "full"):
            result = await client.call_tool("get_message", {"message_id": message_id, "format": shape})
            read, told = result.structured_content, text_of(result)
            word = read["trust"]
            assert word == ("failed" if forged else "verified")
            wanted = [("code", code) for code in codes] + [("link", link) for link in links]
            found = [(item["kind"], item["value"], item["trust"]) for item in read.get("found", [])]
            assert found == [(kind, value, word) for kind, value in wanted]
            assert (read.get("codes", []), read.get("verification_links", [])) == (codes, links)
            beside = " (sender failed DMARC)" if forged else ""
            for kind, value in wanted:
                assert f"{kind.capitalize()} found{beside}: {value}" in told
            if wanted:
                assert {"codes", "found"} & {*read["untrusted"]["fields"]}
            else:
                assert "found" not in told
        headers = await client.call_tool("get_message", {"message_id": message_id, "format": "headers"})
    assert "found" not in headers.structured_content


async def test_an_inbox_that_is_not_there_or_anothers_is_told_at_once(relay: Relay) -> None:
    box, other = await relay.inbox(), await relay.inbox()
    async with relay.account() as owner, box.client() as client:
        for asking, email, code in (
            (owner, f"nobody@{SHARED}", "not_found"),
            (client, other.email, "forbidden"),
        ):
            result = await asking.call_tool("wait_for_message", {"email": email, "timeout_seconds": 300})
            assert result.structured_content["code"] == code


async def test_an_account_of_many_inboxes_waits_on_any_of_them(relay: Relay) -> None:
    oldest = await relay.inbox()
    for _ in range(24):
        newest = await relay.inbox()
    async with relay.account() as owner:
        for box in (oldest, newest):
            async with anyio.create_task_group() as tasks:
                # Longer than the client has patience: a last look would be too late.
                wait = Waiting(owner, email=box.email, timeout_seconds=120)
                await wait.begin(tasks)
                wanted = await box.deliver()
            assert wait.found["message"]["id"] == wanted


async def test_there_is_a_last_look_before_the_time_is_said_to_be_up(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await relay.inbox()
    async with box.client() as client:
        monkeypatch.setattr(watching, "POLL_SECONDS", 1000)
        async with anyio.create_task_group() as tasks:
            wait = Waiting(client, timeout_seconds=3)
            await wait.begin(tasks)
            wanted = await box.deliver()
    assert wait.found["message"]["id"] == wanted


async def test_an_inbox_that_goes_away_meanwhile_is_told(relay: Relay) -> None:
    box = await relay.inbox()
    async with relay.account() as owner, anyio.create_task_group() as tasks:
        wait = Waiting(owner, email=box.email, timeout_seconds=2)
        await wait.begin(tasks)
        await box.trash()
    assert wait.result.structured_content["code"] == "not_found"


async def test_a_client_that_hangs_up_ends_the_wait(relay: Relay) -> None:
    box = await relay.inbox()

    async def calls_ended() -> list[str]:
        async with httpx2.AsyncClient(base_url=relay.base) as http:
            lines = (await http.get("/metrics")).text.splitlines()
        return [
            line
            for line in lines
            if line.startswith("e2a_mcp_tool_calls_total") and "wait_for_message" in line
        ]

    before = await calls_ended()
    async with box.client() as client, anyio.create_task_group() as tasks:
        await Waiting(client, timeout_seconds=300).begin(tasks)
        tasks.cancel_scope.cancel()

    async def over() -> bool:
        return await calls_ended() != before

    await until(over)


async def held(relay: Relay, box: Inbox, client: Client) -> str:
    gate = ProtectionGate(policy="allowlist", action="review")
    config = ProtectionConfig(
        inbound=ProtectionDirection(gate=ProtectionGate(), scan=ProtectionScan()),
        outbound=ProtectionDirection(gate=gate, scan=ProtectionScan()),
        holds=ProtectionHolds(),
    )
    await relay.owner.protection.put(box.email, config)
    result = await client.call_tool("send_message", {"to": ["bob@example.org"], "subject": "s", "text": "t"})
    assert result.structured_content is not None
    assert result.structured_content["status"] == "pending_review"
    return str(result.structured_content["message_id"])


@pytest.mark.parametrize("approved", [True, False])
async def test_the_decision_about_ones_own_draft_ends_the_wait(relay: Relay, approved: bool) -> None:
    box = await relay.inbox()
    async with box.client() as client, anyio.create_task_group() as tasks:
        message_id = await held(relay, box, client)
        assert (await waited(client, message_id=message_id))["timed_out"] is True
        wait = Waiting(client, message_id=message_id)
        tasks.start_soon(wait.run)
        if approved:
            await relay.owner.reviews.approve(message_id, ApproveRequest())
        else:
            await relay.owner.reviews.reject(message_id, RejectRequest(reason="not now"))
    message = wait.found["message"]
    assert message["id"] == message_id
    if approved:
        assert message["delivery_status"] == "sent"
    else:
        assert (message["review_status"], message["rejection_reason"]) == ("review_rejected", "not now")


@pytest.mark.parametrize("approved", [True, False])
async def test_the_decision_ends_a_wait_for_it(
    relay: Relay, approved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "HEARD_SECONDS", 1000)
    box = await relay.inbox()
    async with box.client() as client, anyio.create_task_group() as tasks:
        message_id = await held(relay, box, client)
        timed_out: Any = await client.call_tool(
            "wait_for_review", {"message_id": message_id, "timeout_seconds": 1}
        )
        assert timed_out.structured_content == {"message": None, "timed_out": True}
        assert "still pending_review" in text_of(timed_out)
        wait = Waiting(client, tool="wait_for_review", message_id=message_id)
        await wait.begin(tasks)
        if approved:
            await relay.owner.reviews.approve(message_id, ApproveRequest())
        else:
            await relay.owner.reviews.reject(message_id, RejectRequest(reason="not now"))
    assert wait.found["timed_out"] is False
    message = wait.found["message"]
    assert message["id"] == message_id
    assert message["review_status"] == ("sent" if approved else "review_rejected")
    async with box.client() as client:
        nothing: Any = await client.call_tool("wait_for_review", {"message_id": "msg_none"})
        assert nothing.structured_content["code"] == "not_found"


async def test_what_is_decided_already_ends_the_wait_at_once(relay: Relay) -> None:
    box = await relay.inbox()
    async with box.client() as client:
        message_id = await held(relay, box, client)
        deleted: Any = await client.call_tool("delete_message", {"message_id": message_id, "confirm": True})
        assert deleted.structured_content["cancelled"] is True
        found = await waited(client, message_id=message_id)
        assert "withdrawn" in found["message"]["rejection_reason"]
        restored = await client.call_tool("restore_message", {"message_id": message_id})
        assert text_of(restored) == (
            f"{message_id} restored; the draft was withdrawn or rejected, and will not be sent"
        )


async def test_what_is_called_off_says_so_everywhere(relay: Relay) -> None:
    box = await relay.inbox()
    async with box.client() as client:
        arguments = {"to": ["bob@example.org"], "subject": "s", "text": "t", "send_at": "2d"}
        result: Any = await client.call_tool("send_message", arguments)
        message_id = result.structured_content["message_id"]
        assert "to bob@example.org" in text_of(result)
        deleted = await client.call_tool("delete_message", {"message_id": message_id, "confirm": True})
        assert "will not be sent, unless it is restored before 20" in text_of(deleted)
        read = text_of(await client.call_tool("get_message", {"message_id": message_id}))
        assert "called off" in read
        assert "in the trash since 20" in read
        assert "leaves=" not in read
        trash = await client.call_tool("list_messages", {"deleted": True})
        assert "called off" in text_of(trash)
        assert "leaves=" not in text_of(trash)
        steps = await client.call_tool("get_message_lifecycle", {"message_id": message_id})
        assert text_of(steps).endswith("called off; nothing more will come")
        restored = await client.call_tool("restore_message", {"message_id": message_id})
        assert text_of(restored).startswith(f"{message_id} restored; it leaves at 20")
        steps = await client.call_tool("get_message_lifecycle", {"message_id": message_id})
        due = result.structured_content["scheduled_at"]
        assert text_of(steps).count(f" queued enqueued queue.outbound_submission leaves={due}") == 2
        assert text_of(steps).endswith(f"it waits until it leaves at {due}")


async def test_what_ends_a_wait_may_have_any_verdict(relay: Relay) -> None:
    """A client checks the result against the schema and drops it if the word is not among these."""
    box = await relay.inbox()
    async with box.client() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    schema = tools["wait_for_message"].output_schema
    assert schema is not None
    assert set(schema["properties"]["trust"]["enum"]) == set(get_args(Verdict))
