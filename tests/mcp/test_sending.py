"""Sending through the tools: minted keys, attachments by resource, path and bytes."""

from __future__ import annotations

import base64
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import anyio
import pytest

from e2a_core.contract.message_views import MessageView
from e2a_core.contract.templates import CreateTemplateRequest
from mcp import Client

from .conftest import Connect
from .relay import EVERYTHING, Inbox
from .results import octets_of, text_of

pytestmark = pytest.mark.anyio


async def call(client: Client, name: str, /, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result


async def sent(box: Inbox) -> list[MessageView]:
    """What the inbox has sent, oldest first."""
    query = EVERYTHING.model_copy(update={"direction": "outbound", "sort": "asc"})
    rows = (await box.relay.owner.messages.list(box.email, query)).items
    return [await box.get(row.id) for row in rows]


async def attached(box: Inbox, message: MessageView) -> tuple[str, str, bytes]:
    """Name, type and octets of the one attachment of what was sent."""
    raw = await box.relay.owner.messages.raw(box.email, message.id)
    (part,) = BytesParser(policy=default).parsebytes(raw).iter_attachments()
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return str(part.get_filename()), part.get_content_type(), octets


async def test_the_same_words_are_sent_once_unless_a_repeat_is_asked_for(
    connect: Connect, box: Inbox
) -> None:
    """Without a key of the caller's the engine mints one from what is sent."""
    async with connect() as client:

        async def send(**more: object) -> str:
            result = await call(client, "send_message", to=["a@example.org"], subject="s", text="t", **more)
            return str(result.structured_content["message_id"])

        first = await send()
        assert await send() == first
        again = await send(allow_duplicate=True)
        # A key is the account's, which all tests of this module share.
        keyed = await send(idempotency_key=box.email)
        assert await send(idempotency_key=box.email) == keyed
    assert len({first, again, keyed}) == 3
    assert {message.id for message in await sent(box)} == {first, again, keyed}


async def test_replies_keep_the_thread(connect: Connect, box: Inbox) -> None:
    message_id = await box.deliver("question", headers={"To": box.email, "Cc": "carol@example.org"})
    async with connect() as client:
        result = await call(client, "reply_to_message", message_id=message_id, text="answer", reply_all=True)
    asked = await box.get(message_id)
    assert result.structured_content["conversation_id"] == asked.conversation_id
    (reply,) = await sent(box)
    assert (reply.subject, reply.conversation_id) == ("Re: question", asked.conversation_id)
    assert (reply.to, reply.cc) == (["alice@example.org"], ["carol@example.org"])


async def test_a_forward_without_words_has_the_forwarded_mail_alone(connect: Connect, box: Inbox) -> None:
    message_id = await box.deliver(text="Good morning.")
    async with connect() as client:
        await call(client, "forward_message", message_id=message_id, to=["b@example.org"])
    (forwarded,) = await sent(box)
    raw = await box.relay.owner.messages.raw(box.email, forwarded.id)
    part = BytesParser(policy=default).parsebytes(raw).get_body()
    assert part is not None
    text = part.get_content()
    assert text.lstrip().startswith("-")
    assert "Good morning." in text


async def test_a_held_send_says_not_to_repeat_it(connect: Connect, box: Inbox) -> None:
    await box.hold_sends()
    async with connect() as client:
        result = await call(client, "send_message", to=["a@example.org"], subject="s", text="t")
    assert result.structured_content["status"] == "pending_review"
    assert "do not send it again" in text_of(result)


async def test_template_fields_are_accepted_and_not_listed(connect: Connect, box: Inbox) -> None:
    template = CreateTemplateRequest(name="Greeting", subject="For {{A_b}}", text="Dear {{A_b}}")
    made = await box.relay.owner.templates.create(template)
    async with connect() as client:
        (tool,) = (tool for tool in (await client.list_tools()).tools if tool.name == "send_message")
        assert "template_id" not in tool.input_schema["properties"]
        await call(
            client, "send_message", to=["a@example.org"], template_id=made.id, template_data={"A_b": 1}
        )
    (message,) = await sent(box)
    assert message.subject == "For 1"


async def test_an_attachment_goes_round(connect: Connect, box: Inbox) -> None:
    """Received, seen as a link, read as a resource, sent on by its URI."""
    data = bytes(range(256))
    message_id = await box.deliver(
        headers={
            "MIME-Version": "1.0",
            "Content-Type": "application/pdf",
            "Content-Disposition": "attachment; filename=report.pdf",
            "Content-Transfer-Encoding": "base64",
        },
        body=base64.encodebytes(data).replace(b"\n", b"\r\n"),
    )
    async with connect() as client:
        read = await call(client, "get_message", message_id=message_id)
        (link,) = (block for block in read.content if block.type == "resource_link")
        assert (link.mime_type, link.size) == ("application/pdf", 256)
        assert "report.pdf" in link.name
        assert link.uri == f"mail://{box.email}/messages/{message_id}/attachments/0"
        assert octets_of(await client.read_resource(link.uri)) == data
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
    (message,) = await sent(box)
    assert await attached(box, message) == ("report.pdf", "application/pdf", data)


async def test_a_file_below_an_allowed_folder_is_attached(
    connect: Connect, box: Inbox, tmp_path: Path
) -> None:
    await anyio.Path(tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    async with connect(roots=(tmp_path,)) as client:
        for path in ("notes.txt", str(tmp_path / "notes.txt")):
            await call(
                client,
                "send_message",
                to=["a@example.org"],
                subject=path,
                text="t",
                attachments=[{"path": path}],
            )
    messages = await sent(box)
    assert len(messages) == 2
    for message in messages:
        assert await attached(box, message) == ("notes.txt", "text/plain", b"hello")


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
    connect: Connect, box: Inbox, outside: Path, path: str
) -> None:
    async with connect(roots=(outside,)) as client:
        arguments = {"to": ["a@example.org"], "text": "t", "attachments": [{"path": path}]}
        result = await client.call_tool("send_message", arguments)
    assert result.is_error
    assert result.structured_content["code"] == "invalid_attachment"
    assert await sent(box) == []


@pytest.mark.parametrize(
    ("attachment", "words"),
    [
        ({"path": "/etc/passwd"}, "not allowed here"),
        ({}, "exactly one of uri, path, data"),
        ({"uri": "mail://x/inbox"}, "must be mail://EMAIL/messages/ID/attachments/INDEX"),
        ({"uri": "file:///etc/passwd"}, "must be mail://EMAIL/messages/ID/attachments/INDEX"),
        ({"data": "!!!", "filename": "a", "content_type": "text/plain"}, "base64"),
        ({"data": "QQ==", "content_type": "text/plain"}, "attachments[0].filename is required with data"),
        ({"data": "QQ==", "uri": "mail://x"}, "exactly one of uri, path, data"),
    ],
)
async def test_a_wrong_attachment_is_named(
    connect: Connect, box: Inbox, attachment: dict[str, str], words: str
) -> None:
    async with connect() as client:
        arguments = {"to": ["a@example.org"], "text": "t", "attachments": [attachment]}
        result = await client.call_tool("send_message", arguments)
    assert result.structured_content["code"] == "invalid_attachment"
    assert words in text_of(result)
    assert "attachments[0]" in text_of(result)
    assert await sent(box) == []


async def test_a_wrong_media_type_is_told_what_is_right(connect: Connect, box: Inbox) -> None:
    attachment = {"data": "aGk=", "filename": "a", "content_type": "pdf"}
    arguments = {"to": ["a@b.c"], "text": "t", "attachments": [attachment], "send_at": "soon"}
    async with connect() as client:
        result = await client.call_tool("send_message", arguments)
    told = text_of(result)
    assert "attachments[0].content_type must be a media type such as application/pdf" in told
    assert "send_at must be an RFC 3339 time such as 2026-01-31T12:00:00Z" in told
    assert await sent(box) == []


async def test_too_many_bytes_are_refused_before_the_engine(connect: Connect, box: Inbox) -> None:
    data = base64.b64encode(bytes(10 * 1024 * 1024 + 1)).decode()
    async with connect() as client:
        attachment = {"data": data, "filename": "big.bin", "content_type": "application/zip"}
        result = await client.call_tool(
            "send_message", {"to": ["a@b.c"], "text": "t", "attachments": [attachment]}
        )
    assert result.structured_content["code"] == "payload_too_large"
    assert await sent(box) == []


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("plan.pdf", "application/pdf"),
        ("a.txt", "text/plain"),
        ("table.CSV", "text/csv"),
        ("who knows", "application/octet-stream"),
    ],
)
async def test_the_type_of_a_file_comes_from_its_name(
    connect: Connect, box: Inbox, filename: str, content_type: str
) -> None:
    async with connect() as client:
        file = {"data": "aGVsbG8=", "filename": filename}
        await call(client, "send_message", to="a@example.org", subject="s", text="t", attachments=[file])
    (attachment,) = (await box.newest()).attachments
    assert (attachment.filename, attachment.content_type) == (filename, content_type)


