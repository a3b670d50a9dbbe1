"""Decodes ISO-2022-JP as mail clients write it: with the vendor rows of CP50221, katakana, JIS X 0212 and 0213.

Python's codec knows the standard rows only (RFC 1468, RFC 1554), and answers U+FFFD for characters such as a circled
one, which Outlook and Japanese phones send.
"""

from __future__ import annotations

import re

__all__ = ["decode_euc_jp", "decode_iso2022_jp", "looks_like_iso2022"]

_ESCAPE = re.compile(rb"\x1b(\$[@AB]|\$\([A-DOPQ]|\([BHIJ])")
_HIGH = bytes(octet | 0x80 if 0x21 <= octet <= 0x7E else octet for octet in range(256))
_SHIFTED = re.compile(rb"\x0e([^\x0e\x0f\x1b]*+)\x0f?")
_PAIR = re.compile(rb"[\xa1-\xfe]{2}")


def looks_like_iso2022(data: bytes) -> str | None:
    """The charset that the escape sequences of 7-bit `data` announce, or None."""
    if b"\x1b$" not in data and b"\x1b(" not in data:
        return None
    if b"\x1b$)C" in data:
        return "iso-2022-kr"
    return "iso-2022-jp" if _ESCAPE.search(data) else None


def decode_iso2022_jp(data: bytes) -> str:
    """The text of `data`; what no table has becomes U+FFFD."""
    pieces: list[str] = []
    designated, position = b"(B", 0
    for match in _ESCAPE.finditer(data):
        pieces.append(_segment(data[position : match.start()], designated))
        designated, position = match[1], match.end()
    pieces.append(_segment(data[position:], designated))
    return "".join(pieces)


def _segment(octets: bytes, designated: bytes) -> str:
    if not octets:
        return ""
    if designated == b"(I":
        return octets.translate(_HIGH).decode("cp932", "replace")
    if designated in {b"(B", b"(J", b"(H"}:
        # Shift-out selects katakana in CP50222.
        shifted = _SHIFTED.sub(lambda match: match[1].translate(_HIGH), octets)
        return shifted.decode("cp932", "replace")
    high = octets.translate(_HIGH)
    if designated == b"$(D":
        return _PAIR.sub(rb"\x8f\g<0>", high).decode("euc_jp", "replace")
    if designated in {b"$(O", b"$(P", b"$(Q"}:
        prefix = rb"\x8f\g<0>" if designated == b"$(P" else rb"\g<0>"
        return _PAIR.sub(prefix, high).decode("euc_jis_2004", "replace")
    if designated == b"$(C":
        return high.decode("cp949", "replace")
    if designated in {b"$A", b"$(A"}:
        return high.decode("gb18030", "replace")
    return decode_euc_jp(high)


def decode_euc_jp(high: bytes) -> str:
    """EUC-JP text, whose vendor rows are read as Windows reads them."""
    try:
        return high.decode("euc_jp")
    except UnicodeDecodeError:
        return _PAIR.sub(_as_shift_jis, high).decode("cp932", "replace")


def _as_shift_jis(match: re.Match[bytes]) -> bytes:
    """One character of JIS X 0208 in Shift_JIS, of which cp932 knows the vendor rows."""
    row, cell = match[0][0] & 0x7F, match[0][1] & 0x7F
    lead = ((row + 1) >> 1) + (0x70 if row < 0x5F else 0xB0)
    trail = cell + 0x7E if row % 2 == 0 else cell + (0x20 if cell >= 0x60 else 0x1F)
    return bytes((lead, trail))
