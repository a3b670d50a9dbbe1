"""dkimpy as the independent judge: it verifies what this program signed, with none of this program's code."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Mapping

import dkim

__all__ = ["objection"]


def objection(message: bytes, records: Mapping[str, str]) -> str:
    """Why dkimpy does not accept the first DKIM signature of `message`; empty if it does.

    `records` are key records by DNS name, without a final dot.
    """
    asked: list[str] = []

    def published(name: bytes, timeout: int = 5) -> bytes | None:
        asked.append(name.decode("ascii", "replace").removesuffix("."))
        record = records.get(asked[-1])
        return None if record is None else record.encode()

    try:
        if dkim.DKIM(message).verify(dnsfunc=published):
            return ""
    except dkim.DKIMException as problem:
        return str(problem) or type(problem).__name__
    return "the signature does not fit" if asked else "there is no signature"
