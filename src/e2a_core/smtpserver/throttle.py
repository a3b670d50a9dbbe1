"""Counts the connections and memory of sessions, to limit them per peer and in total."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from ipaddress import IPv6Address, ip_address

__all__ = ["ConnectionThrottle", "DataMemory", "Verdict", "address_block"]


class Verdict(Enum):
    """Whether a new connection is admitted, or which limit it exceeds."""

    ADMITTED = "admitted"
    TOO_MANY = "too many connections"
    TOO_MANY_FROM_ADDRESS = "too many connections from your address"


class ConnectionThrottle:
    """Limits open connections in total and per address.

    IPv6 addresses are counted per /64, the smallest block assigned to a single site.
    """

    def __init__(self, *, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._open = 0
        self._by_address: Counter[str] = Counter()

    def enter(self, *, for_another: bool = False) -> Verdict:
        """Count a new connection. Call `leave` when it ends, unless it was refused.

        With `for_another` one that is counted is ending, and its place is taken at once.
        """
        if self._open >= self._total and not for_another:
            return Verdict.TOO_MANY
        self._open += 1
        return Verdict.ADMITTED

    def leave(self) -> None:
        self._open -= 1

    def claim(self, address: str, *, for_another: bool = False) -> Verdict:
        """Count a connection from `address`, as `enter` does in total. Call `release` after it."""
        key = address_block(address)
        if self._by_address[key] >= self._per_address and not for_another:
            return Verdict.TOO_MANY_FROM_ADDRESS
        self._by_address[key] += 1
        return Verdict.ADMITTED

    def release(self, address: str) -> None:
        key = address_block(address)
        self._by_address[key] -= 1
        if self._by_address[key] <= 0:
            del self._by_address[key]


class DataMemory:
    """The octets of message data held by all sessions together."""

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self._held = 0

    @property
    def exhausted(self) -> bool:
        return self._held > self._octets

    def hold(self, octets: int) -> None:
        """Add `octets` to the total; a negative number releases them."""
        self._held += octets


def address_block(address: str) -> str:
    """What counts as one address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return ip.exploded[:19] if isinstance(ip, IPv6Address) else address
