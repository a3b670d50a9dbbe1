"""The clock of this machine, against the latest instant in the store and the clocks of servers that answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from e2a_core.clock import Clock, from_micros, rfc3339
from e2a_mcp.program.doctor.finding import Finding, fail, passed, warn

__all__ = ["check_clock"]

NOTICED = timedelta(seconds=30)
"""`Date` has whole seconds, and an answer takes some."""
HARMFUL = timedelta(minutes=5)
"""From here on signatures, tokens and links of others are taken for expired, or for not valid yet."""


def check_clock(clock: Clock, newest: int, ahead_of: Mapping[str, timedelta]) -> Finding:
    """`newest` is in microseconds, 0 if unknown; `ahead_of` is how far the clock is ahead of servers, by their URL."""
    now, offsets = clock.now(), dict(ahead_of)
    if newest and now < from_micros(newest):
        offsets["the latest entry of the store"] = now - from_micros(newest)
    if not offsets:
        return passed("clock.offset", f"{rfc3339(now)}; nothing contradicts it")
    against, offset = max(offsets.items(), key=lambda item: abs(item[1]))
    seconds = round(offset.total_seconds())
    if abs(offset) <= NOTICED:
        return passed("clock.offset", f"agrees with {against}", offset_seconds=seconds)
    code, way = ("clock_behind", "behind") if seconds < 0 else ("clock_ahead", "ahead of")
    detail = f"{rfc3339(now)} is {timedelta(seconds=abs(seconds))} {way} {against}"
    fix = "set the clock, and keep it right: timedatectl set-ntp true"
    if abs(offset) > HARMFUL:
        return fail("clock.offset", code, detail, fix, offset_seconds=seconds)
    return warn("clock.offset", code, detail, fix, offset_seconds=seconds)
