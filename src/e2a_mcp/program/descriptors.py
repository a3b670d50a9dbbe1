"""File descriptors of the process: the connections of its listeners leave some for the store and for outbound mail."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace

from e2a_core.settings import Settings

__all__ = ["fitted"]

WANTED = 8192
"""The soft limit is often 1024 and can be raised by the process itself."""
KEPT = 192
"""For the store, DNS, outbound mail, the workers and the files of the libraries."""
ACCEPTED_AT_ONCE = 320
"""Both listeners accept this many before a limit can close one."""
FEWEST = 16

_log = logging.getLogger(__name__)


def fitted(settings: Settings) -> Settings:
    """Raises the limit of descriptors if it can, and returns the settings with connections that fit in it."""
    limit = _raised_limit()
    room = max(limit - KEPT - ACCEPTED_AT_ONCE, 2 * FEWEST)
    smtp, http = settings.smtp_max_connections, settings.http_max_connections
    if limit < 0 or smtp + http <= room:
        return settings
    # Mail comes first: it gets what it asks for, up to half.
    smtp = min(smtp, room // 2)
    http = min(http, room - smtp)
    _log.warning("%d descriptors allow %d SMTP and %d HTTP connections: raise `ulimit -n`", limit, smtp, http)
    return replace(settings, smtp_max_connections=smtp, http_max_connections=http)


def _raised_limit() -> int:
    """The limit of descriptors; -1 where there is none to speak of."""
    try:
        import resource
    except ImportError:  # Windows
        return -1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return -1
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return soft
