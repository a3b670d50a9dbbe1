"""Adds and removes trace fields of a received message (RFC 5321 section 4.4, RFC 8601 section 5)."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from e2a_core.mail.domains import to_ascii_domain
from e2a_core.mail.headers import header_section_end

__all__ = ["received_header", "strip_forged_fields"]

MAX_WORD_CHARS = 255
"""A client chooses its HELO name freely; a longer one is no name and would exceed the line limit."""

_UNSAFE = re.compile(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~.@:\[\]-]")
_CLAIMING_FIELD = re.compile(
    rb"^(?:(authentication-results)|x-e2a-auth-[!-9;-~]*+)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
"""Matches the whole folded field, also with blanks before the colon (RFC 5322 section 4.5), as some readers do."""
_CLAIMING_NAMES = (b"authentication-results", b"x-e2a-auth-")
_QUOTED_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)', re.DOTALL)
_TOKEN = re.compile(r"[^\s;(\x00-\x1f]*")
_BLANKS = re.compile(r"[\s\x00-\x20]+")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def received_header(
    *,
    helo: str,
    peer: str | None,
    by: str,
    protocol: str,
    queue_id: str,
    instant: datetime,
    recipient: str | None = None,
) -> bytes:
    """A `Received` field with its final CRLF.

    `peer` is the client's IP address, `protocol` a keyword of RFC 3848 such as ESMTPS. Pass `recipient` only if it is
    the only one, since the field is visible to all recipients.
    """
    source = _word(helo) or "unknown"
    address = "" if peer is None else f" ([{'IPv6:' if ':' in peer else ''}{_word(peer)}])"
    lines = [
        f"Received: from {source}{address}",
        f"\tby {_word(by)} with {_word(protocol)} id {_word(queue_id)}",
    ]
    if recipient:
        lines.append(f"\tfor <{_word(recipient)}>")
    return ("\r\n".join(lines) + f";\r\n\t{_date(instant.replace(microsecond=0))}\r\n").encode("ascii")


def strip_forged_fields(raw: bytes, authserv_id: str) -> bytes:
    """`raw` without the fields that only this relay may write; all other octets are unchanged.

    Removes Authentication-Results fields that carry `authserv_id` (a server that adds the field must remove forged
    ones, RFC 8601 section 5), and all X-E2A-Auth fields, which the relay passes on separately from the message.
    """
    end = header_section_end(raw)
    section = raw[:end].lower()
    if not any(name in section for name in _CLAIMING_NAMES):
        return raw
    ours = _comparable(authserv_id)
    kept: list[bytes] = []
    position = 0
    for field in _CLAIMING_FIELD.finditer(raw, 0, end):
        if not field[1] or _comparable(_authserv_id(field[2].decode("utf-8", "replace"))) == ours:
            kept.append(raw[position : field.start()])
            position = field.end()
    return b"".join([*kept, raw[position:]]) if kept else raw


def _authserv_id(value: str) -> str:
    """The first token of the field after any comments, without quotes and without a version after `/`."""
    position = 0
    while position < len(value):
        char = value[position]
        if char.isspace() or char < " ":
            position += 1
        elif char == "(":
            position = _after_comment(value, position)
        else:
            break
    if value.startswith('"', position):
        quoted = _QUOTED_STRING.match(value, position)
        return _QUOTED_PAIR.sub(r"\1", quoted[1]) if quoted else ""
    token = _TOKEN.match(value, position)
    return token[0].partition("/")[0] if token else ""


def _after_comment(value: str, position: int) -> int:
    depth = 0
    while position < len(value):
        char = value[position]
        if char == "\\":
            position += 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return position + 1
        position += 1
    return position


def _comparable(authserv_id: str) -> str:
    name = _BLANKS.sub("", authserv_id)
    return to_ascii_domain(name) or name.lower()


@lru_cache(maxsize=4)
def _date(second: datetime) -> str:
    """The date as in RFC 5322 section 3.3; cached because many messages arrive within one second."""
    return format_datetime(second)


def _word(text: str) -> str:
    """Text from a peer, with every character that has a meaning in a header field replaced."""
    return _UNSAFE.sub("?", text[:MAX_WORD_CHARS])
