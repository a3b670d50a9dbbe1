"""Plots as SVG, made here: bars by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Bar", "Plot", "bars"]

WIDTH, HEIGHT = 600, 110


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    kind: str
    """The class of its style."""


@dataclass(frozen=True, slots=True)
class Plot:
    bars: list[Bar]
    most: int
    """The value of the highest bar."""
    width: int = WIDTH
    height: int = HEIGHT


def bars(days: Sequence[Sequence[int]], kinds: Sequence[str]) -> Plot:
    """One group of bars for each day, with a bar for each of `kinds`."""
    most = max((value for day in days for value in day), default=0)
    slot = WIDTH / max(1, len(days))
    width = slot * 0.8 / len(kinds)
    found = []
    for place, day in enumerate(days):
        for number, (value, kind) in enumerate(zip(day, kinds, strict=True)):
            if value:
                height = max(2.0, (HEIGHT - 4) * value / most)
                x = place * slot + number * width
                found.append(
                    Bar(round(x, 1), round(HEIGHT - height, 1), round(width, 1), round(height, 1), kind)
                )
    return Plot(found, most)
