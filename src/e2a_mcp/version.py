"""The version of the installed distribution."""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["VERSION"]

VERSION = version("e2a-mcp")
