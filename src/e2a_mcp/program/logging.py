"""Logging of both commands: to standard error, and of libraries only warnings.

Below a warning some libraries log what they carry, be it mail, SQL with its values, or a key. So nothing is let through
by default, and only the program's own loggers follow `E2A_LOG_LEVEL`.
"""

from __future__ import annotations

import logging
import sys

__all__ = ["configure_logging"]

# Children of these two packages, and of no other.
OUR_LOGGERS = ("e2a", "e2a_core", "e2a_mcp")
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Call once per process, before anything is logged; `level` is a value of `E2A_LOG_LEVEL`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in OUR_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
