"""Counters in the Prometheus text format 0.0.4, without a library: a few dozen numbers need none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

__all__ = ["Metrics"]

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """The numbers of one process. Label values must come from closed sets, never from callers."""

    def __init__(self) -> None:
        self._help: dict[str, tuple[str, str]] = {}
        self._values: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._sources: dict[str, Callable[[], float]] = {}
        self.describe("e2a_mcp_tool_calls_total", "counter", "Tool calls by tool and outcome.")
        self.describe("e2a_mcp_tool_seconds_sum", "counter", "Seconds spent in tools.")
        self.describe("e2a_mcp_http_refusals_total", "counter", "Requests to /mcp refused, by status.")

    def describe(self, name: str, kind: str, text: str) -> None:
        """Declares a metric; `kind` is counter or gauge."""
        self._help[name] = (kind, text)

    def add(self, name: str, labels: Mapping[str, str] | None = None, amount: float = 1) -> None:
        self._values[name][tuple(sorted((labels or {}).items()))] += amount

    def read_from(self, name: str, kind: str, text: str, read: Callable[[], float]) -> None:
        """Declares a metric that somebody else counts: its value is read when the metrics are."""
        self.describe(name, kind, text)
        self._sources[name] = read

    def tool_called(self, tool: str, outcome: str, seconds: float) -> None:
        self._values["e2a_mcp_tool_calls_total"][("outcome", outcome), ("tool", tool)] += 1
        self._values["e2a_mcp_tool_seconds_sum"][("tool", tool),] += seconds

    def refused(self, status: int) -> None:
        self.add("e2a_mcp_http_refusals_total", {"status": str(status)})

    def render(self) -> str:
        lines = []
        for name, (kind, text) in self._help.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            if name in self._sources:
                lines.append(f"{name} {_number(self._sources[name]())}")
            for labels, value in sorted(self._values[name].items()):
                shown = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels)
                lines.append(f"{name}{{{shown}}} {_number(value)}" if shown else f"{name} {_number(value)}")
        return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