@pytest.mark.parametrize("member", ["content_base64", "content", "text", "body"])
async def test_an_unknown_member_of_a_file_is_told_with_all_valid_names(
    connect: Connect, box: Inbox, member: str
) -> None:
    async with connect() as client:
        file = {member: "aGVsbG8=", "filename": "a.txt"}
        arguments = {"to": "a@example.org", "subject": "s", "text": "t", "attachments": [file]}
        result = await client.call_tool("send_message", arguments)
    assert f"attachments[0].{member} is not an argument" in text_of(result)
    assert "valid names: content_type, data, filename, path, uri" in text_of(result)


async def test_the_inbox_itself_beside_others_is_told_to_be_left_out(connect: Connect, box: Inbox) -> None:
    line = f"not written to, since it is the inbox itself: {box.email}"
    others = {"subject": "s", "text": "t"}
    async with connect() as client:
        for place in ("to", "cc", "bcc"):
            given = {"to": ["a@example.org"], **others, "text": place}
            given[place] = [*given.get(place, ()), f"Me Myself <{box.email.upper()}>"]
            assert line in text_of(await call(client, "send_message", **given)).splitlines()
        alone = await call(client, "send_message", to=box.email, **others)
        assert "not written to" not in text_of(alone)
        usual = await call(client, "send_message", to="b@example.org", **others)
        assert "not written to" not in text_of(usual)
