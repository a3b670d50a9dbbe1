"""promises.toml as data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["DIVERGENCES", "PROMISES", "Divergence", "Promise"]

_MANIFEST: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "promises.toml").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Promise:
    """What is promised, and the tests that prove it as FILE::FUNCTION."""

    behaviour: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Divergence:
    """What other deployments of e2a do, what this one does instead, and the tests that prove it."""

    there: str
    here: str
    tests: tuple[str, ...]


PROMISES = {
    name: Promise(entry["behaviour"], tuple(entry["tests"])) for name, entry in _MANIFEST["promises"].items()
}
DIVERGENCES = {
    name: Divergence(entry["there"], entry["here"], tuple(entry["tests"]))
    for name, entry in _MANIFEST["divergences"].items()
}
