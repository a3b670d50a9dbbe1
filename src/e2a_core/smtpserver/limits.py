"""Limits of the SMTP listener, per peer and in total."""

from __future__ import annotations

from dataclasses import dataclass, fields

from e2a_core.contract.limits import MAX_MESSAGE_OCTETS
from e2a_core.errors import SettingsError

__all__ = ["IntakeLimits"]

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """The limits of the listener, in octets and seconds as named, otherwise counts.

    `message_octets` counts as in RFC 1870: with CRLF, without stuffed dots and the final dot. Lines of a message have
    no limit of their own: RFC 5321 section 4.5.3.1.6 allows 1000 octets, but many senders exceed it.
    """

    message_octets: int = MAX_MESSAGE_OCTETS
    """Every stage holds a message in memory; `data_memory_octets` bounds them all together."""
    recipients: int = 100
    """RFC 5321 section 4.5.3.1.8 requires at least 100."""
    connections: int = 500
    """A process can usually open 1024 descriptors, which the store, HTTP and outbound connections share."""
    connections_per_address: int = 50
    """A large sender opens some dozens of sessions in parallel, but must not take all connections."""
    messages_per_connection: int = 10_000
    """High, because it only ensures that a peer with constant traffic gives way to others now and then."""
    idle_commands: int = 100
    """Commands that do not advance a transaction (NOOP, RSET, VRFY, EHLO, MAIL) since the last accepted message."""
    errors: int = 50
    """Permanent refusals since the last accepted message: allows stale addresses, stops dictionary attacks."""
    deferrals: int = 1000
    """Temporary refusals on a connection before they count as errors; clients with many recipients need some."""
    command_octets: int = 2048
    """RFC 5321 section 4.5.3.1.4 requires 512 plus the additions of extensions; long VERP paths need more."""
    command_seconds: float = 300.0
    """RFC 5321 section 4.5.3.2.7 requires at least five minutes for the next command."""
    silent_seconds: float = 10.0
    """After this a session that waits for a command gives way to a new connection for which there is no place."""
    data_seconds: float = 180.0
    """RFC 5321 section 4.5.3.2.5 requires three minutes between blocks of data."""
    data_total_seconds: float = 900.0
    """Stops senders that trickle data; the largest message takes eleven minutes at 16 KiB/s."""
    handshake_seconds: float = 30.0
    """A TLS handshake takes two round trips."""
    proxy_header_seconds: float = 5.0
    """A proxy sends its PROXY header first."""
    linger_seconds: float = 2.0
    """Time for which a refused peer may keep sending, so that it reads the reply instead of a connection reset."""
    data_memory_octets: int = 256 * _MEBIBYTE
    """Message data being received in all sessions; above it, messages are deferred (452 4.3.1)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise SettingsError(f"the intake limit {field.name} must be positive")

    @property
    def raw_octets(self) -> int:
        """The largest size of an acceptable message on the wire: all lines `.` stuffed to `..`, and the terminator."""
        return self.message_octets + self.message_octets // 3 + len(b".\r\n")

    @property
    def discard_octets(self) -> int:
        """Octets of an oversized message to read before the reply; a longer message ends the session."""
        return 4 * self.raw_octets
