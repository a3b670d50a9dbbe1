"""Sending through the tools: minted keys, attachments by resource, path and bytes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp import Client

from .conftest import Connect
from .memory import AGENT, MemoryEngine

pytestmark = pytest.mark.anyio


async def call(client: Client, name: str, /, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result


async def test_a_send_without_key_lets_the_engine_mint_one(connect: Connect, engine: MemoryEngine) -> None:
    async with connect() as client:
        for more in ({}, {"allow_duplicate": True}, {"idempotency_key": "k-1"}):
            await call(client, "send_message", to=["a@example.org"], subject="s", text="t", **more)
    options = [option for _, option in engine.sent]
    assert [(item.mint_key, item.idempotency_key) for item in options] == [
        (True, None),
        (False, None),
        (False, "k-1"),
    ]


async def test_replies_keep_the_thread(connect: Connect, engine: MemoryEngine) -> None:
    message_id = await engine.deliver("question", conversation="conv_q")
    async with connect() as client:
        result = await call(client, "reply_to_message", message_id=message_id, text="answer", reply_all=True)
    assert result.structured_content["conversation_id"] == "conv_q"
    request, _ = engine.sent[0]
    assert (request.text, request.reply_all, request.cc) == ("answer", True, None)


async def test_a_forward_without_words_sends_an_empty_text(connect: Connect, engine: MemoryEngine) -> None:
    message_id = await engine.deliver()
    async with connect() as client:
        await call(client, "forward_message", message_id=message_id, to=["b@example.org"])
    assert engine.sent[0][0].text == ""


async def test_a_held_send_says_not_to_repeat_it(connect: Connect, engine: MemoryEngine) -> None:
    engine.hold_sends = True
    async with connect() as client:
        result = await call(client, "send_message", to=["a@example.org"], subject="s", text="t")
    assert result.structured_content["status"] == "pending_review"
    assert "do not send it again" in result.content[0].text


async def test_template_fields_are_accepted_and_not_listed(connect: Connect, engine: MemoryEngine) -> None:
    async with connect() as client:
        (tool,) = (tool for tool in (await client.list_tools()).tools if tool.name == "send_message")
        assert "template_id" not in tool.input_schema["properties"]
        await call(client, "send_message", to=["a@example.org"], template_id="t1", template_data={"A b": 1})
    assert engine.sent[0][0].template_data == {"A b": 1}


async def test_an_attachment_goes_round(connect: Connect, engine: MemoryEngine) -> None:
    """Received, seen as a link, read as a resource, sent on by its URI."""
    data = bytes(range(256))
    message_id = await engine.deliver(attachments=[("report.pdf", "application/pdf", data)])
    async with connect() as client:
        read = await call(client, "get_message", message_id=message_id)
        (link,) = (block for block in read.content if block.type == "resource_link")
        assert (link.name, link.mime_type, link.size) == ("report.pdf", "application/pdf", 256)
        assert link.uri == f"mail://{AGENT}/messages/{message_id}/attachments/0"
        resource = await client.read_resource(link.uri)
        assert base64.b64decode(resource.contents[0].blob) == data
        got = await call(client, "get_attachment", message_id=message_id, attachment_index=0)
        assert got.structured_content["uri"] == link.uri
        assert "data" not in got.structured_content
        inline = await call(client, "get_attachment", message_id=message_id, attachment_index=0, inline=True)
        assert base64.b64decode(inline.structured_content["data"]) == data
        await call(
            client,
            "send_message",
            to=["a@example.org"],
            subject="s",
            text="t",
            attachments=[{"uri": link.uri}],
        )
    (attachment,) = engine.sent[0][0].attachments
    assert (attachment.filename, attachment.content_type) == ("report.pdf", "application/pdf")
    assert base64.b64decode(attachment.data) == data


async def test_a_file_below_an_allowed_folder_is_attached(
    connect: Connect, engine: MemoryEngine, tmp_path: Path
) -> None:
    await anyio.Path(tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    async with connect(roots=(tmp_path,)) as client:
        for path in ("notes.txt", str(tmp_path / "notes.txt")):
            await call(
                client,
                "send_message",
                to=["a@example.org"],
                subject="s",
                text="t",
                attachments=[{"path": path}],
            )
    for request, _ in engine.sent:
        (attachment,) = request.attachments
        assert (attachment.filename, attachment.content_type) == ("notes.txt", "text/plain")
        assert base64.b64decode(attachment.data) == b"hello"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """An allowed folder with ways out of it, beside a secret."""
    root = (tmp_path / "allowed").resolve()
    root.mkdir()
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    (root / "link.txt").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path)
    return root


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "link.txt",
        "folder/secret.txt",
        "/etc/passwd",
        ".",
        "missing.txt",
        "a\x00b",
        "~/../../etc/passwd",
        "~nobody-of-this-name/x",
    ],
)
async def test_no_path_leads_out_of_the_allowed_folder(
    connect: Connect, engine: MemoryEngine, outside: Path, path: str
) -> None:
    async with connect(roots=(outside,)) as client:
        arguments = {"to": ["a@example.org"], "text": "t", "attachments": [{"path": path}]}
        result = await client.call_tool("send_message", arguments)
    assert result.is_error
    assert result.structured_content["code"] == "invalid_attachment"
    assert engine.sent == []


@pytest.mark.parametrize(
    ("attachment", "words"),
    [
        ({"path": "/etc/passwd"}, "not allowed here"),
        ({}, "exactly one of uri, path, data"),
        ({"uri": "mail://x/inbox"}, "must be mail://EMAIL/messages/ID/attachments/INDEX"),
        ({"uri": "file:///etc/passwd"}, "must be mail://EMAIL/messages/ID/attachments/INDEX"),
        ({"data": "!!!", "filename": "a", "content_type": "text/plain"}, "base64"),
        ({"data": "QQ==", "content_type": "text/plain"}, "needs filename and content_type"),
        ({"data": "QQ==", "uri": "mail://x"}, "exactly one of uri, path, data"),
    ],
)
async def test_a_wrong_attachment_is_named(
    connect: Connect, engine: MemoryEngine, attachment: dict[str, str], words: str
) -> None:
    async with connect() as client:
        arguments = {"to": ["a@example.org"], "text": "t", "attachments": [attachment]}
        result = await client.call_tool("send_message", arguments)
    assert result.structured_content["code"] == "invalid_attachment"
    assert words in result.content[0].text
    assert "attachments[0]" in result.content[0].text
    assert engine.sent == []


async def test_a_wrong_media_type_is_told_what_is_right(connect: Connect, engine: MemoryEngine) -> None:
    attachment = {"data": "aGk=", "filename": "a", "content_type": "pdf"}
    arguments = {"to": ["a@b.c"], "text": "t", "attachments": [attachment], "send_at": "tomorrow"}
    async with connect() as client:
        result = await client.call_tool("send_message", arguments)
    told = result.content[0].text
    assert "attachments[0].content_type: must be a media type such as application/pdf" in told
    assert "send_at must be RFC 3339, such as 2030-01-31T09:00:00Z" in told
    assert engine.sent == []


async def test_too_many_bytes_are_refused_before_the_engine(connect: Connect, engine: MemoryEngine) -> None:
    data = base64.b64encode(bytes(10 * 1024 * 1024 + 1)).decode()
    async with connect() as client:
        attachment = {"data": data, "filename": "big.bin", "content_type": "application/zip"}
        result = await client.call_tool(
            "send_message", {"to": ["a@b.c"], "text": "t", "attachments": [attachment]}
        )
    assert result.structured_content["code"] == "payload_too_large"
    assert engine.sent == []
