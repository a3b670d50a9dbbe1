"""Why a host is not set up."""

from __future__ import annotations

__all__ = ["BrokenFile", "HostProblem"]


class HostProblem(Exception):
    """A host cannot be set up, or restored; nothing was written. The message says why and what to do.

    `snippet` is what a person can paste instead.
    """

    def __init__(self, message: str, snippet: str = "") -> None:
        super().__init__(message)
        self.snippet = snippet


class BrokenFile(HostProblem):
    """A file that does not parse; `line` and `column` count from 1."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.reason = reason
        self.line = line
        self.column = column
