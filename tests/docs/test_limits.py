"""The one place that says where each limit is says so of all of them, and of nothing that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module

from e2a_core.contract import limits
from e2a_core.settings import Settings
from tests.docs.documents import ROOT

CORE = ROOT / "src" / "e2a_core"
LINE = re.compile(r"^    ([a-z_.]+): (.+)$", re.MULTILINE)


def told() -> set[tuple[str, str]]:
    """(module, name) of every line of the docstring."""
    return {
        (module, name) for module, names in LINE.findall(limits.__doc__ or "") for name in names.split(", ")
    }


def constants() -> Iterator[tuple[str, str]]:
    """(module, name) of every public `MAX_...` that a module of the core gives a value."""
    for path in CORE.rglob("*.py"):
        module = ".".join(path.relative_to(CORE).with_suffix("").parts)
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            for target in targets:
                if isinstance(target, ast.Name) and target.id.startswith("MAX_"):
                    yield module, target.id


def test_every_limit_that_is_told_of_exists() -> None:
    settings = {item.name for item in fields(Settings)}
    for module, name in told():
        found = (
            name in settings if module == "settings" else hasattr(import_module(f"e2a_core.{module}"), name)
        )
        assert found, f"{module}: {name}"


def test_every_limit_is_told_of() -> None:
    here = {(module, name) for module, name in constants() if module == "contract.limits"}
    assert {name for _, name in here} == set(limits.__all__)
    assert set(constants()) - here - told() == set()
