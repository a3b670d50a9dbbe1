"""The address, credentials and timeouts of the upstream relay."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path

from e2a_core.settings import Settings

__all__ = ["Timeouts", "UpstreamConfig"]

_IMPLICIT_TLS_PORTS = frozenset({465})
"""The port of "submissions", with TLS from the first octet (RFC 8314 section 3.3)."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds. The defaults are the minimums of RFC 5321 section 4.5.3.2, except `connect` and `quit`."""

    connect: float = 30.0
    command: float = 300.0
    chunk: float = 180.0
    final_reply: float = 600.0
    quit: float = 2.0


@dataclass(frozen=True, slots=True)
class UpstreamConfig:
    """The upstream relay and how to connect to it.

    `ehlo_name` is this host's name or address literal; relays distrust `localhost`. `message_id_domain` completes a
    provider's message id that has no domain. Connections to `implicit_tls_ports` use TLS from the start; on others
    STARTTLS is used if offered, and `require_tls` makes it mandatory. `tls_context` verifies by default.
    """

    host: str
    port: int
    ehlo_name: str
    username: str = ""
    password: str = field(default="", repr=False)
    require_tls: bool = False
    message_id_domain: str = ""
    tls_context: ssl.SSLContext | None = None
    implicit_tls_ports: frozenset[int] = _IMPLICIT_TLS_PORTS
    timeouts: Timeouts = Timeouts()

    @classmethod
    def of(cls, settings: Settings) -> UpstreamConfig:
        """The config that the settings name, without a TLS context."""
        return cls(
            host=settings.outbound_smtp_host,
            port=settings.outbound_smtp_port,
            ehlo_name=settings.hostname,
            username=settings.outbound_smtp_username,
            password=settings.outbound_smtp_password,
            require_tls=settings.require_tls,
        )

    def with_tls(self, ca_file: Path | None) -> UpstreamConfig:
        """Returns the config with the TLS context that fits it; with `ca_file` its certificates alone are trusted.

        On loopback, and where neither TLS nor a credential is at stake, an unverified connection is better than one in
        clear text (RFC 7435). Raises OSError if the file cannot be read, `ssl.SSLError` if it holds no certificate.
        """
        context = ssl.create_default_context(cafile=ca_file)
        if ca_file is None and (self.is_loopback or not (self.username or self.require_tls)):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return replace(self, tls_context=context)

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"
