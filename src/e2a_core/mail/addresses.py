"""Mailbox addresses (RFC 5322 section 3.4, RFC 6531) given by callers or read from header fields.

Addresses from callers are checked strictly; the error gives the reason. Header fields are read tolerantly, but as a
whole: a field that does not parse completely yields no addresses, so that a wrong author is never taken from it.
`mailboxes` reads what can be read of such a field, for display and for answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from e2a_core.errors import InvalidRecipient
from e2a_core.mail.domains import is_valid_domain, to_ascii_domain
from e2a_core.mail.headers import decode_words

__all__ = [
    "MAX_ADDR_SPEC_OCTETS",
    "MAX_FIELD_CHARS",
    "MAX_LOCAL_OCTETS",
    "MAX_MAILBOX_CHARS",
    "Address",
    "header_addresses",
    "is_valid_domain",
    "normalize_addr_spec",
    "parse_address",
    "parse_address_list",
    "split_plus",
    "to_ascii_domain",
]

MAX_LOCAL_OCTETS = 64
"""RFC 5321 4.5.3.1.1."""
MAX_ADDR_SPEC_OCTETS = 254
"""RFC 5321 4.5.3.1.3: a path of 256 octets less its angle brackets."""
REMEMBERED_ADDRESSES = 1024
"""Entries of each of the parser's caches: one message parses its addresses several times, and people write again.

`python -m bench intake` and `api_send` take a twentieth longer without.
"""
MAX_FIELD_CHARS = 128 * 1024
"""About 3,000 mailboxes with names, more than servers accept for one message; longer fields are not read."""
MAX_MAILBOX_CHARS = 2000
"""A longer text is not read as one mailbox: a name and an address take a few hundred."""
MAX_REMEMBERED_CHARS = 512
"""Longer texts are not cached, which bounds the cache's memory."""

