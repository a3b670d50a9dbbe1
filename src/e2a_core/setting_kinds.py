"""Parsers for the text of settings. Each raises ValueError with what would be right."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

__all__ = [
    "ListenAddress",
    "as_text",
    "choice",
    "choices",
    "comma_list",
    "dns_server",
    "domain",
    "email",
    "flag",
    "host",
    "integer",
    "is_unexpanded",
    "issuer",
    "listen",
    "networks",
    "optional_email",
    "optional_path",
    "path",
    "paths",
    "text",
    "url",
]


_PLACEHOLDER = re.compile(r"\$\{[A-Za-z_][\w.:-]*\}|\A\$[A-Za-z_]\w*\Z|\A%[A-Za-z_]\w*%\Z", re.ASCII)


class ListenAddress(NamedTuple):
    """Host and port of a listener. Port 0 lets the operating system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def text(value: str) -> str:
    return value


def flag(value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("true or false")


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        wanted = f"a whole number from {minimum} to {maximum}"
        digits = value.strip()
        # int() also reads 1_000, and digits of other scripts.
        if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(maximum))):
            raise ValueError(wanted)
        if not minimum <= int(digits) <= maximum:
            raise ValueError(wanted)
        return int(digits)

    return parse


def choice(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(" or ".join(allowed))
        return value

    return parse


def listen(value: str) -> ListenAddress:
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("HOST:PORT, for example 127.0.0.1:2525")
    return ListenAddress(host, int(port))


def dns_server(value: str) -> str:
    if not value:
        return ""
    address = listen(value)
    try:
        # A host name would need the very resolver that is being configured.
        ipaddress.ip_address(address.host)
    except ValueError:
        raise ValueError("IP:PORT, for example 127.0.0.1:53") from None
    if address.port == 0:
        raise ValueError("IP:PORT with a port from 1 to 65535")
    return str(address)


def email(value: str) -> str:
    local, at, domain = value.strip().rpartition("@")
    if not (local and at and domain) or not value.isprintable() or " " in value.strip():
        raise ValueError("an address such as you@example.com")
    return value.strip()


def optional_email(value: str) -> str:
    return email(value) if value else ""


def emails(value: str) -> tuple[str, ...]:
    return tuple(email(item) for item in comma_list(value))


def path(value: str) -> Path:
    return Path(value).expanduser()


def optional_path(value: str) -> Path | None:
    return path(value) if value else None


def paths(value: str) -> tuple[Path, ...]:
    return tuple(path(item).resolve() for item in value.split(os.pathsep) if item)


def comma_list(value: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in value.split(",") if item.strip())


def choices(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    def parse(value: str) -> tuple[str, ...]:
        found = comma_list(value)
        if not set(found) <= set(allowed):
            raise ValueError(f"a comma list of {', '.join(allowed)}")
        return found

    return parse


def url(value: str) -> str:
    """The base of other URLs, which go into header fields of mail: so nothing that only ends one, and no line break."""
    if not value:
        return ""
    wanted = "an http:// or https:// URL without user name, query or fragment"
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
    except ValueError:
        raise ValueError(wanted) from None
    if not known or not value.isprintable() or any(char in value for char in ' @?#<>"\\'):
        raise ValueError(wanted)
    return value.rstrip("/")


def issuer(value: str) -> str:
    """An issuer's name, which is compared as it is: with a slash at the end or without."""
    url(value)
    return value


def host(value: str) -> str:
    """A host name or an IP address; a port has a setting of its own."""
    name = value.strip().removeprefix("[").removesuffix("]")
    if any(not char.isprintable() or char in " /@\\" for char in name) or (
        ":" in name and not _is_address(name)
    ):
        raise ValueError("a host name or an IP address, without scheme and port")
    return name


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def domain(value: str) -> str:
    name = value.strip().rstrip(".").lower()
    labels = name.split(".")
    if name and any(
        not label or len(label) > 63 or not label.replace("-", "a").isalnum() for label in labels
    ):
        raise ValueError("a domain name such as agents.example.com")
    return name


def networks(value: str) -> tuple[str, ...]:
    for item in comma_list(value):
        try:
            network = ipaddress.ip_network(item)
        except ValueError:
            raise ValueError("a comma list of CIDR ranges such as 10.0.0.0/8") from None
        if network.prefixlen == 0:
            raise ValueError("ranges narrower than the whole address space")
    return comma_list(value)


def is_unexpanded(value: str, *, secret: bool) -> bool:
    """Returns True for `${NAME}`, `${user_config.name}` and the like; a secret may contain them by chance."""
    if secret:
        return _PLACEHOLDER.fullmatch(value.strip()) is not None
    return _PLACEHOLDER.search(value) is not None


def as_text(value: Any, separator: str) -> str | None:
    """Converts a value of `config.toml` to the text that an environment variable would have."""
    if value is None:
        return None
    if isinstance(value, list):
        return separator.join(str(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
