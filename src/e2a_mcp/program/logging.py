"""Logging of both commands, to standard error.

Below the level of a warning some libraries log the mail, SQL values or keys that they handle. So only warnings and
errors of libraries are logged, and only the program's own loggers follow `E2A_LOG_LEVEL`.
"""

from __future__ import annotations

import logging
import sys

__all__ = ["configure_logging"]

OUR_LOGGERS = ("e2a", "e2a_core", "e2a_mcp")
"""The parents of the program's own loggers."""
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    """Configures logging; call it once per process, before anything is logged.

    `level` is a value of `E2A_LOG_LEVEL`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in OUR_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
