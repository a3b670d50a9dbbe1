"""Loads attachments to send: from a mail resource, a file below an allowed folder, or the call itself."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Sequence
from typing import Annotated

import anyio.to_thread
from pydantic import AfterValidator, Field

from e2a_core.contract.limits import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS_BYTES
from e2a_core.contract.sending import Attachment
from e2a_core.errors import InvalidAttachment, PayloadTooLarge
from e2a_mcp.opening import read_below
from e2a_mcp.schema import Arguments
from e2a_mcp.tool import Call
from e2a_mcp.uris import parse_mail_uri

__all__ = ["AttachmentSource", "load_attachments"]

_FALLBACK_TYPE = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[a-zA-Z][\w.+-]*/[\w.+-]+", re.ASCII)


def _media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text):
        raise ValueError("must be a media type such as application/pdf")
    return text


class AttachmentSource(Arguments):
    """One file to send: `uri`, `path` or `data`, exactly one of them."""

    uri: Annotated[str, Field(description="mail://… of a received attachment")] | None = None
    path: Annotated[str, Field(description="a file of an allowed folder")] | None = None
    data: Annotated[str, Field(description="base64")] | None = None
    filename: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    content_type: Annotated[str, Field(max_length=127), AfterValidator(_media_type)] | None = None


async def load_attachments(call: Call, sources: Sequence[AttachmentSource]) -> list[Attachment]:
    """Returns the attachments in the form the engine takes.

    Raises `InvalidAttachment`, which names the argument at fault, and `PayloadTooLarge`.
    """
    loaded = []
    total = 0
    for index, source in enumerate(sources):
        content, attachment = await _load(call, source, f"attachments[{index}]")
        if content > MAX_ATTACHMENT_BYTES:
            raise PayloadTooLarge("attachment", content, MAX_ATTACHMENT_BYTES, filename=attachment.filename)
        total += content
        if total > MAX_ATTACHMENTS_BYTES:
            raise PayloadTooLarge("attachments_total", total, MAX_ATTACHMENTS_BYTES)
        loaded.append(attachment)
    return loaded


async def _load(call: Call, source: AttachmentSource, where: str) -> tuple[int, Attachment]:
    given = [name for name in ("uri", "path", "data") if getattr(source, name) is not None]
    if len(given) != 1:
        raise InvalidAttachment(
            f"{where} needs exactly one of uri, path, data", location=_location(where), status=422
        )
    if source.uri is not None:
        return await _from_mail(call, source, source.uri, where)
    if source.path is not None:
        return await _from_file(call, source, source.path, where)
    return _from_data(source, source.data or "", where)


async def _from_mail(call: Call, source: AttachmentSource, uri: str, where: str) -> tuple[int, Attachment]:
    target = parse_mail_uri(uri)
    if target is None or target.kind != "attachment":
        raise InvalidAttachment(
            f"{where}.uri must be mail://EMAIL/messages/ID/attachments/INDEX",
            location=_location(f"{where}.uri"),
            status=422,
        )
    content = await call.session.messages.attachment_content(target.email, target.id, target.index)
    return len(content.data), Attachment(
        filename=source.filename or content.meta.filename or f"attachment-{target.index}",
        content_type=source.content_type or content.meta.content_type or _FALLBACK_TYPE,
        data=base64.b64encode(content.data).decode(),
    )


async def _from_file(call: Call, source: AttachmentSource, path: str, where: str) -> tuple[int, Attachment]:
    roots = call.services.attachment_roots
    field = f"{where}.path"
    if not roots:
        raise InvalidAttachment(
            f"{field} is not allowed here: set E2A_MCP_ATTACHMENT_ROOTS on a stdio server, or use uri or data",
            location=_location(field),
            status=422,
        )
    try:
        name, data = await anyio.to_thread.run_sync(read_below, roots, path, MAX_ATTACHMENT_BYTES + 1)
    except (OSError, ValueError, RuntimeError):
        # The same error for a missing file and for one outside, so that callers cannot probe for paths.
        raise InvalidAttachment(
            f"{field} must be a readable file below an allowed folder, with one name and no symbolic link on the way",
            location=_location(field),
            status=422,
        ) from None
    return len(data), Attachment(
        filename=source.filename or name,
        content_type=_type_of(source, name),
        data=base64.b64encode(data).decode(),
    )


def _from_data(source: AttachmentSource, data: str, where: str) -> tuple[int, Attachment]:
    if source.filename is None:
        raise InvalidAttachment(
            f"{where}.filename is required with data",
            location=_location(f"{where}.filename"),
            status=422,
        )
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidAttachment(
            f"{where}.data must be standard padded base64", location=_location(f"{where}.data"), status=422
        ) from None
    return size, Attachment(
        filename=source.filename, content_type=_type_of(source, source.filename), data=data
    )


def _type_of(source: AttachmentSource, name: str) -> str:
    return source.content_type or mimetypes.guess_type(name)[0] or _FALLBACK_TYPE


def _location(where: str) -> str:
    return f"arguments.{where}"
