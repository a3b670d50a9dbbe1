"""`e2a messages`, `e2a conversations`, `e2a labels`: the mail of one inbox."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from e2a_core.contract.message_views import AttachmentMetaView, MessageView
from e2a_core.contract.messages import UpdateMessageRequest
from e2a_core.errors import SettingsError
from e2a_mcp.program.commands.acting import HERE, Acting, Agent, Where, act
from e2a_mcp.program.commands.derive import Verb, add
from e2a_mcp.program.commands.letters import (
    conversation,
    conversation_line,
    letter,
    message_line,
    step_line,
)
from e2a_mcp.program.commands.mail import MessageId
from e2a_mcp.program.commands.progress import counting

__all__ = ["attachments", "conversations", "labels", "messages"]

FILE_MODE = 0o600
MAX_NAME = 120
"""Characters kept of the name that the sender gave a file."""
_UNSAFE = re.compile(r"[^\w.@+-]+")

messages = App(name="messages")
add(
    messages,
    "messages",
    Verb(
        name="list",
        operation="list_messages",
        of_inbox=True,
        shown=message_line,
        empty="no mail",
        defaults=(("read_status", "all"),),
    ),
    Verb(name="trash", operation="delete_message", of_inbox=True),
    Verb(name="restore", operation="restore_message", of_inbox=True, shown=letter),
    Verb(name="lifecycle", operation="get_message_lifecycle", of_inbox=True, shown=step_line),
)


@messages.command
def get(
    id: MessageId,
    /,
    *,
    text: Annotated[bool, Parameter(help="Print the text the author wrote and nothing else.")] = False,
    raw: Annotated[bool, Parameter(help="Print the message as it was transmitted (RFC 5322).")] = False,
    peek: Annotated[bool, Parameter(help="Do not mark it read.")] = False,
    agent: Agent = None,
    where: Where = HERE,
) -> int:
    """Read a message, which marks it read."""
    if text + raw + where.json > 1:
        raise SettingsError("--text, --raw and --json exclude each other")

    async def work(it: Acting) -> None:
        inbox = await it.inbox(agent)
        if raw:
            it.output.octets(await it.session.messages.raw(inbox, id))
            return
        message = await it.session.messages.get(inbox, id, peek=peek, whole=text or not it.output.as_json)
        if text:
            it.output.text(_text(message))
            return
        it.output.one(message, letter)
        if not it.output.as_json:
            it.output.line("")
            it.output.text(_text(message))

    return act(where, work, agent=agent)


def _text(message: MessageView) -> str:
    parsed, body = message.parsed, message.body
    return (parsed.text if parsed else "") or (body.text if body else "") or ""


attachments = App(name="attachments", help="Files of a message.")
messages.command(attachments)


@attachments.command
def download(
    id: MessageId,
    index: Annotated[int | None, Parameter(help="The number of the file; all of them if left out.")] = None,
    /,
    *,
    to: Annotated[Path, Parameter(help="The folder they are written to; it must exist.")] = Path(),
    agent: Agent = None,
    where: Where = HERE,
) -> int:
    """Write the files of a message into a folder. A file that is there already is never written over."""
    if not to.is_dir():
        raise SettingsError(f"{to} must be a folder")

    async def work(it: Acting) -> None:
        inbox = await it.inbox(agent)
        found = (await it.session.messages.get(inbox, id, peek=True)).attachments
        wanted = [file for file in found if index in (None, file.index)]
        if not wanted:
            raise SettingsError(f"{id} has {len(found)} attachments, numbered from 0")
        with counting("downloading", sum(file.size_bytes for file in wanted)) as advance:
            for file in wanted:
                content = await it.session.messages.attachment_content(inbox, id, file.index)
                path = _write(to, file, content.data)
                advance(file.size_bytes)
                if it.output.as_json:
                    it.output.json({**file.to_wire(), "path": str(path)})
                else:
                    it.output.line(f"{path}  {len(content.data):,} octets")

    return act(where, work, agent=agent)


def _write(folder: Path, file: AttachmentMetaView, data: bytes) -> Path:
    """Writes under a name that is free, made of harmless characters of the sender's (CWE-22)."""
    name = _UNSAFE.sub("_", (file.filename or "").replace("\\", "/").rpartition("/")[2]).lstrip(".-")[
        -MAX_NAME:
    ]
    stem, suffix = os.path.splitext(name or f"attachment-{file.index}")
    for number in range(1, 1000):
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        except FileExistsError:
            continue
        except OSError as problem:
            raise SettingsError(f"{path} cannot be written: {problem.strerror}") from None
        with os.fdopen(opened, "wb") as written:
            written.write(data)
        return path
    raise SettingsError(f"{folder} has a thousand files named {stem}")


conversations = App(name="conversations")
add(
    conversations,
    "conversations",
    Verb(
        name="list", operation="list_conversations", of_inbox=True, shown=conversation_line, empty="no mail"
    ),
    Verb(name="get", operation="get_conversation", of_inbox=True, shown=conversation),
)

labels = App(name="labels")
Label = Annotated[list[str], Parameter(help="A label; several may follow.")]


@labels.command(name="add")
def add_(id: MessageId, label: Label, /, *, agent: Agent = None, where: Where = HERE) -> int:
    """Put labels on a message."""
    return _labelled(where, agent, id, UpdateMessageRequest(add_labels=label))


@labels.command
def remove(id: MessageId, label: Label, /, *, agent: Agent = None, where: Where = HERE) -> int:
    """Take labels off a message."""
    return _labelled(where, agent, id, UpdateMessageRequest(remove_labels=label))


def _labelled(where: Where, agent: str | None, id: str, request: UpdateMessageRequest) -> int:
    async def work(it: Acting) -> None:
        it.output.one(await it.session.messages.update(await it.inbox(agent), id, request))

    return act(where, work, agent=agent)
