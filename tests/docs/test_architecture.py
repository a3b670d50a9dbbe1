"""The rooms of the code are those the architecture tells of, and each has its layer."""

from __future__ import annotations

import re
import tomllib

from tests.docs.documents import ROOT, table_rows, ticked

CORE = ROOT / "src" / "e2a_core"


def rooms() -> set[str]:
    return {path.parent.name for path in CORE.glob("*/__init__.py")}


def test_every_room_is_told_of() -> None:
    assert {name for row in table_rows("architecture.md") for name in ticked(row[0])} == rooms()


def test_every_room_and_module_has_a_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    [layers] = [contract["layers"] for contract in contracts["contracts"] if contract["type"] == "layers"]
    layered = {name for layer in layers for name in re.split(r"\s*[:|]\s*", layer)}
    modules = {path.stem for path in CORE.glob("*.py") if path.stem != "__init__"}
    assert {f"e2a_core.{name}" for name in rooms() | modules} | {"e2a_mcp"} == layered


def test_modules_are_small() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").count("\n")
        # The errors, the settings and the engine's contract are one list each, and longer than other modules should be.
        assert lines <= (600 if path.name in {"errors.py", "settings.py", "engine.py"} else 400), path
