"""The figures of a run, and the report of them."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Figure", "machine", "measured", "to_json", "to_table"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    `value` is compared with `bound`. It is the ratio of `ours` to `baseline`, or `ours` itself without a baseline. The
    bound is the least allowed value if `floor` is set, else the greatest. A figure without a bound is only shown.
    """

    name: str
    unit: str
    ours: float
    baseline: float | None = None
    bound: float | None = None
    floor: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if self.baseline is None else self.ours / self.baseline

    @property
    def value(self) -> float:
        return self.ours if self.ratio is None else self.ratio

    @property
    def ok(self) -> bool:
        if self.bound is None:
            return True
        return self.value >= self.bound if self.floor else self.value <= self.bound


def measured(
    name: str,
    unit: str,
    ours: Sequence[float],
    baseline: Sequence[float],
    *,
    bound: float | None,
    floor: bool = False,
    note: str = "",
) -> Figure:
    """Returns a figure of medians. Run both sides in turns, so that a busy machine slows them alike."""
    return Figure(name, unit, median(ours), median(baseline), bound, floor, note)


def machine() -> str:
    """Returns one line about this machine. Across machines ratios compare roughly, absolute figures do not."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, load {load}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def to_table(figures: Sequence[Figure]) -> str:
    header = ("figure", "ours", "baseline", "ratio", "must reach", "ok", "")
    rows = [header, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def to_json(figures: Sequence[Figure]) -> str:
    entries = [
        {
            "name": figure.name,
            "unit": figure.unit,
            "ours": figure.ours,
            "baseline": figure.baseline,
            "ratio": figure.ratio,
            "bound": figure.bound,
            "bound_is": "least" if figure.floor else "most",
            "ok": figure.ok,
            "note": figure.note,
        }
        for figure in figures
    ]
    return json.dumps({"machine": machine(), "argv": sys.argv[1:], "figures": entries}, indent=2)


def _row(figure: Figure) -> tuple[str, ...]:
    sign = ">=" if figure.floor else "<="
    bound = "" if figure.bound is None else f"{sign} {figure.bound:,g}"
    verdict = "" if figure.bound is None else "yes" if figure.ok else "NO"
    baseline = "" if figure.baseline is None else _amount(figure.baseline, figure.unit)
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    return figure.name, _amount(figure.ours, figure.unit), baseline, ratio, bound, verdict, figure.note


def _amount(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}"