_ATOM = r"[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+\Z")
_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r'|"(?P<quoted>(?:[^"\\]|\\.)*+)"'
    r"|(?P<literal>\[[^\[\]\\\x00-\x1f]*+\])"
    r"|(?P<special>[()<>@,;:])"
    r'|(?P<word>[^\x00-\x20\x7f()<>\[\]@,;:\\"]+)',
    re.DOTALL,
)
_COMMENT_PIECE = re.compile(r"[^()\\]+|\\.|[()]", re.DOTALL)
_QUOTED_LOCAL = re.compile(r'"((?:[^"\\]|\\.)++)"\Z', re.DOTALL)
_NAME_WITH_COMMA = re.compile(r"([^<>\"\\@();:,]*,[^<>\"\\@();:]*)(<[^<>,]+>)")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox. `local` is the local part without quoting; `domain` is spelled as given."""

    display_name: str
    local: str
    domain: str

    @property
    def addr_spec(self) -> str:
        """`local@domain`, with the local part quoted if the grammar requires it."""
        return f"{_quote_local(self.local)}@{self.domain}"

    @property
    def normalized(self) -> str:
        """The form used to compare addresses: lower-case local part, domain as lower-case A-labels."""
        short = len(self.local) + len(self.domain) <= MAX_REMEMBERED_CHARS
        return (_remembered_form if short else _comparable_form)(self.local, self.domain)

    def __str__(self) -> str:
        if not self.display_name:
            return self.addr_spec
        name = self.display_name
        if not _PHRASE.match(name):
            name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{name} <{self.addr_spec}>"


def _comparable_form(local: str, domain: str) -> str:
    return f"{_quote_local(local.lower())}@{to_ascii_domain(domain) or domain.lower()}"


_remembered_form = lru_cache(maxsize=REMEMBERED_ADDRESSES)(_comparable_form)


class _Token(NamedTuple):
    kind: str
    text: str
    spaced: bool


class _Unparsable(Exception):
    """The text is not a list of mailboxes; the message gives the reason."""


def parse_address(text: str) -> Address:
    """Parse exactly one mailbox from a caller: `user@example.com` or `Name <user@example.com>`.

    Raises InvalidRecipient, whose message says what is expected.
    """
    return _remembered(text) if len(text) <= MAX_REMEMBERED_CHARS else _parse_one(text)


def _parse_one(text: str) -> Address:
    if len(text) > MAX_MAILBOX_CHARS:
        raise InvalidRecipient(f"an address may have at most {MAX_MAILBOX_CHARS} characters, with its name")
    addresses = parse_address_list(_quoted_name(text))
    if len(addresses) != 1:
        raise InvalidRecipient("give exactly one address, such as user@example.com")
    return addresses[0]


def _quoted_name(text: str) -> str:
    """Returns the text with its display name in quotes if it holds a comma: `Doe, Ann <ann@example.org>`."""
    found = _NAME_WITH_COMMA.fullmatch(text.strip())
    return f'"{found[1].strip()}" {found[2]}' if found else text


_remembered = lru_cache(maxsize=REMEMBERED_ADDRESSES)(_parse_one)


def parse_address_list(text: str) -> list[Address]:
    """Parse comma-separated mailboxes from a caller; returns at least one.

    Raises InvalidRecipient, whose message says what is expected.
    """
    if any(ord(char) < 0x20 or char in "\x7f\x85\u2028\u2029" for char in text):
        raise InvalidRecipient("an address must be on one line, without control characters")
    try:
        addresses = _parse_list(text, groups=False)
    except _Unparsable as reason:
        raise InvalidRecipient(f"{reason}; write user@example.com or Name <user@example.com>") from None
    if not addresses:
        raise InvalidRecipient("an address is required, such as user@example.com")
    for address in addresses:
        _check_strict(address)
    return addresses


def header_addresses(value: str) -> list[Address]:
    """The mailboxes of an address field, with groups flattened and display names decoded (RFC 2047).

    Returns an empty list when the field does not parse as a whole, or is longer than `MAX_FIELD_CHARS`.
    """
    return list(_remembered_field(value) if len(value) <= MAX_REMEMBERED_CHARS else _parse_field(value))


def _parse_field(value: str) -> tuple[Address, ...]:
    if len(value) > MAX_FIELD_CHARS:
        return ()
    try:
        found = _parse_list(value, groups=True)
    except _Unparsable:
        return ()
    return tuple(Address(decode_words(item.display_name), item.local, item.domain) for item in found)


_remembered_field = lru_cache(maxsize=REMEMBERED_ADDRESSES)(_parse_field)


def normalize_addr_spec(text: str) -> str:
    """A bare `local@domain` in the form of `Address.normalized`; text without `@` is only lower-cased.

    Removes quotes that the local part does not need (RFC 5321 section 4.1.2).
    """
    local, at, domain = text.strip().rpartition("@")
    if not at:
        return domain.lower()
    if local.startswith('"') and (quoted := _QUOTED_LOCAL.match(local)):
        local = _quote_local(_QUOTED_PAIR.sub(r"\1", quoted[1]))
    return f"{local.lower()}@{to_ascii_domain(domain) or domain.lower()}"


def split_plus(local: str) -> tuple[str, str | None]:
    """Split a local part at its subaddress (RFC 5233): `agent+tag` becomes (`agent`, `tag`).

    The tag is None without a plus and "" when nothing follows it. A local part that begins with the plus is not
    split.
    """
    mailbox, plus, tag = local.partition("+")
    if not plus or not mailbox:
        return local, None
    return mailbox, tag


def _check_strict(address: Address) -> None:
    if not is_valid_domain(address.domain):
        raise InvalidRecipient("the domain after @ must be a domain name such as example.com")
    if len(address.local.encode()) > MAX_LOCAL_OCTETS:
        raise InvalidRecipient(f"the part before @ may have at most {MAX_LOCAL_OCTETS} octets")
    if len(address.addr_spec.encode()) > MAX_ADDR_SPEC_OCTETS:
        raise InvalidRecipient(f"an address may have at most {MAX_ADDR_SPEC_OCTETS} octets")


def _quote_local(local: str) -> str:
    if _DOT_ATOM.match(local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _parse_list(text: str, *, groups: bool) -> list[Address]:
    addresses: list[Address] = []
    element: list[_Token] = []
    in_group = in_angle = False

    def finish_element() -> None:
        if any(token.kind != "comment" for token in element):
            addresses.append(_mailbox(element))
        element.clear()

    for token in _tokenize(text):
        special = token.text if token.kind == "special" else ""
        if in_angle:
            element.append(token)
            in_angle = special != ">"
        elif special == ",":
            finish_element()
        elif special == ":":
            if not groups or in_group or any(item.kind == "special" for item in element):
                raise _Unparsable("a group or a stray colon is not an address")
            in_group = True
            element.clear()
        elif special == ";":
            if not in_group:
                raise _Unparsable("addresses are separated by commas")
            finish_element()
            in_group = False
        else:
            element.append(token)
            in_angle = special == "<"
    finish_element()
    return addresses


def _tokenize(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, spaced = 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _Unparsable("a character is not allowed there or a quote is not closed")
        kind = match.lastgroup or ""
        position = match.end()
        if kind == "space":
            spaced = True
            continue
        if match[0] == "(":
            body, position = _comment(text, position)
            tokens.append(_Token("comment", body, spaced))
        else:
            tokens.append(_Token(kind, match[kind], spaced))
        spaced = False
    return tokens


def _comment(text: str, position: int) -> tuple[str, int]:
    """The body of the comment opened just before `position`, and the position after it. Comments nest."""
    depth, start = 1, position
    while match := _COMMENT_PIECE.match(text, position):
        position = match.end()
        if match[0] == "(":
            depth += 1
        elif match[0] == ")":
            depth -= 1
            if not depth:
                return text[start : position - 1], position
    raise _Unparsable("a parenthesis is not closed")


def _mailbox(element: list[_Token]) -> Address:
    tokens = [token for token in element if token.kind != "comment"]
    opening = next((at for at, token in enumerate(tokens) if token == ("special", "<", token.spaced)), None)
    if opening is None:
        local, domain = _addr_spec(tokens)
        remark = next((token.text for token in element if token.kind == "comment"), "")
        return Address(_QUOTED_PAIR.sub(r"\1", remark).strip(), local, domain)
    if tokens[-1].kind != "special" or tokens[-1].text != ">":
        raise _Unparsable("the angle brackets around an address must close at its end")
    local, domain = _addr_spec(_without_route(tokens[opening + 1 : -1]))
    return Address(_phrase(tokens[:opening]), local, domain)


def _phrase(tokens: list[_Token]) -> str:
    """The display name. Accepts `@` and dots without the quotes that the grammar requires."""
    text = ""
    for token in tokens:
        if token.kind == "special" and token.text != "@":
            raise _Unparsable(f"{token.text} must be quoted in a name")
        piece = _QUOTED_PAIR.sub(r"\1", token.text) if token.kind == "quoted" else token.text
        text += f" {piece}" if token.spaced and text else piece
    return text.strip()


def _without_route(tokens: list[_Token]) -> list[_Token]:
    """Drop an obsolete source route `@a,@b:` before the address (RFC 5322 section 4.4)."""
    if tokens and tokens[0].kind == "special" and tokens[0].text == "@":
        for at, token in enumerate(tokens):
            if token.kind == "special" and token.text == ":":
                return tokens[at + 1 :]
    return tokens


def _addr_spec(tokens: list[_Token]) -> tuple[str, str]:
    ats = [at for at, token in enumerate(tokens) if token.kind == "special"]
    if len(ats) != 1 or tokens[ats[0]].text != "@":
        raise _Unparsable("an address needs one @ between its local part and its domain")
    return _local_part(tokens[: ats[0]]), _domain(tokens[ats[0] + 1 :])


def _local_part(tokens: list[_Token]) -> str:
    """A dot-atom, a quoted string, or words joined by dots (obsolete, RFC 5322 section 4.4)."""
    text, joined = "", True
    for token in tokens:
        if token.kind == "literal" or (not joined and not token.text.startswith(".")):
            raise _Unparsable("the part before @ must be one word or a quoted string")
        text += _QUOTED_PAIR.sub(r"\1", token.text) if token.kind == "quoted" else token.text
        joined = token.kind == "word" and token.text.endswith(".")
    if not text or not text.isprintable():
        raise _Unparsable("the part before @ is missing or not printable")
    return text


def _domain(tokens: list[_Token]) -> str:
    if any(token.kind == "quoted" for token in tokens):
        raise _Unparsable("the domain must not be quoted")
    text, joined = "", True
    for token in tokens:
        if not joined and not token.text.startswith("."):
            raise _Unparsable("the domain after @ must be one word")
        text += token.text
        joined = token.text.endswith(".")
    literal = len(tokens) == 1 and tokens[0].kind == "literal"
    if not literal and not is_valid_domain(text):
        raise _Unparsable("the domain after @ must be a domain name such as example.com")
    return text
