"""The limits of attachments, texts, calls and messages agree with each other."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import fields
from datetime import UTC, datetime

from e2a_core.contract.limits import (
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENTS,
    MAX_ATTACHMENTS_BYTES,
    MAX_COMPOSED_BYTES,
    MAX_MESSAGE_OCTETS,
    MAX_RECIPIENTS,
)
from e2a_core.contract.operation import FILES_OCTETS
from e2a_core.mail.addresses import parse_address
from e2a_core.mail.generate import OutgoingAttachment, OutgoingMessage, generate_message
from e2a_core.settings import Settings
from e2a_core.smtpserver.limits import IntakeLimits
from e2a_mcp.asgi import MAX_BODY_BYTES

ROOM = MAX_COMPOSED_BYTES - MAX_ATTACHMENTS_BYTES
"""Octets of text beside the largest attachments."""
NAME = "Prüfbericht — " + "見" * 200 + ".pdf"

TEXTS = {
    "plain": "Just words. " * (ROOM // 12),
    "one line": "x" * ROOM,
    "empty lines": "\n" * ROOM,
    "blanks at line ends": " \n" * (ROOM // 2),
    "From at line starts": "From \n" * (ROOM // 6),
    "equals signs": "=" * ROOM,
    "every fourth is escaped": "abc=" * (ROOM // 4),
    "controls": "\x01" * ROOM,
    "other letters": "é" * (ROOM // 2),
    "ideographs": "見" * (ROOM // 3),
    "other letters after a plain beginning": "x" * 4096 + "é" * (ROOM // 2 - 4096),
    "emoji": "😀" * (ROOM // 4),
}


def largest_files() -> list[OutgoingAttachment]:
    """As many octets as are allowed, in as many files."""
    sizes = [MAX_ATTACHMENT_BYTES] * 2
    rest = MAX_ATTACHMENTS_BYTES - sum(sizes)
    others = MAX_ATTACHMENTS - len(sizes)
    sizes += [rest // others] * (others - 1)
    sizes.append(MAX_ATTACHMENTS_BYTES - sum(sizes))
    assert max(sizes) <= MAX_ATTACHMENT_BYTES
    return [OutgoingAttachment(NAME, "application/pdf", bytes(size)) for size in sizes]


def composed(text: str, *, as_html: bool, files: list[OutgoingAttachment]) -> int:
    """Octets of the message with the longest fields."""
    message = OutgoingMessage(
        sender=parse_address("agent@agents.example"),
        to=[
            parse_address(f"{'é' * 60}.{count} <{'x' * 60}{count}@example.org>")
            for count in range(MAX_RECIPIENTS)
        ],
        subject="é" * 2000,
        text=None if as_html else text,
        html=text if as_html else None,
        attachments=files,
    )
    date = datetime(2026, 1, 1, tzinfo=UTC)
    return len(
        generate_message(message, message_id="<1@agents.example>", date=date, boundary=lambda: "b" * 60)
    )


def test_the_largest_message_is_within_what_a_relay_takes_that_is_set_up_like_this_one() -> None:
    files = composed("", as_html=False, files=largest_files())
    assert files > MAX_ATTACHMENTS_BYTES * 78 / 57
    for name, text in TEXTS.items():
        for as_html in (False, True):
            assert files + composed(text, as_html=as_html, files=[]) < MAX_MESSAGE_OCTETS, (name, as_html)


def test_both_doors_of_a_relay_take_the_largest_message() -> None:
    [default] = [item.default for item in fields(Settings) if item.name == "smtp_max_message_bytes"]
    assert default == IntakeLimits().message_octets == MAX_MESSAGE_OCTETS
    assert IntakeLimits().data_memory_octets >= 2 * IntakeLimits().raw_octets


def test_a_call_may_carry_the_largest_message() -> None:
    call = {
        "to": ["x" * 64 + f"{count}@example.org" for count in range(MAX_RECIPIENTS)],
        "attachments": [
            {
                "filename": item.filename,
                "content_type": item.content_type,
                "data": b64encode(item.data).decode(),
            }
            for item in largest_files()
        ],
    }
    beside = len(json.dumps(call))
    for name, text in TEXTS.items():
        assert beside + len(json.dumps(text)) < min(FILES_OCTETS, MAX_BODY_BYTES), name
