"""What one peer, and all of them together, may take from the listener."""

from __future__ import annotations

from dataclasses import dataclass, fields

from e2a_core.errors import SettingsError

__all__ = ["IntakeLimits"]

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Every cap of the listener; octets and seconds unless the name says otherwise.

    `message_octets` counts as RFC 1870 does: CRLF included, stuffed dots and the final dot not. Lines within a
    message have no cap of their own: RFC 5321 section 4.5.3.1.6 allows senders 1000 octets, many send more, and
    the size of the message bounds them.
    """

    # Attachments reach an agent as text, so more than this is of little use to it and costs every stage memory.
    message_octets: int = 10 * _MEBIBYTE
    # RFC 5321 section 4.5.3.1.8 demands at least 100.
    recipients: int = 100
    # A process usually may open 1024 descriptors; the store, HTTP and outbound connections need their share.
    connections: int = 500
    # One large sender runs some dozens of sessions in parallel; nobody may take all of them.
    connections_per_address: int = 50
    # High, because only fairness is at stake: a peer that always has mail must let others in now and then.
    messages_per_connection: int = 10_000
    # Commands that bring no message nearer (NOOP, RSET, VRFY, EHLO, MAIL) since the last accepted message.
    idle_commands: int = 100
    # Permanent refusals since the last accepted message: a list with stale addresses passes, a dictionary does not.
    errors: int = 50
    # Temporary refusals on a connection before they count as errors: a client with a long recipient list needs some.
    deferrals: int = 1000
    # RFC 5321 section 4.5.3.1.4 demands 512 plus what the extensions add; long VERP paths need more.
    command_octets: int = 2048
    # RFC 5321 section 4.5.3.2.7: at least five minutes for the next command.
    command_seconds: float = 300.0
    # RFC 5321 section 4.5.3.2.5: three minutes between blocks of data.
    data_seconds: float = 180.0
    # A message in one octet every two minutes is an attack; the largest one at 16 KiB/s takes eleven minutes.
    data_total_seconds: float = 900.0
    # A TLS handshake is two round trips.
    handshake_seconds: float = 30.0
    # A PROXY header, if any, is the first thing a proxy sends.
    proxy_header_seconds: float = 5.0
    # How long a refused peer may go on sending so that it still reads why, instead of a connection reset.
    linger_seconds: float = 2.0
    # Messages being received, over all sessions; beyond it peers are asked to come back (452 4.3.1).
    data_memory_octets: int = 256 * _MEBIBYTE

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise SettingsError(f"the intake limit {field.name} must be positive")

    @property
    def raw_octets(self) -> int:
        """The most an acceptable message takes on the wire: every line `.` sent as `..`, and the final dot."""
        return self.message_octets + self.message_octets // 3 + len(b".\r\n")

    @property
    def discard_octets(self) -> int:
        """How much of an oversized message is read to its end to refuse it politely; beyond it the peer is cut off."""
        return 4 * self.raw_octets
