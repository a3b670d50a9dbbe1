"""Resources, their templates and completion, and the prompts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

from e2a_mcp.render import mail_uri
from e2a_mcp.uris import parse_mail_uri

from .relay import LEGACY, Relay
from .results import octets_of

pytestmark = pytest.mark.anyio

MIXED_TYPE = {"MIME-Version": "1.0", "Content-Type": 'multipart/mixed; boundary="b"'}
MIXED = (
    b"--b\r\nContent-Type: text/plain\r\n\r\nthe words\r\n"
    b'--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="a.csv"\r\n\r\n1,2\r\n--b--\r\n'
)


async def test_the_inboxes_are_listed(relay: Relay) -> None:
    box, other = await relay.inbox(), await relay.inbox()
    async with box.client() as client:
        assert [item.uri for item in (await client.list_resources()).resources] == [box.uri]
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
    async with relay.account() as client:
        uris = [item.uri for item in (await client.list_resources()).resources]
    assert {box.uri, other.uri} < set(uris)
    assert uris[-1] == "mail://reviews"


async def test_each_kind_is_read(relay: Relay, era: str) -> None:
    box = await relay.inbox()
    message_id = await box.deliver(headers=MIXED_TYPE, body=MIXED)
    conversation_id, _ = await box.converse()
    base = f"mail://{box.email}"
    async with box.client(era) as client:
        for uri, words in {
            f"{base}/inbox": "the words",
            f"{base}/messages/{message_id}": "the words",
            f"{base}/conversations/{conversation_id}": "Re: Hello",
        }.items():
            (contents,) = (await client.read_resource(uri)).contents
            assert isinstance(contents, TextResourceContents)
            assert contents.mime_type == "text/plain"
            assert words in contents.text
            assert "<<" in contents.text
            assert contents.meta == {"dev.e2a/untrusted": True}
        assert (await box.get(message_id)).read_status == "unread"
        raw = await client.read_resource(f"{base}/messages/{message_id}/raw")
        assert raw.contents[0].mime_type == "message/rfc822"
        assert b"Subject: Hello" in octets_of(raw)
        assert (await box.get(message_id)).read_status == "unread"
        file = await client.read_resource(f"{base}/messages/{message_id}/attachments/0")
        (contents,) = file.contents
        assert isinstance(contents, TextResourceContents)
        assert (contents.mime_type, contents.text.strip()) == ("text/csv", "1,2")


async def test_what_is_not_there_is_a_protocol_error(relay: Relay, era: str) -> None:
    box, other = await relay.inbox(), await relay.inbox()
    nothing = ["mail://x", "http://example.org/", "mail://reviews", f"mail://{box.email}/messages/nope"]
    async with box.client(era) as client:
        for uri in (*nothing, other.uri):
            with pytest.raises(MCPError) as caught:
                await client.read_resource(uri)
            # The older era has a code of its own for what is not there.
            legacy_code = -32002 if uri in nothing else -32602
            assert caught.value.error.code == (legacy_code if era == LEGACY else -32602)


async def test_freshness_is_told(relay: Relay) -> None:
    box = await relay.inbox()
    message_id = await box.deliver()
    async with box.client(cache=None) as client:
        tools = await client.list_tools()
        assert (tools.ttl_ms, tools.cache_scope) == (3_600_000, "private")
        raw = await client.read_resource(f"mail://{box.email}/messages/{message_id}/raw")
        assert (raw.ttl_ms, raw.cache_scope) == (3_600_000, "private")
        assert (await client.read_resource(box.uri)).ttl_ms == 0


async def test_completion(relay: Relay) -> None:
    box = await relay.inbox()
    message_id = await box.deliver(headers=MIXED_TYPE, body=MIXED)
    conversation_id, _ = await box.converse()
    message = ResourceTemplateReference(uri="mail://{email}/messages/{id}")
    attachment = ResourceTemplateReference(uri="mail://{email}/messages/{id}/attachments/{index}")
    conversation = ResourceTemplateReference(uri="mail://{email}/conversations/{id}")
    email = {"email": box.email}
    async with relay.account() as client:

        async def values(
            ref: ResourceTemplateReference | PromptReference,
            name: str,
            typed: str,
            context: dict[str, str] | None = None,
        ) -> list[str]:
            answer = await client.complete(ref, {"name": name, "value": typed}, context_arguments=context)
            return list(answer.completion.values)

        assert box.email in await values(message, "email", "")
        assert await values(message, "email", box.email[:12].upper()) == [box.email]
        assert await values(message, "id", message_id[:12], email) == [message_id]
        assert await values(message, "id", "zzz", email) == []
        assert await values(message, "id", "") == []
        assert await values(message, "id", "", {"email": "nobody@nowhere"}) == []
        assert await values(conversation, "id", conversation_id[:6], email) == [conversation_id]
        assert await values(attachment, "index", "", {**email, "id": message_id}) == ["0"]
        assert message_id in await values(PromptReference(name="reply_to_message"), "message_id", "", email)
    async with box.client() as client:
        assert await values(message, "email", "") == [box.email]


async def test_prompts(relay: Relay) -> None:
    async with relay.client(relay.home.agent_key) as client:
        names = [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert names == ["triage_inbox", "reply_to_message", "daily_digest"]
        for name, arguments in (("triage_inbox", {}), ("daily_digest", {"since": "2026-01-01"})):
            assert (await client.get_prompt(name, arguments)).messages[0].role == "user"
        reply = await client.get_prompt("reply_to_message", {"message_id": "msg_1", "guidance": "say\nyes"})
        prompt = reply.messages[0].content
        assert isinstance(prompt, TextContent)
        assert "msg_1" in prompt.text
        assert "say yes" in prompt.text
        for name, arguments in (
            ("reply_to_message", {}),
            ("review_queue", {}),
            ("triage_inbox", {"nope": "x"}),
        ):
            with pytest.raises(MCPError):
                await client.get_prompt(name, arguments)
    async with relay.account() as client:
        queue = (await client.get_prompt("review_queue", {})).messages[0].content
        assert isinstance(queue, TextContent)
        assert "content_hash" in queue.text


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_asked_for(text: str) -> None:
    parse_mail_uri(text)
    parse_mail_uri("mail://" + text)
    parse_mail_uri(f"mail://assistant@agents.example/messages/x/attachments/{text}")


@given(st.emails(), st.text(min_size=1))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(email: str, message_id: str) -> None:
    target = parse_mail_uri(mail_uri(email, "messages", message_id))
    assert target is not None
    assert (target.kind, target.email, target.id) == ("message", email.lower(), message_id)
