"""Makes winmail.dat, the container of Outlook and Exchange (MS-OXTNEF)."""

from __future__ import annotations

import struct

__all__ = ["MEETING", "RTF", "attribute", "file_in", "letter_in", "properties", "winmail"]


def attribute(level: int, identifier: int, data: bytes) -> bytes:
    return (
        bytes([level])
        + struct.pack("<II", identifier, len(data))
        + data
        + struct.pack("<H", sum(data) & 0xFFFF)
    )


def properties(*items: tuple[int, int, bytes]) -> bytes:
    made = struct.pack("<I", len(items))
    for kind, tag, value in items:
        made += struct.pack("<HHII", kind, tag, 1, len(value)) + value + b"\0" * (-len(value) % 4)
    return made


def winmail(*attributes: bytes) -> bytes:
    return b"\x78\x9f\x3e\x22\1\0" + b"".join(attributes)


def letter_in(text: str) -> bytes:
    return attribute(1, 0x0002800C, text.encode("cp1252") + b"\0")


def file_in(name: str, data: bytes) -> bytes:
    begin = attribute(2, 0x00069002, b"\0" * 14)
    return begin + attribute(2, 0x00018010, name.encode("cp1252") + b"\0") + attribute(2, 0x0006800F, data)


MEETING = attribute(1, 0x00078008, b"IPM.Microsoft Schedule.MtgReq\0")
"""The class of a meeting request, whose properties are not read."""
RTF = attribute(1, 0x00069003, properties((0x0102, 0x1009, b"LZFu")))
"""A letter in compressed RTF, which is not read."""
