"""Resources, their templates and completion, and the prompts."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from e2a_mcp.render import mail_uri
from e2a_mcp.uris import parse_mail_uri

from .conftest import LEGACY, Connect
from .http_support import account_client
from .memory import AGENT, OTHER, MemoryEngine

pytestmark = pytest.mark.anyio


async def test_the_inboxes_are_listed(connect: Connect, engine: MemoryEngine) -> None:
    async with connect() as client:
        assert [item.uri for item in (await client.list_resources()).resources] == [f"mail://{AGENT}/inbox"]
        templates = [
            item.uri_template for item in (await client.list_resource_templates()).resource_templates
        ]
    assert templates == [
        "mail://{email}/inbox",
        "mail://{email}/messages/{id}",
        "mail://{email}/messages/{id}/raw",
        "mail://{email}/messages/{id}/attachments/{index}",
        "mail://{email}/conversations/{id}",
    ]
    async with account_client(engine) as client:
        uris = [item.uri for item in (await client.list_resources()).resources]
    assert uris == [f"mail://{AGENT}/inbox", f"mail://{OTHER}/inbox", "mail://reviews"]


async def test_each_kind_is_read(connect: Connect, engine: MemoryEngine, era: str) -> None:
    message_id = await engine.deliver(
        "s", "the words", conversation="conv_1", attachments=[("a", "text/csv", b"1,2")]
    )
    base = f"mail://{AGENT}"
    async with connect(mode=era) as client:
        for uri in (f"{base}/inbox", f"{base}/messages/{message_id}", f"{base}/conversations/conv_1"):
            (contents,) = (await client.read_resource(uri)).contents
            assert contents.mime_type == "text/plain"
            assert "the words" in contents.text
            assert "<<" in contents.text
            assert contents.meta == {"dev.e2a/untrusted": True}
        assert engine.mail[message_id].view.read_status == "unread"
        (raw,) = (await client.read_resource(f"{base}/messages/{message_id}/raw")).contents
        assert raw.mime_type == "message/rfc822"
        assert base64.b64decode(raw.blob).startswith(b"From: ")
        (file,) = (await client.read_resource(f"{base}/messages/{message_id}/attachments/0")).contents
        assert (file.mime_type, base64.b64decode(file.blob)) == ("text/csv", b"1,2")


@pytest.mark.parametrize(
    "uri",
    [
        "mail://x",
        "http://example.org/",
        "mail://reviews",
        f"mail://{AGENT}/messages/nope",
        f"mail://{OTHER}/inbox",
    ],
)
async def test_what_is_not_there_is_a_protocol_error(connect: Connect, uri: str) -> None:
    async with connect() as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.error.code == -32602


async def test_the_older_era_has_its_own_code_for_it(connect: Connect) -> None:
    async with connect(mode=LEGACY) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(f"mail://{AGENT}/messages/nope")
    assert caught.value.error.code == -32002


async def test_freshness_is_told(connect: Connect, engine: MemoryEngine) -> None:
    message_id = await engine.deliver()
    async with connect(cache=None) as client:
        tools = await client.list_tools()
        assert (tools.ttl_ms, tools.cache_scope) == (3_600_000, "private")
        raw = await client.read_resource(f"mail://{AGENT}/messages/{message_id}/raw")
        assert (raw.ttl_ms, raw.cache_scope) == (3_600_000, "private")
        inbox = await client.read_resource(f"mail://{AGENT}/inbox")
        assert inbox.ttl_ms == 0


async def test_completion(connect: Connect, engine: MemoryEngine) -> None:
    message_id = await engine.deliver(conversation="conv_1", attachments=[("a", "text/csv", b"1")])
    message = ResourceTemplateReference(uri="mail://{email}/messages/{id}")
    attachment = ResourceTemplateReference(uri="mail://{email}/messages/{id}/attachments/{index}")
    conversation = ResourceTemplateReference(uri="mail://{email}/conversations/{id}")
    email = {"email": AGENT}
    async with account_client(engine) as client:

        async def values(
            ref: object, name: str, typed: str, context: dict[str, str] | None = None
        ) -> list[str]:
            answer = await client.complete(ref, {"name": name, "value": typed}, context_arguments=context)
            return list(answer.completion.values)

        assert await values(message, "email", "") == [AGENT, OTHER]
        assert await values(message, "email", "oth") == [OTHER]
        assert await values(message, "id", message_id[:6], email) == [message_id]
        assert await values(message, "id", "zzz", email) == []
        assert await values(message, "id", "") == []
        assert await values(message, "id", "", {"email": "nobody@nowhere"}) == []
        assert await values(conversation, "id", "conv", email) == ["conv_1"]
        assert await values(attachment, "index", "", {**email, "id": message_id}) == ["0"]
        assert await values(PromptReference(name="reply_to_message"), "message_id", "", email) == [message_id]


async def test_prompts(connect: Connect) -> None:
    async with connect() as client:
        names = [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert names == ["triage_inbox", "reply_to_message", "daily_digest"]
        for name, arguments in (("triage_inbox", {}), ("daily_digest", {"since": "2026-01-01"})):
            assert (await client.get_prompt(name, arguments)).messages[0].role == "user"
        reply = await client.get_prompt("reply_to_message", {"message_id": "msg_1", "guidance": "say\nyes"})
        assert "msg_1" in reply.messages[0].content.text
        assert "say yes" in reply.messages[0].content.text
        for name, arguments in (
            ("reply_to_message", {}),
            ("review_queue", {}),
            ("triage_inbox", {"nope": "x"}),
        ):
            with pytest.raises(MCPError):
                await client.get_prompt(name, arguments)
    async with connect("account") as client:
        assert "content_hash" in (await client.get_prompt("review_queue", {})).messages[0].content.text


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_asked_for(text: str) -> None:
    parse_mail_uri(text)
    parse_mail_uri("mail://" + text)
    parse_mail_uri(f"mail://{AGENT}/messages/x/attachments/{text}")


@given(st.emails(), st.text(min_size=1))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(email: str, message_id: str) -> None:
    target = parse_mail_uri(mail_uri(email, "messages", message_id))
    assert target is not None
    assert (target.kind, target.email, target.id) == ("message", email.lower(), message_id)
